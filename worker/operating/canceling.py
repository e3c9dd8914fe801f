"""End what still waits of intents; what is in a request keeps its course. The commands and the status page do it here."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from feishu_batch import IntentView
from feishu_batch.results import IntentState, view_of_record
from worker.cli.errors import UnreachableError, WrongUseError
from worker.cli.session import Session
from worker.ledger.reading import CHUNK, Entry
from worker.ledger.records import Outcome, OutcomeKind

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

    def count(self, done: Canceled | None) -> None:
        if done is None:
            self.unknown += 1
            return
        self.ended += done.ended is not None
        self.intents += done.items > 0
        self.items += done.items
        self.in_flight += done.in_flight


def cancel_intent(session: Session, intent_id: str) -> Canceled:
    """Raises `WrongUseError` for an unknown one, `UnreachableError` if nobody takes it in."""
    [done] = _cancel(session, [Wanted(intent_id)])
    if done is None:
        raise WrongUseError(unknown(intent_id))
    return done


def cancel_intents(session: Session, wanted: Iterable[Wanted]) -> Tally:
    """A few hundred at a time. Raises `UnreachableError` if nobody takes them in; to run again is always safe."""
    tally = Tally()
    for step in _steps(wanted):
        for done in _cancel(session, step):
            tally.count(done)
    return tally


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


def _cancel(session: Session, step: Sequence[Wanted]) -> list[Canceled | None]:
    """In the same order; None for an unknown one."""
    before = _views(session, _taken_in(session, step))
    open_ = {intent_id: view for intent_id, view in before.items() if not view.state.is_final}
    for view in open_.values():
        session.lane(str(view.lane)).end_pending(view.number, Outcome(OutcomeKind.CANCELED))
    after = _views(session, _entries(session, [Wanted(intent_id) for intent_id in open_]))
    return [_done(before.get(one.intent_id), after.get(one.intent_id)) for one in step]


def _done(before: IntentView | None, after: IntentView | None) -> Canceled | None:
    if before is None:
        return None
    if after is None:  # it was not open
        return Canceled(before.state)
    return Canceled(None, after.progress.canceled - before.progress.canceled, after.progress.in_flight)


def _taken_in(session: Session, step: Sequence[Wanted]) -> dict[str, Entry]:
    """Only a lane can cancel: give the worker a moment to take the intents out of the inbox."""
    before, moved_at = -1, time.monotonic()
    while True:
        entries = _entries(session, step)
        left = [intent_id for intent_id, entry in entries.items() if entry.lane is None]
        if not left:
            return entries
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
