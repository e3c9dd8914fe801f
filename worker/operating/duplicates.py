"""Intents that are enqueued again under their old ids, which sends nothing: their results, and later changes of their cells.
Reads only.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from feishu_batch.errors import IntentError
from feishu_batch.intents import group_spec, parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from worker.ledger.fields import GroupField
from worker.ledger.reads.intent_log import IntentLog
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec
from worker.operating.failures import Failures, collect
from worker.operating.known_cells import KnownCell, KnownCells
from worker.operating.meanings import Meaning
from worker.operating.retry.reader import stands

MOST_LOOKED_AT: Final = 200_000  # the newest later intents; reading takes a second per 50,000
LISTED: Final = 10  # later intents that are listed
FEW: Final = 5  # items and lines of each
CHUNK: Final = 500
_OF_KNOWN: Final = (
    *(RecordField.GROUP, RecordField.ENQUEUED_AT_MS, RecordField.COMPLETED_AT_MS, RecordField.TOTAL),
    *(RecordField.FAILED, RecordField.CANCELED, RecordField.EXPIRED, RecordField.REFUSED, RecordField.RETRIED_AS),
)
_OF_LATER: Final = (RecordField.INTENT_ID, RecordField.GROUP, RecordField.NOTE, RecordField.ENQUEUED_AT_MS)


@dataclass(frozen=True, slots=True)
class KnownIntent:
    """An intent that was enqueued before. `line`: its line in the file."""

    line: int
    intent_id: str
    items: tuple[int, ...]


@dataclass(slots=True)
class LaterIntent:
    """An intent that changed, or will change, cells later. `items` and `lines` (of the file): the first few."""

    intent_id: str
    note: str | None
    enqueued_at: float | None  # unix seconds; None: in the inbox
    spec: GroupSpec
    cells: int = 0
    items: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class DuplicateReport:
    """Times are unix seconds. Counts of items: `failed` (without those that succeeded on a retry), `canceled`, `expired`; of cells:
    `changed`. `not_known`: later intents whose changes are not known here.
    """

    intents: int = 0
    first_at: float | None = None
    last_at: float | None = None
    failed: int = 0
    canceled: int = 0
    expired: int = 0
    changed: int = 0
    by: list[LaterIntent] = field(default_factory=list)  # newest first
    by_count: int = 0
    not_known: int = 0

    @property
    def not_applied(self) -> int:
        return self.failed + self.canceled + self.expired

    @property
    def in_effect(self) -> bool:
        """Whether the cells that these intents changed have their values, or will."""
        return not (self.not_applied or self.changed or self.not_known)


class DuplicateCheck:
    """Collects duplicate intents, and then reads all later ones. For one thread."""

    def __init__(self, reads: LedgerReads, history: IntentLog, meaning: Meaning, cells: KnownCells) -> None:
        self._reads, self._history, self._meaning, self._cells = reads, history, meaning, cells
        self._newest = history.newest()  # intents enqueued from now on are ignored
        self._own = array("Q")  # numbers
        self._first, self._marks, self._waiting = 0, bytearray(), frozenset[int]()
        self._columns: dict[tuple[str, str], int] = {}
        self._writes: dict[str, int] = {}
        self._groups: dict[tuple[str, str], GroupSpec | None] = {}
        self._failures = Failures()
        self._found = DuplicateReport()

    def add(self, intents: Sequence[KnownIntent]) -> None:
        for start in range(0, len(intents), CHUNK):
            self._add(intents[start : start + CHUNK])

    def _add(self, intents: Sequence[KnownIntent]) -> None:
        self._found.intents += len(intents)
        entries = zip(intents, self._reads.entries([one.intent_id for one in intents]), strict=True)
        known = [(one, entry) for one, entry in entries if entry]
        self._own.extend(entry.number for _, entry in known)
        placed = [(one, place) for one, entry in known if (place := self._reads.place(entry))]
        records = self._reads.fields([place for _, place in placed], _OF_KNOWN)
        found = [(one, place, record) for (one, place), record in zip(placed, records, strict=True) if record]
        for one, place, record in found:
            self._count(record)
            self._keep(one, place, record)
        collect(self._reads, [(one.intent_id, place, record) for one, place, record in found], self._failures)

    def _count(self, record: Mapping[str, str]) -> None:
        at, found = int(record.get(RecordField.ENQUEUED_AT_MS) or 0) / 1000, self._found
        found.first_at = min(at, found.first_at or at)
        found.last_at = max(at, found.last_at or at)
        found.canceled += int(record.get(RecordField.CANCELED) or 0)
        found.expired += int(record.get(RecordField.EXPIRED) or 0)

    def _keep(self, one: KnownIntent, place: IntentKeys, record: Mapping[str, str]) -> None:
        spec = self._spec(place.lane, record.get(RecordField.GROUP))
        if spec:
            column = self._columns.setdefault(self._column(spec), len(self._columns))
            write = self._writes.setdefault(_write(spec), len(self._writes))
            self._cells.put(column, one.items, place.number, one.line, write)

    def report(self) -> DuplicateReport:
        self._found.failed = self._failures.count()
        if self._columns:
            self._mark()
            self._look_at_inbox()
            later = self._later()
            for numbers in iter(lambda: list(islice(later, CHUNK)), []):
                self._look(numbers)
                if self._cells.is_empty:
                    break
            else:
                self._found.not_known += max(0, self._marks.count(0) - MOST_LOOKED_AT)
        return self._found

    def _mark(self) -> None:
        """One byte for each number from our first one on."""
        self._first = min(self._own)
        self._marks = bytearray(max(0, self._newest - self._first + 1))
        for number in self._own:
            if number <= self._newest:
                self._marks[number - self._first] = 1

    # --- later intents --------------------------------------------------------------------------------------------

    def _later(self) -> Iterator[int]:
        """Numbers of other intents, newest first."""
        numbers = range(self._newest, self._first - 1, -1)
        return islice((number for number in numbers if not self._is_own(number)), MOST_LOOKED_AT)

    def _is_own(self, number: int) -> bool:
        return self._marks[number - self._first] == 1

    def _look_at_inbox(self) -> None:
        """Intents in the inbox come after all recorded ones; also newest first."""
        inbox = self._history.inbox(self._first)
        waiting = [one for one in inbox if one[0] <= self._newest and not self._is_own(one[0])]
        self._waiting = frozenset(number for number, _ in waiting)
        for number, payload in reversed(waiting):
            try:
                intent = parse_intent(payload)
            except IntentError:
                continue  # it will change nothing
            spec = GroupSpec.from_json(group_spec(intent))
            later = LaterIntent(intent.intent_id, intent.note, None, spec)
            self._meet(later, number, intent.work_item_ids)

    def _look(self, numbers: Sequence[int]) -> None:
        records = self._records(numbers)
        for number in numbers:
            if number in records:
                place, record = records[number]
                self._look_at(number, place, record)
            elif number not in self._waiting:
                self._found.not_known += 1

    def _records(self, numbers: Sequence[int]) -> dict[int, tuple[IntentKeys, dict[str, str]]]:
        places = [self._history.place(lane, number) for number in numbers for lane in self._history.lanes]
        records = zip(places, self._reads.fields(places, _OF_LATER), strict=True)
        return {place.number: (place, record) for place, record in records if record}

    def _look_at(self, number: int, place: IntentKeys, record: Mapping[str, str]) -> None:
        spec = self._spec(place.lane, record.get(RecordField.GROUP))
        if spec is None or self._column(spec) not in self._columns:
            return  # refused, or about other cells
        items = [int(item) for item in self._reads.items(place)]
        met = self._cells.older(self._columns[self._column(spec)], items, number)
        letters = self._history.letters(place, [str(cell.item) for cell in met])
        at = int(record.get(RecordField.ENQUEUED_AT_MS) or 0) / 1000
        later = LaterIntent(record[RecordField.INTENT_ID], record.get(RecordField.NOTE), at, spec)
        self._change(later, [cell for cell, letter in zip(met, letters, strict=True) if stands(letter)])

    def _meet(self, later: LaterIntent, number: int, items: Sequence[int]) -> None:
        column = self._columns.get(self._column(later.spec))
        if column is not None:
            self._change(later, self._cells.older(column, items, number))
        elif self._meaning(later.spec) is None:
            is_near = any(self._cells.older(one, items, number) for one in self._columns.values())
            self._found.not_known += is_near  # its field name may mean one of ours

    def _change(self, later: LaterIntent, met: Sequence[KnownCell]) -> None:
        """The newest write counts: earlier ones of the same cell are ignored."""
        self._cells.remove(self._columns[self._column(later.spec)], [cell.item for cell in met])
        write = self._writes.get(_write(later.spec))
        others = [cell for cell in met if cell.write != write]
        if not others:
            return
        self._found.changed += len(others)
        self._found.by_count += 1
        later.cells = len(others)
        later.items, later.lines = [cell.item for cell in others[:FEW]], [cell.line for cell in others[:FEW]]
        if len(self._found.by) < LISTED:
            self._found.by.append(later)

    def _spec(self, lane: str, group: str | None) -> GroupSpec | None:
        if group is None:
            return None
        if (lane, group) not in self._groups:
            text = self._reads.group(lane, group).get(GroupField.SPEC)
            self._groups[lane, group] = GroupSpec.from_json(text) if text else None
        return self._groups[lane, group]

    def _column(self, spec: GroupSpec) -> tuple[str, str]:
        """The resolved names, as far as they are known here."""
        return self._meaning(spec) or (spec.project_key, spec.field_key)


def _write(spec: GroupSpec) -> str:
    return json.dumps([spec.update_mode, spec.before_field_value, spec.after_field_value], sort_keys=True)
