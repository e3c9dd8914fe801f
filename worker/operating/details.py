"""One intent, item by item: the state of each change. Derived from the owners of the cells, see docs/ledger.md."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from feishu_batch.intents import group_spec, parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import IntentState, IntentView, queued_view, view_of_record
from feishu_batch.retries import retries_of
from feishu_batch.written import untagged
from worker.ledger.fields import GroupField
from worker.ledger.reads.ledger import CellLine, Entry, LedgerReads
from worker.ledger.records import GroupSpec, RefusedIntent
from worker.wording import iso

_LOOKS = 3
A_LOOK = "0"  # instead of a batch: the cell is read before its change is sent


class ItemState(StrEnum):
    QUEUED = "queued"  # in the inbox
    PENDING = "pending"  # may be sent
    BEHIND = "behind"  # an older change of the same cell comes first
    GIVING_WAY = "giving way"  # replaced by a later change: superseded once that one is written
    IN_FLIGHT = "in flight"  # in a request that is being sent or followed
    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"  # not sent: the cell held the value already
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        return self in _OPEN


_OPEN = frozenset({ItemState.QUEUED, ItemState.PENDING, ItemState.BEHIND, ItemState.GIVING_WAY, ItemState.IN_FLIGHT})
_OF_LETTER = {str(kind): ItemState(kind.label) for kind in OutcomeKind}


WHY_NOT_SENT = {
    ItemState.CANCELED: "canceled before it was sent",
    ItemState.EXPIRED: "not sent before its expires_at",
}


@dataclass(frozen=True, slots=True)
class ItemView:
    item: int
    state: ItemState
    batch: int | None = None
    job: str | None = None
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class IntentDetail:
    """Times are ISO, UTC."""

    view: IntentView
    group: GroupSpec | None  # of an intent that intake refused: as written; None: not readable
    priority: int
    note: str | None
    change_set: str | None
    producer: str | None
    requests: int
    enqueued_at: str | None
    completed_at: str | None
    expires_at: str | None
    retried_as: tuple[tuple[str, IntentState], ...]  # the intents that retry failed items of it
    items: tuple[ItemView, ...]


def intent_detail(reads: LedgerReads, intent_id: str, default_user_key: str | None) -> IntentDetail | None:
    """None: no such intent, or its record has expired."""
    for _ in range(_LOOKS):  # it may leave the inbox between two reads
        [entry] = reads.entries([intent_id])
        if entry is None:
            return None
        place = reads.place(entry)
        found = _recorded(reads, intent_id, place) if place else _queued(reads, entry, default_user_key)
        if found:
            return found
    return None


def _queued(reads: LedgerReads, entry: Entry, default_user_key: str | None) -> IntentDetail | None:
    payload = reads.inbox_payload(entry.number)
    if payload is None:
        return None
    intent = parse_intent(payload)
    return IntentDetail(
        view=queued_view(intent.intent_id, entry.number, len(intent.work_item_ids)),
        group=GroupSpec.from_json(group_spec(intent, default_user_key)),
        priority=intent.priority,
        note=intent.note,
        change_set=intent.change_set,
        producer=intent.producer,
        requests=0,
        enqueued_at=None,
        completed_at=None,
        expires_at=intent.expires_at.isoformat(timespec="milliseconds") if intent.expires_at else None,
        retried_as=(),
        items=tuple(ItemView(item, ItemState.QUEUED) for item in intent.work_item_ids),
    )


def _recorded(reads: LedgerReads, intent_id: str, place: IntentKeys) -> IntentDetail | None:
    for _ in range(_LOOKS):
        record = reads.record(place)
        if not record:
            return None
        group = group_of(reads, place, record)
        items, outcomes = _items(reads, place, record, group)
        # Changes move between the reads; a view without missing items is good enough.
        if sum(item.state.is_open for item in items) >= int(record.get(RecordField.OPEN) or 0):
            break
    return IntentDetail(
        view=view_of_record(intent_id, place, record, outcomes),
        group=spec_of(record, group),
        priority=int(record.get(RecordField.PRIORITY) or 5),
        note=record.get(RecordField.NOTE),
        change_set=reads.set_name(place.lane, record.get(RecordField.CHANGE_SET)),
        producer=record.get(RecordField.PRODUCER),
        requests=int(record.get(RecordField.REQUESTS) or 0),
        enqueued_at=_iso(record.get(RecordField.ENQUEUED_AT_MS)),
        completed_at=_iso(record.get(RecordField.COMPLETED_AT_MS)),
        expires_at=_iso(record.get(RecordField.EXPIRES_AT_MS)),
        retried_as=_retries(reads, record),
        items=items,
    )


def _retries(reads: LedgerReads, record: Mapping[str, str]) -> tuple[tuple[str, IntentState], ...]:
    ids = retries_of(record)
    return tuple(reads.retries(ids).states(ids)) if ids else ()


def group_of(reads: LedgerReads, place: IntentKeys, record: Mapping[str, str]) -> dict[str, str]:
    """Empty for an intent that intake refused."""
    return reads.group(place.lane, record[RecordField.GROUP]) if RecordField.GROUP in record else {}


def spec_of(record: Mapping[str, str], group: Mapping[str, str]) -> GroupSpec | None:
    """Of an intent that intake refused: as written. None: not readable."""
    if group:
        return GroupSpec.from_json(group[GroupField.SPEC])
    written = record.get(RecordField.AS_WRITTEN)
    return RefusedIntent.from_json(written).spec if written else None


def _items(
    reads: LedgerReads, place: IntentKeys, record: Mapping[str, str], group: Mapping[str, str]
) -> tuple[tuple[ItemView, ...], dict[str, str]]:
    """Reads cells before outcomes: a change that settles in between then shows its outcome, and never wrongly a success."""
    ids = _ids(record)
    if refused := record.get(RecordField.REFUSED):
        return tuple(ended_item(item, OutcomeKind.FAILED + refused) for item in ids), {}
    places = _places(reads, place, record, group, ids)
    [outcomes] = reads.outcomes([place])
    return tuple(_view(item, places.get(item), outcomes.get(item)) for item in ids), outcomes


def item_view(
    reads: LedgerReads, place: IntentKeys, record: Mapping[str, str], group: Mapping[str, str], item: str
) -> ItemView:
    """One item of a large intent, without the others. In the same order as above."""
    if refused := record.get(RecordField.REFUSED):
        return ended_item(item, OutcomeKind.FAILED + refused)
    places = _places(reads, place, record, group, [item])
    return _view(item, places.get(item), reads.outcome(place, item))


def _ids(record: Mapping[str, str]) -> list[str]:
    return [item for item in record.get(RecordField.ITEMS, "").split(",") if item]


def _places(
    reads: LedgerReads, place: IntentKeys, record: Mapping[str, str], group: Mapping[str, str], items: Sequence[str]
) -> dict[str, ItemView]:
    """Where these items of the intent are, as far as they have not ended."""
    if not int(record.get(RecordField.OPEN) or 0):
        return {}
    ids = _ids(record)
    unrecorded = set(ids[int(record.get(RecordField.RECORDED) or len(ids)) :])
    places = _open_items(reads, place, items, group[GroupField.COLUMN])
    return places | {item: ItemView(int(item), ItemState.QUEUED) for item in items if item in unrecorded}


def _view(item: str, place: ItemView | None, outcome: str | None) -> ItemView:
    if outcome:
        return ended_item(item, outcome)
    return place or ItemView(int(item), ItemState.SUCCEEDED)


def ended_item(item: str, outcome: str) -> ItemView:
    """`outcome`: its letter, and the reason as JSON."""
    why = json.loads(outcome[1:]) if outcome[1:] else {}
    return ItemView(int(item), _OF_LETTER[outcome[0]], code=why.get("code"), reason=why.get("reason"))


def _open_items(reads: LedgerReads, place: IntentKeys, ids: Sequence[str], column: str) -> dict[str, ItemView]:
    lines = {item: line for item, line in reads.lines(place.lane, column, ids).items() if line.owner}
    names = [f"{holder}:{column}:{item}" for item, line in lines.items() for holder in _holders(line)]
    sharers = reads.sharers(place.lane, names)
    found = {item: _standing(str(place.number), column, item, line, sharers) for item, line in lines.items()}
    replaced_by = {item: _next_holder(place.number, lines[item]) for item, standing in found.items() if not standing}
    gave_way = reads.gave_way(place, column, {item: holder for item, holder in replaced_by.items() if holder})
    found |= dict.fromkeys(gave_way, (ItemState.GIVING_WAY, None))
    jobs = reads.jobs_of(place.lane, {batch for _, batch in filter(None, found.values()) if batch})
    return {item: _open_view(item, *standing, jobs) for item, standing in found.items() if standing}


def _holders(line: CellLine) -> Iterable[str]:
    return ((line.owner or "").partition("@")[0], *line.behind)


def _next_holder(number: int, line: CellLine) -> str | None:
    """The change that would have replaced this intent's change: the first younger one."""
    return next((holder for holder in _holders(line) if int(holder) > number), None)


