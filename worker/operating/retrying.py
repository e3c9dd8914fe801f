"""Failed items as new intents, but not where a later change would be undone. What decides is pure; `Retry` reads the ledger."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from feishu_batch.errors import IntentError
from feishu_batch.intents import UpdateIntent, parse_intent
from feishu_batch.keys import OutcomeLetter, RecordField
from worker.ledger.history import Brief, History
from worker.ledger.reading import Reading
from worker.ledger.records import GroupSpec

MOST_LOOKED_AT = 2_000_000  # later intents; of what failed before them, nobody can say quickly what came after
# A superseded change is not counted either: the one that took its place is later still, and is looked at itself.
NEVER_SENT = frozenset({OutcomeLetter.CANCELED, OutcomeLetter.EXPIRED, OutcomeLetter.SUPERSEDED})
UNCERTAIN = "outcome_unknown"  # the code of a failure that may have been applied

Cell = tuple[str, str, int]  # lane, column ("<project_key> <field_key>"), item


class Why(StrEnum):
    """Why a failed item is left as it is."""

    RETRIED = "retried already"
    OVERTAKEN = "a later change of the same field of the item was enqueued"
    FORGOTTEN = "later intents were forgotten, so nobody can say whether one of them changed the field"
    EXPIRED = "the intent has expired"
    HURRIED = "others enqueue too fast for anybody to see whether they change the same field: run it again"
    REFUSED = "refused before it was recorded; its value is not kept: correct it and enqueue it again"


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed items of one intent. `spec` is None for an intent that was refused as a whole."""

    number: int
    intent_id: str
    lane: str
    spec: GroupSpec | None
    items: tuple[int, ...]
    priority: int = 5
    keeps: bool = False
    expires_at: float | None = None

    @property
    def column(self) -> str:
        return f"{self.spec.project_key} {self.spec.field_key}" if self.spec else ""

    @property
    def note(self) -> str:
        return f"retry of {self.intent_id}"


@dataclass(frozen=True, slots=True)
class Touch:
    """A later intent that wanted to change a cell. `stands`: it waits, is under way, or was, or may have been, applied."""

    number: int
    note: str | None
    stands: bool


@dataclass(slots=True)
class Past:
    """What came later: by cell; the newest number of which nothing is known any more; and up to which number it was looked at."""

    touches: dict[Cell, list[Touch]] = field(default_factory=dict)
    forgotten: int = 0
    newest: int = 0
    cells: frozenset[Cell] = frozenset()  # that are looked for

    @property
    def columns(self) -> set[tuple[str, str]]:
        return {(lane, column) for lane, column, _ in self.cells}


@dataclass(frozen=True, slots=True)
class Decision:
    failure: Failure
    items: tuple[int, ...]  # to be retried
    left: Mapping[Why, tuple[int, ...]]


def decide(failure: Failure, past: Past, now: float, *, even_if_overtaken: bool) -> Decision:
    items: list[int] = []
    left: dict[Why, list[int]] = {}
    for item in failure.items:
        why = _why_not(failure, item, past, now)
        if why is None or (even_if_overtaken and why in {Why.OVERTAKEN, Why.FORGOTTEN}):
            items.append(item)
        else:
            left.setdefault(why, []).append(item)
    return Decision(failure, tuple(items), {why: tuple(which) for why, which in left.items()})


def _why_not(failure: Failure, item: int, past: Past, now: float) -> Why | None:
    if failure.spec is None:
        return Why.REFUSED
    later = [t for t in past.touches.get((failure.lane, failure.column, item), ()) if t.number > failure.number]
    if any(touch.note == failure.note for touch in later):
        return Why.RETRIED
    if failure.expires_at is not None and failure.expires_at <= now:
        return Why.EXPIRED
    if any(touch.stands for touch in later):
        return Why.OVERTAKEN
    return Why.FORGOTTEN if past.forgotten > failure.number else None


