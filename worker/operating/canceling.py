"""Cancel intents. First nothing more of them is sent, then what waits is ended; what is in a request keeps its course.

The commands and the status page do it here. Should this end half-way, the workers end what was marked.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from feishu_batch import IntentView
from feishu_batch.results import IntentState, view_of_record
from worker.cli.errors import UnreachableError, WrongUseError
from worker.cli.session import Session
from worker.ledger.reading import CHUNK, Entry
from worker.ledger.records import OutcomeKind

HOLD = 3.0  # seconds: how long a lane that lost us stands still
LONGEST_HOLD = 10.0  # seconds: then others' work goes on, and what is not marked by then may be sent meanwhile
TAKEN_IN_WITHIN = 10.0  # seconds without one that leaves the inbox: a running worker takes them out much faster


@dataclass(frozen=True, slots=True)
class Wanted:
    """`digest`: of the content that is meant; an intent with the same id and another content is not."""

    intent_id: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Canceled:
    """`ended`: how the intent had ended before, so that there was nothing to cancel."""

    ended: IntentState | None
    items: int = 0
    in_flight: int = 0  # in a request that goes on


@dataclass(slots=True)
class Tally:
    """Of many intents."""

    intents: int = 0  # of which something was canceled
    items: int = 0
    in_flight: int = 0
    ended: int = 0  # intents that had ended before
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
    """Raises `UnreachableError` if some are in the inbox and no worker records them; to run again is always safe.

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
    """What `cancel_intents` would find; `intents` are those that have not ended. Reads only."""
    tally = Tally()
    for step in _steps(wanted):
        entries = _entries(session, step)
        ended = sum(view.state.is_final for view in _views(session, entries).values())
        tally.unknown += len(step) - len(entries)
        tally.ended += ended
        tally.intents += len(entries) - ended
    return tally


def unknown(intent_id: str) -> str:
    return f"no intent {intent_id}: it was never enqueued here, or ended so long ago that it was forgotten"


def _steps(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    source = iter(wanted)
    while step := list(islice(source, CHUNK)):
        yield step


@dataclass(slots=True)
class _Stopped:
    """Intents of which nothing more is sent."""

    tally: Tally = field(default_factory=Tally)
    canceled_before: dict[str, int] = field(default_factory=dict)  # items, of those that a lane holds
    noted: list[str] = field(default_factory=list)  # were in the inbox: who records one of these cancels it
    ended_as: IntentState | None = None  # the last one that had ended before


def _stop(session: Session, step: Sequence[Wanted], stopped: _Stopped) -> set[str]:
    """Returns the lanes concerned. In this order: an intent is noted, or recorded, or both; so it is canceled, whoever is first."""
    known = _entries(session, step)
    stopped.tally.unknown += len(step) - len(known)
    queued = [intent_id for intent_id, entry in known.items() if entry.lane is None]
    if queued:
        session.front.note_revoked(queued)
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
    """End what waits of them, a few hundred at a time."""
    if stopped.noted:
        _wait_for_intake(session, stopped.noted)
        session.front.forget_revoked(stopped.noted)
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
            ended = view.state if view.state.is_final and not items else None  # in the meantime, by itself
            done.append(Canceled(ended, items, view.progress.in_flight))
    return done


def _wait_for_intake(session: Session, ids: Sequence[str]) -> None:
    """Give the worker a moment to take the intents out of the inbox; it cancels them where they are noted."""
    before, moved_at = -1, time.monotonic()
    while left := [
        intent_id
        for step in _steps(map(Wanted, ids))
        for intent_id, entry in _entries(session, step).items()
        if entry.lane is None
    ]:
        if (length := session.front.inbox_length()) != before:
            before, moved_at = length, time.monotonic()
        if time.monotonic() - moved_at > TAKEN_IN_WITHIN:
            which = left[0] if len(left) == 1 else f"{len(left)} of the intents"
            verb = "is" if len(left) == 1 else "are"
            raise UnreachableError(
                f"{which} {verb} still in the inbox, and no worker takes it in: start `feishu-batch up`, then cancel again"
            )
        time.sleep(0.1)


def _entries(session: Session, step: Sequence[Wanted]) -> dict[str, Entry]:
    """Of those that are known and meant."""
    found = session.reading.entries([one.intent_id for one in step])
    pairs = zip(step, found, strict=True)
    return {one.intent_id: entry for one, entry in pairs if entry and one.digest in (None, entry.digest)}


def _views(session: Session, entries: Mapping[str, Entry]) -> dict[str, IntentView]:
    """Of those that a lane has recorded."""
    places = {id_: place for id_, entry in entries.items() if (place := session.reading.place(entry))}
    records = session.reading.counts(list(places.values()))
    pairs = zip(places.items(), records, strict=True)
    return {id_: view_of_record(id_, place, record, {}) for (id_, place), record in pairs if record}
