"""The data for `retry`: the failures, and the intents that were enqueued after them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from feishu_batch.errors import IntentError
from feishu_batch.explained import FailureCode
from feishu_batch.intents import parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import OutcomeKind, holds_value
from worker.catalogue.unresolved import SYSTEM_FIELDS
from worker.ledger.fields import GroupField
from worker.ledger.reads.intent_log import IntentLog, LogEntry
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec, RefusedIntent
from worker.operating.meanings import Meaning, keys_only
from worker.operating.retry.decision import (
    ANY_COLUMN,
    ANY_LANE,
    RETRY_OF,
    Cell,
    Failure,
    LaterWrite,
    LaterWrites,
)

MOST_LOOKED_AT = 2_000_000  # later intents; for earlier failures it is too slow to find out what came after them
# A superseded change is not counted: its replacement is later still, and is checked itself.
NEVER_SENT = frozenset({OutcomeKind.CANCELED, OutcomeKind.EXPIRED, OutcomeKind.SUPERSEDED})
CHANGED = FailureCode.CHANGED_MEANWHILE
UNCERTAIN = "outcome_unknown"  # the code of a failure that may have been applied


@dataclass(frozen=True, slots=True)
class _Group:
    """`columns`: the columns that its changes write to; None if its field name may mean any field."""

    spec: GroupSpec
    columns: frozenset[str] | None


class RetryReader:
    """Reads failures, and the intents after them. `meaning`: resolves names to cells."""

    def __init__(self, reads: LedgerReads, history: IntentLog, meaning: Meaning = keys_only) -> None:
        self._reads = reads
        self._history = history
        self._meaning = meaning
        self._groups: dict[tuple[str, str], _Group | None] = {}
        self._set_name = cache(reads.set_name)

    def failure(self, lane: str, number: int, code: str | None = None) -> Failure | None:
        """The failed items of a recorded intent, with that code if one is given; None if there are none."""
        place = self._reads.place_of(lane, number)
        record = self._reads.record(place)
        if not int(record.get(RecordField.FAILED) or 0):
            return None
        if not (failed := self._failed_items(lane, number, record, code)):
            return None
        known = self._group(lane, record.get(RecordField.GROUP))
        refused = RefusedIntent.from_json(record[RecordField.AS_WRITTEN]) if RecordField.AS_WRITTEN in record else None
        spec = refused.spec if refused else known.spec if known else None
        expires = record.get(RecordField.EXPIRES_AT_MS)
        return Failure(
            number=number,
            intent_id=record[RecordField.INTENT_ID],
            lane=lane,
            spec=spec,
            is_refused=refused is not None,
            requested_lane=refused.lane if refused else None,
            meant=self._meant(spec),
            codes=frozenset(failed.values()),
            changed_since=frozenset(item for item, why in failed.items() if why == CHANGED and why != code),
            items=tuple(failed),
            priority=int(record.get(RecordField.PRIORITY) or 5),
            keeps=RecordField.KEEP_EVERY_CHANGE in record,
            may_skip="S" in record.get(RecordField.LOOK, ""),
            expires_at=int(expires) / 1000 if expires else None,
            change_set=self._set_name(lane, record.get(RecordField.CHANGE_SET)),
        )

    def past(self, failures: Sequence[Failure], most: int = MOST_LOOKED_AT) -> LaterWrites:
        """All intents after the oldest of them that touch one of their cells; of the newest `most` intents."""
        cells = frozenset((f.cell_lane, f.column, item) for f in failures for item in f.items if f.spec)
        numbers = [failure.number for failure in failures if failure.spec]
        return self.after(min(numbers) + 1 if numbers else None, cells, most)

    def after(self, first: int | None, cells: frozenset[Cell], most: int = MOST_LOOKED_AT) -> LaterWrites:
        """All intents from that number on that touch one of these cells, as far as they are among the newest `most`; None: none."""
        past = LaterWrites(newest=self._history.newest(), cells=cells)
        if first is not None:
            begin = max(first, past.newest - most)
            past.forgotten = begin - 1 if begin == past.newest - most else 0
            self._look(past, begin)
        return past

    def catch_up(self, past: LaterWrites) -> None:
        """Reads the intents that were enqueued since the last look."""
        first, past.newest = past.newest + 1, self._history.newest()
        self._look(past, first)

    def _look(self, past: LaterWrites, first: int) -> None:
        columns = past.columns
        # In this order, an intent that leaves the inbox meanwhile is seen twice, but never missed.
        waiting = self._note_inbox(past, columns, first)
        for brief in self._history.briefs(first, past.newest):
            if brief.lane is None and brief.number not in waiting:
                past.forgotten = brief.number
            self._note_brief(brief, columns, past)

    def _note_inbox(self, past: LaterWrites, columns: set[tuple[str, str]], first: int) -> set[int]:
        """Their lane is not known yet, nor the fields of their names."""
        numbers: set[int] = set()
        for number, payload in self._history.inbox(first):
            numbers.add(number)
            try:
                intent = parse_intent(payload)
            except IntentError:
                continue
            meant = self._meaning(intent)
            own = {" ".join(meant)} if meant else {column for _, column in columns}
            for lane in {lane for lane, _ in columns}:
                past.note(past.touched(lane, own, intent.work_item_ids), LaterWrite(number, intent.note, stands=True))
        return numbers

    def _note_brief(self, brief: LogEntry, columns: set[tuple[str, str]], past: LaterWrites) -> None:
        if brief.lane is None:
            return None
        place = self._history.place(brief.lane, brief.number)
        here = {column for lane, column in columns if lane in (brief.lane, ANY_LANE)}
        if (known := self._group(brief.lane, brief.group)) is None:
            return self._note_refused(brief, place, here, past)
        own = here if known.columns is None else known.columns
        if not columns & set(product((brief.lane, ANY_LANE), (*own, ANY_COLUMN))):
            return None
        items = [i for i in self._reads.items(place) if past.touched(brief.lane, own, [int(i)])]
        for item, outcome in zip(items, self._history.letters(place, items), strict=True):
            succeeded = holds_value(outcome) and brief.has_ended and known.columns is not None
            touch = LaterWrite(brief.number, brief.note, stands=stands(outcome), succeeded=succeeded)
            past.note(past.touched(brief.lane, own, [int(item)]), touch)
        return None

    def _note_refused(self, brief: LogEntry, place: IntentKeys, columns: set[str], past: LaterWrites) -> None:
        """A refused intent changed nothing, but counts as a retry of its items."""
        if (brief.note or "").startswith(RETRY_OF) and columns:
            items = map(int, self._reads.items(place))
            past.note(
                past.touched(brief.lane or "", columns, items), LaterWrite(brief.number, brief.note, stands=False)
            )

    def _failed_items(self, lane: str, number: int, record: Mapping[str, str], code: str | None) -> dict[int, str]:
        """Item → its failure code."""
        ids = [item for item in record.get(RecordField.ITEMS, "").split(",") if item]
        if refused := record.get(RecordField.REFUSED):
            own = _code(refused) or ""
            return dict.fromkeys(map(int, ids), own) if code in (None, own) else {}
        outcomes = self._history.letters(self._history.place(lane, number), ids)
        pairs = zip(ids, outcomes, strict=True)
        return {int(item): _code(outcome[1:]) or "" for item, outcome in pairs if outcome and _failed(outcome, code)}

    def _group(self, lane: str, group: str | None) -> _Group | None:
        if group is None:
            return None
        if (lane, group) not in self._groups:
            text = self._reads.group(lane, group).get(GroupField.SPEC)
            spec = GroupSpec.from_json(text) if text else None
            self._groups[lane, group] = _Group(spec, self._columns(spec)) if spec else None
        return self._groups[lane, group]

    def _columns(self, spec: GroupSpec) -> frozenset[str] | None:
        """The column as it was sent, and the resolved one if it was sent by a name."""
        sent = f"{spec.project_key} {spec.field_key}"
        meant = self._meaning(spec)
        if meant is None:
            return frozenset({sent}) if spec.field_key in SYSTEM_FIELDS else None
        return frozenset({sent, " ".join(meant)})

    def _meant(self, spec: GroupSpec | None) -> GroupSpec | None:
        if spec is None or (meant := self._meaning(spec)) is None:
            return None
        return replace(spec, project_key=meant[0], field_key=meant[1])


def _failed(outcome: str, code: str | None) -> bool:
    return outcome[0] == OutcomeKind.FAILED and code in (None, _code(outcome[1:]))


def stands(outcome: str | None) -> bool:
    """Whether a change is waiting, in progress, or was, or may have been, applied. `outcome`: from the ledger."""
    if outcome is None:
        return True
    if outcome[0] in NEVER_SENT:
        return False
    return _code(outcome[1:]) == UNCERTAIN


def _code(detail: str) -> str | None:
    code = json.loads(detail).get("code") if detail else None
    return None if code is None else str(code)
