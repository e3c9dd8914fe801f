"""What was done to one work item: every change of one of its fields that the ledger still has, newest first."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from feishu_batch.errors import IntentError
from feishu_batch.intents import UpdateIntent, group_spec, parse_intent
from feishu_batch.item_log import ItemLog
from feishu_batch.keys import RecordField
from feishu_batch.written import untagged
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.intent_log import IntentLog
from worker.ledger.records import GroupSpec
from worker.operating.details import ItemState, ItemView, group_of, item_view, spec_of
from worker.operating.meanings import Meanings
from worker.operating.session import Session
from worker.wording import iso

Wanted = Callable[[GroupSpec], bool]


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One intent's change of a field of the item. Times are unix seconds; `lane` is None while it is in the inbox."""

    intent_id: str
    number: int
    lane: str | None
    spec: GroupSpec
    note: str | None
    change_set: str | None
    producer: str | None
    enqueued_at: float | None
    ended_at: float | None  # of the whole intent
    view: ItemView

    @property
    def value(self) -> Any:
        return untagged(self.spec.after_field_value)


def item_history(session: Session, item: int, wanted: Wanted) -> Iterator[ItemChange]:
    """Newest first. An intent that cannot be read (an id of another version, a damaged record) is left out."""
    log = ItemLog(session.redis)
    waiting = _in_inbox(session, item)  # first: what leaves the inbox meanwhile is found in its lane
    recorded = [(number, lane.keys) for lane in session.lanes.values() for number in log.numbers(lane.keys.head, item)]
    known = {number for number, _ in recorded}
    yield from (one for one in waiting if one.number not in known and wanted(one.spec))
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
                found.append(_waiting(intent, number, spec, view))
    return found[::-1]


def _waiting(intent: UpdateIntent, number: int, spec: GroupSpec, view: ItemView) -> ItemChange:
    about = intent.note, intent.change_set, intent.producer
    return ItemChange(intent.intent_id, number, None, spec, *about, None, None, view)


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
        session.reads.set_name(keys.lane, record.get(RecordField.CHANGE_SET)),
        record.get(RecordField.PRODUCER),
        _seconds(record.get(RecordField.ENQUEUED_AT_MS)),
        _seconds(record.get(RecordField.COMPLETED_AT_MS)),
        item_view(session.reads, place, record, group, str(item)),
    )


def _seconds(milliseconds: str | None) -> float | None:
    return int(milliseconds) / 1000 if milliseconds else None


def field_of(change: ItemChange, names: Meanings) -> str | None:
    """The field's name; None if no worker has looked it up."""
    spec = change.spec
    return names.field_name({name: getattr(spec, name) for name in ("project_key", "work_item_type_key", "field_key")})


def change_json(change: ItemChange, names: Meanings) -> dict[str, Any]:
    """The documented shape of one of `feishu-batch history --json`."""
    spec = change.spec
    return {
        "intent_id": change.intent_id,
        "number": change.number,
        "lane": change.lane,
        "enqueued_at": iso(change.enqueued_at) if change.enqueued_at else None,
        "intent_ended_at": iso(change.ended_at) if change.ended_at else None,
        "project_key": spec.project_key,
        "work_item_type_key": spec.work_item_type_key,
        "field_key": spec.field_key,
        "field_name": field_of(change, names),
        "update_mode": spec.update_mode,
        "value": change.value,
        "note": change.note,
        "change_set": change.change_set,
        "producer": change.producer,
        "state": change.view.state.value,
        "code": change.view.code,
        "reason": change.view.reason,
        "batch": change.view.batch,
        "job": change.view.job,
    }