def new_intent(failure: Failure, items: Sequence[int]) -> UpdateIntent:
    """The same wish for these items. The same failure and items give the same id."""
    spec = failure.spec
    if spec is None:
        raise ValueError("an intent that was refused as a whole has no value to send again")
    source = f"{failure.intent_id}\0{','.join(map(str, items))}"
    content: dict[str, Any] = {name: getattr(spec, name) for name in GroupSpec.__slots__}
    content |= {
        "intent_id": "retry-" + blake2b(source.encode(), digest_size=16).hexdigest(),
        "work_item_ids": list(items),
        "lane": failure.lane,
        "priority": failure.priority,
        "keep_every_change": failure.keeps,
        "note": failure.note,
    }
    if failure.expires_at is not None:
        content["expires_at"] = _iso(failure.expires_at)
    return parse_intent(content)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Retry:
    """Reads what failed, and what came after it."""

    def __init__(self, reading: Reading, history: History) -> None:
        self._reading = reading
        self._history = history
        self._groups: dict[tuple[str, str], tuple[GroupSpec, str] | None] = {}

    def failure(self, lane: str, number: int, code: str | None = None) -> Failure | None:
        """The failed items of a recorded intent, of that code only if one is given; None if there are none."""
        place = self._reading.place_of(lane, number)
        record = self._reading.record(place)
        if not int(record.get(RecordField.FAILED) or 0):
            return None
        if not (items := self._failed_items(lane, number, record, code)):
            return None
        known = self._group(lane, record.get(RecordField.GROUP))
        expires = record.get(RecordField.EXPIRES_AT_MS)
        return Failure(
            number=number,
            intent_id=record[RecordField.INTENT_ID],
            lane=lane,
            spec=known[0] if known else None,
            items=items,
            priority=int(record.get(RecordField.PRIORITY) or 5),
            keeps=RecordField.KEEP_EVERY_CHANGE in record,
            expires_at=int(expires) / 1000 if expires else None,
        )

    def past(self, failures: Sequence[Failure]) -> Past:
        """All that was enqueued after the oldest of them and touches one of their cells."""
        cells = frozenset((f.lane, f.column, item) for f in failures for item in f.items if f.spec)
        past = Past(newest=self._history.newest(), cells=cells)
        numbers = [failure.number for failure in failures if failure.spec]
        if numbers:
            first = max(min(numbers) + 1, past.newest - MOST_LOOKED_AT)
            past.forgotten = first - 1 if first == past.newest - MOST_LOOKED_AT else 0
            self._look(past, first)
        return past

    def catch_up(self, past: Past) -> None:
        """What was enqueued since the last look."""
        first, past.newest = past.newest + 1, self._history.newest()
        self._look(past, first)

    def _look(self, past: Past, first: int) -> None:
        columns = past.columns
        # In this order: an intent that leaves the inbox meanwhile is seen twice, and never not at all.
        waiting = self._note_inbox(past, {lane for lane, _ in columns}, first)
        for brief in self._history.briefs(first, past.newest):
            if brief.lane is None and brief.number not in waiting:
                past.forgotten = brief.number
            self._note_brief(brief, columns, past)

    def _note_inbox(self, past: Past, lanes: set[str], first: int) -> set[int]:
        """Whatever lane they will go to."""
        numbers: set[int] = set()
        for number, payload in self._history.inbox(first):
            numbers.add(number)
            try:
                intent = parse_intent(payload)
            except IntentError:
                continue
            column = f"{intent.project_key} {intent.field_key}"
            touched = [(lane, column, item) for lane in lanes for item in intent.work_item_ids]
            _note(past, past.cells.intersection(touched), Touch(number, intent.note, stands=True))
        return numbers

    def _note_brief(self, brief: Brief, columns: set[tuple[str, str]], past: Past) -> None:
        known = self._group(brief.lane, brief.group) if brief.lane else None
        if brief.lane is None or known is None or (brief.lane, known[1]) not in columns:
            return
        place = self._history.place(brief.lane, brief.number)
        items = [i for i in self._reading.items(place) if (brief.lane, known[1], int(i)) in past.cells]
        for item, outcome in zip(items, self._history.letters(place, items), strict=True):
            touch = Touch(brief.number, brief.note, stands=_stands(outcome))
            _note(past, {(brief.lane, known[1], int(item))}, touch)

    def _failed_items(self, lane: str, number: int, record: Mapping[str, str], code: str | None) -> tuple[int, ...]:
        ids = [item for item in record.get(RecordField.ITEMS, "").split(",") if item]
        if refused := record.get(RecordField.REFUSED):
            return tuple(map(int, ids)) if code in (None, _code(refused)) else ()
        outcomes = self._history.letters(self._history.place(lane, number), ids)
        return tuple(int(item) for item, told in zip(ids, outcomes, strict=True) if _failed(told, code))

    def _group(self, lane: str, group: str | None) -> tuple[GroupSpec, str] | None:
        """Its spec and its column."""
        if group is None:
            return None
        if (lane, group) not in self._groups:
            text = self._reading.group(lane, group).get("spec")
            spec = GroupSpec.from_json(text) if text else None
            self._groups[lane, group] = (spec, f"{spec.project_key} {spec.field_key}") if spec else None
        return self._groups[lane, group]


def chosen(failures: Sequence[Failure], field_key: str | None) -> Iterator[Failure]:
    """Oldest first, so that the new intents of a cell stand in the order of the old ones."""
    for failure in sorted(failures, key=lambda one: one.number):
        if field_key is None or (failure.spec is not None and failure.spec.field_key == field_key):
            yield failure


def _note(past: Past, cells: Collection[Cell], touch: Touch) -> None:
    for cell in cells:
        past.touches.setdefault(cell, []).append(touch)


def _failed(outcome: str | None, code: str | None) -> bool:
    if outcome is None or outcome[0] != OutcomeLetter.FAILED:
        return False
    return code in (None, _code(outcome[1:]))


def _stands(outcome: str | None) -> bool:
    if outcome is None:
        return True
    if outcome[0] in NEVER_SENT:
        return False
    return _code(outcome[1:]) == UNCERTAIN


def _code(detail: str) -> str | None:
    code = json.loads(detail).get("code") if detail else None
    return None if code is None else str(code)
