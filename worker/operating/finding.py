"""Finds change sets and single intents by a part of their id or note, and by when they were enqueued. Reads only, a bounded part."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from feishu_batch.change_set import SetCounts
from feishu_batch.keys import RecordField
from feishu_batch.set_reads import read_sets
from worker.ledger.reads.activity import Activity, IntentRow
from worker.operating.session import Session

SETS: Final = 2000  # that are looked at, those that grew last first
INTENTS: Final = 20_000  # numbers that are looked at in each lane, the newest first
FOUND: Final = 20  # of each kind
AT_ONCE: Final = 500
_ABOUT: Final = (RecordField.INTENT_ID, RecordField.NOTE, RecordField.CHANGE_SET, RecordField.ENQUEUED_AT_MS)


@dataclass(frozen=True, slots=True)
class Search:
    """`text`: a part of the id or the note, in any case; empty: any. Times are unix seconds, both included."""

    text: str = ""
    since: float | None = None
    until: float | None = None

    def is_in(self, *texts: str | None) -> bool:
        wanted = self.text.casefold()
        return any(wanted in one.casefold() for one in texts if one) if wanted else True

    def overlaps(self, first: float, last: float) -> bool:
        return (self.since is None or last >= self.since) and (self.until is None or first <= self.until)


@dataclass(frozen=True, slots=True)
class Found:
    """`has_more`: than are listed. `is_cut`: there are older ones that were not looked at."""

    sets: list[SetCounts]
    intents: list[IntentRow]
    has_more: bool
    is_cut: bool


@dataclass(slots=True)
class _Budget:
    is_spent: bool = False


def find(session: Session, search: Search) -> Found:
    """Intents of a change set are not listed by themselves."""
    budget = _Budget()
    sets = list(islice(_sets(session, search, budget), FOUND + 1))
    places = list(islice(_places(session, search, budget), FOUND + 1))
    activity = Activity(session.redis, session.settings.key_prefix, tuple(session.lanes))
    rows = activity.intents(places[:FOUND])
    return Found(sets[:FOUND], rows, max(len(sets), len(places)) > FOUND, budget.is_spent)


def _sets(session: Session, search: Search, budget: _Budget) -> Iterator[SetCounts]:
    names = session.reads.sets(SETS)
    for start in range(0, len(names), AT_ONCE):
        for one in read_sets(session.redis, session.settings.key_prefix, names[start : start + AT_ONCE]):
            if one is None:
                continue
            if search.since is not None and one.grew_at < search.since:
                return
            if search.is_in(one.change_set, one.note) and search.overlaps(one.since, one.grew_at):
                yield one
    budget.is_spent = budget.is_spent or len(names) == SETS


def _places(session: Session, search: Search, budget: _Budget) -> Iterator[tuple[str, int]]:
    """(lane, number) of single intents, the newest first."""
    newest = _last_before(session, search.until)
    oldest = max(0, newest - INTENTS)
    for top in range(newest, oldest, -AT_ONCE):
        numbers = range(top, max(oldest, top - AT_ONCE), -1)
        for lane, number, record in _records(session, numbers):
            at = int(record.get(RecordField.ENQUEUED_AT_MS) or 0) / 1000
            if search.since is not None and at < search.since:
                return
            is_single = RecordField.CHANGE_SET not in record and search.overlaps(at, at)
            if is_single and search.is_in(record[RecordField.INTENT_ID], record.get(RecordField.NOTE)):
                yield lane, number
    budget.is_spent = budget.is_spent or oldest > 0


def _records(session: Session, numbers: range) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Of those that are kept, in the order of the numbers."""
    reads = session.reads
    places = [(lane, number) for number in numbers for lane in session.lanes]
    records = reads.fields([reads.place_of(*place) for place in places], _ABOUT)
    return ((*place, record) for place, record in zip(places, records, strict=True) if RecordField.INTENT_ID in record)


def _last_before(session: Session, moment: float | None) -> int:
    """A number that no intent up to then is above, and hardly more: numbers are given in the order of time."""
    first, last = 0, session.reads.newest_number()
    if moment is None:
        return last
    while first < last:
        middle = (first + last + 1) // 2
        if _is_after(session, middle, last, moment):
            last = middle - 1
        else:
            first = middle
    return last


def _is_after(session: Session, number: int, last: int, moment: float) -> bool:
    """Judged by the first of the next numbers that is kept: those before may be forgotten."""
    for _, _, record in _records(session, range(number, min(last, number + AT_ONCE) + 1)):
        return int(record.get(RecordField.ENQUEUED_AT_MS) or 0) / 1000 > moment
    return False
