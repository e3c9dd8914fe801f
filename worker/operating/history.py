"""What was done to one work item: every change of one of its fields that the ledger still has, newest first."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from feishu_batch.errors import IntentError
from feishu_batch.intents import group_spec, parse_intent
from feishu_batch.keys import RecordField
from feishu_batch.written import untagged
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.intent_log import IntentLog
from worker.ledger.reads.item_log import ItemLog
from worker.ledger.records import GroupSpec
from worker.operating.details import ItemState, ItemView, group_of, item_view, spec_of
from worker.operating.session import Session

Wanted = Callable[[GroupSpec], bool]


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One intent's change of a field of the item. Times are unix seconds; `lane` is None while it is in the inbox."""

    intent_id: str
    number: int
    lane: str | None
    spec: GroupSpec
    note: str | None
    enqueued_at: float | None
    ended_at: float | None  # of the whole intent
    view: ItemView

    @property
    def value(self) -> Any:
        return untagged(self.spec.after_field_value)


def item_history(session: Session, item: int, wanted: Wanted) -> Iterator[ItemChange]:
    """Newest first. An intent that cannot be read (an id of another version, a damaged record) is left out."""
    log = ItemLog(session.redis)
    recorded = [(number, lane.keys) for lane in session.lanes.values() for number in log.numbers(lane.keys, item)]
    yield from (one for one in _in_inbox(session, item) if wanted(one.spec))
    for number, keys in sorted(recorded, key=lambda one: one[0], reverse=True):
        change = _recorded(session, keys, number, item)
        if change and wanted(change.spec):
            yield change


def _in_inbox(session: Session, item: int) -> list[ItemChange]:
    """Those that no lane has recorded yet."""
    settings = session.settings
    log = IntentLog(session.redis, settings.key_prefix, tuple(session.lanes))
    found: list[ItemChange] = []
    for number, payload in log.inbox(0):
        if str(item) not in payload:  # spares reading a hundred thousand intents as JSON
            continue
        with suppress(IntentError):  # of another version of the library: intake will refuse it
            intent = parse_intent(payload)
            if item in intent.work_item_ids:
                spec = GroupSpec.from_json(group_spec(intent, settings.user_key))
                view = ItemView(item, ItemState.QUEUED)
                found.append(ItemChange(intent.intent_id, number, None, spec, intent.note, None, None, view))
    return found[::-1]


def _recorded(session: Session, keys: LaneKeys, number: int, item: int) -> ItemChange | None:
    place = keys.of_intent(number)
    record = session.reads.record(place)
    group = group_of(session.reads, place, record)
    spec = spec_of(record, group)
    if spec is None:  # forgotten meanwhile
        return None
    return ItemChange(
        record[RecordField.INTENT_ID],
        number,
        keys.lane,
        spec,
        record.get(RecordField.NOTE),
        _seconds(record.get(RecordField.ENQUEUED_AT_MS)),
        _seconds(record.get(RecordField.COMPLETED_AT_MS)),
        item_view(session.reads, place, record, group, str(item)),
    )


def _seconds(milliseconds: str | None) -> float | None:
    return int(milliseconds) / 1000 if milliseconds else None
