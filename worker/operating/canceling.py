"""Cancel intents: first stop their sending, then end their pending items. Items in a request are not affected.

Used by the commands and the status page. If this stops half-way, the workers end the marked intents.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from feishu_batch import IntentError, IntentView, parse_intent
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import IntentState, view_of_record
from worker.ledger.reads.ledger import CHUNK, Entry
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.session import Session

HOLD = 3.0  # seconds: how long a lane stays held if this process dies
LONGEST_HOLD = 10.0  # seconds: then other work continues, and unmarked intents may be sent meanwhile
RECORDED_WITHIN = 10.0  # seconds without any intent leaving the inbox: a running worker is much faster


@dataclass(frozen=True, slots=True)
class Wanted:
    """`digest`: of the content; an intent with the same id and other content is not canceled."""

    intent_id: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Canceled:
    """`ended`: the final state, if the intent had already ended."""

    ended: IntentState | None
    items: int = 0
    in_flight: int = 0  # in a request, not affected


@dataclass(slots=True)
class Tally:
    """The sums over many intents."""

    intents: int = 0  # intents with canceled items
    items: int = 0
    in_flight: int = 0
    ended: int = 0  # intents that had already ended
    unknown: int = 0

    @property
    def known(self) -> bool:
        return bool(self.intents or self.in_flight or self.ended)

    def count(self, done: Canceled) -> None:
        self.ended += done.ended is not None
        self.intents += done.items > 0
        self.items += done.items
        self.in_flight += done.in_flight


def cancel_intent(session: Session, intent_id: str) -> Canceled:
    """Raises `WrongUseError` for an unknown one, `UnreachableError` if it is in the inbox and no worker records it."""
    stopped = _Stopped()
    _stop(session, [Wanted(intent_id)], stopped)
    if stopped.tally.unknown:
        raise WrongUseError(unknown(intent_id))
    [done] = _end(session, stopped) or [Canceled(stopped.ended_as)]
    return done


def cancel_intents(session: Session, wanted: Iterable[Wanted]) -> Tally:
    """Raises `UnreachableError` if some are in the inbox and no worker records them; repeating the call is always safe.

    While a long list is being marked, a few thousand intents a second, the lanes concerned compose no request.
    """
    stopped = _Stopped()
    held: set[str] = set()
    began = time.monotonic()
    try:
        for step in _steps(wanted):
            lanes = _stop(session, step, stopped)
            if len(step) == CHUNK and time.monotonic() - began < LONGEST_HOLD:
                held |= lanes
                for lane in held:
                    session.lane(lane).hold(HOLD)
    finally:
        for lane in held:
            session.lane(lane).release()
    for done in _end(session, stopped):
        stopped.tally.count(done)
    return stopped.tally


def look_at(session: Session, wanted: Iterable[Wanted]) -> Tally:
    """The preview of `cancel_intents`; `intents` are those that have not ended. Reads only."""
    tally = Tally()
    for step in _steps(wanted):
        entries = _entries(session, step)
        views = _views(session, entries)
        ended = sum(view.state.is_final for view in views.values())
        tally.unknown += len(step) - len(entries)
        tally.ended += ended
        tally.intents += len(entries) - ended
        tally.items += sum(view.progress.pending for view in views.values() if not view.state.is_final)
        tally.items += sum(_items_in_inbox(session, entry) for entry in entries.values() if entry.lane is None)
        tally.in_flight += sum(view.progress.in_flight for view in views.values())
    return tally


def _items_in_inbox(session: Session, entry: Entry) -> int:
    payload = session.reads.inbox_payload(entry.number)
    try:
        return len(parse_intent(payload).work_item_ids) if payload else 0
    except IntentError:  # of another version of the library: intake will refuse it
        return 0


def unknown(intent_id: str) -> str:
    return f"no intent {intent_id}: it was never enqueued here, or it ended so long ago that its record has expired"


def _steps(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    source = iter(wanted)
    while step := list(islice(source, CHUNK)):
        yield step


@dataclass(slots=True)
class _Stopped:
    """Intents whose sending is stopped."""

    tally: Tally = field(default_factory=Tally)
    canceled_before: dict[str, int] = field(default_factory=dict)  # items, for intents in a lane
    noted: list[str] = field(default_factory=list)  # were in the inbox: the worker that records one of these cancels it
    ended_as: IntentState | None = None  # state of the last one that had already ended


def _stop(session: Session, step: Sequence[Wanted], stopped: _Stopped) -> set[str]:
    """Returns the lanes concerned. In this order, an intent is marked, or recorded, or both, so it is canceled in every case."""
    known = _entries(session, step)
    stopped.tally.unknown += len(step) - len(known)
    queued = [intent_id for intent_id, entry in known.items() if entry.lane is None]
    if queued:
        session.inbox.note_revoked(queued)
        stopped.noted += queued
        known = _entries(session, step)
    numbers: dict[str, list[int]] = {}
    for intent_id, view in _views(session, known).items():
        if view.state.is_final and intent_id not in queued:
            stopped.ended_as = view.state
            stopped.tally.ended += 1
            continue
        stopped.canceled_before[intent_id] = 0 if intent_id in queued else view.progress.canceled
        numbers.setdefault(str(view.lane), []).append(view.number)
    for lane, some in numbers.items():
        session.lane(lane).stop(some, OutcomeKind.CANCELED)
    return set(numbers)


def _end(session: Session, stopped: _Stopped) -> list[Canceled]:
    """End their pending items, a few hundred intents at a time."""
    if stopped.noted:
        _wait_for_intake(session, stopped.noted)
        session.inbox.forget_revoked(stopped.noted)
        stopped.canceled_before |= dict.fromkeys(stopped.noted, 0)
    done: list[Canceled] = []
    for step in _steps(map(Wanted, stopped.canceled_before)):
        numbers: dict[str, list[int]] = {}
        known = _entries(session, step)
        for entry in known.values():
            numbers.setdefault(str(entry.lane), []).append(entry.number)
        for lane, some in numbers.items():
            session.lane(lane).end_all(some)
        for intent_id, view in _views(session, known).items():
            items = view.progress.canceled - stopped.canceled_before[intent_id]
            ended = view.state if view.state.is_final and not items else None  # ended meanwhile
            done.append(Canceled(ended, items, view.progress.in_flight))
    return done


def _wait_for_intake(session: Session, ids: Sequence[str]) -> None:
    """Wait until the worker has recorded the intents; it cancels the marked ones."""
    before, moved_at = -1, time.monotonic()
    while left := [
        intent_id
        for step in _steps(map(Wanted, ids))
        for intent_id, entry in _entries(session, step).items()
        if entry.lane is None
    ]:
        if (length := session.inbox.length()) != before:
            before, moved_at = length, time.monotonic()
        if time.monotonic() - moved_at > RECORDED_WITHIN:
            which = left[0] if len(left) == 1 else f"{len(left)} of the intents"
            verb = "is" if len(left) == 1 else "are"
            raise UnreachableError(
                f"{which} {verb} still in the inbox, and no worker is reading the inbox: start `feishu-batch up`, then cancel again"
            )
        time.sleep(0.1)


def _entries(session: Session, step: Sequence[Wanted]) -> dict[str, Entry]:
    """The entries of the known intents with this content."""
    found = session.reads.entries([one.intent_id for one in step])
    pairs = zip(step, found, strict=True)
    return {one.intent_id: entry for one, entry in pairs if entry and one.digest in (None, entry.digest)}


def _views(session: Session, entries: Mapping[str, Entry]) -> dict[str, IntentView]:
    """The views of the intents that a lane has recorded."""
    places = {id_: place for id_, entry in entries.items() if (place := session.reads.place(entry))}
    records = session.reads.counts(list(places.values()))
    pairs = zip(places.items(), records, strict=True)
    return {id_: view_of_record(id_, place, record, {}) for (id_, place), record in pairs if record}