def _standing(
    number: str, column: str, item: str, line: CellLine, sharers: Mapping[str, frozenset[str]]
) -> tuple[ItemState, str | None] | None:
    """The state and the batch of an intent's change of this cell; None: it is no longer there."""
    for place, holder in enumerate(_holders(line)):
        if number == holder or number in sharers.get(f"{holder}:{column}:{item}", ()):
            if place:
                return ItemState.BEHIND, None
            batch = (line.owner or "").partition("@")[2].removeprefix(A_LOOK)
            return (ItemState.IN_FLIGHT, batch) if batch else (ItemState.PENDING, None)
    return None


def _open_view(item: str, state: ItemState, batch: str | None, jobs: Mapping[str, tuple[str, str | None]]) -> ItemView:
    _, job = jobs.get(batch or "", ("", None))
    return ItemView(int(item), state, int(batch) if batch else None, job)


def _iso(milliseconds: str | None) -> str | None:
    return iso(int(milliseconds) / 1000) if milliseconds else None


def document(detail: IntentDetail, items: Iterable[ItemView]) -> dict[str, Any]:
    """The documented shape of `feishu-batch show --json`."""
    progress = detail.view.progress
    return {
        "intent_id": detail.view.intent_id,
        "number": detail.view.number,
        "lane": detail.view.lane,
        "state": detail.view.state.value,
        "total": progress.total,
        "pending": progress.pending,
        "in_flight": progress.in_flight,
        "counts": progress.counts(),
        "group": _group_json(detail.group),
        "priority": detail.priority,
        "note": detail.note,
        "change_set": detail.change_set,
        "producer": detail.producer,
        "requests": detail.requests,
        "enqueued_at": detail.enqueued_at,
        "completed_at": detail.completed_at,
        "expires_at": detail.expires_at,
        "retried_as": [{"intent_id": intent_id, "state": state.value} for intent_id, state in detail.retried_as],
        "items": [_item_json(item) for item in items],
    }


def _group_json(group: GroupSpec | None) -> dict[str, Any] | None:
    """For a refused intent, with the values as its producer wrote them."""
    if group is None:
        return None
    content = {name: untagged(getattr(group, name)) for name in GroupSpec.__slots__ if name != "expected"}
    return content | ({"expected_field_value": untagged(group.expected[0])} if group.expected else {})


def _item_json(item: ItemView) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ItemView.__slots__}
