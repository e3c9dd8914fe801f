"""The content of an entry of the inbox."""

from hashlib import blake2b
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json

from feishu_batch.intents import DEFAULT_PRIORITY, UpdateIntent, group_spec
from feishu_batch.keys import RecordField
from worker.ledger.record_calls import NewIntent, NumberedSet
from worker.ledger.records import InboxEntry

CONDITIONAL: Final = "CONDITIONAL"  # instead of the mode: neither replaces an older change nor gives way to a newer one


class ReadableParts(NamedTuple):
    """Of an invalid intent."""

    intent_id: str | None
    items: list[int]
    change_set: str | None
    producer: str = ""


def readable_parts(payload: str) -> ReadableParts:
    """Without readable items, an id that no work item has."""
    try:
        content = from_json(payload)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("intent_id"), str):
        return ReadableParts(None, [], None)
    listed = content.get("work_item_ids")
    items = [item for item in listed if isinstance(item, int)] if isinstance(listed, list) else []
    named, by = (one if isinstance(one := content.get(key), str) else None for key in ("change_set", "producer"))
    return ReadableParts(content["intent_id"], items or [0], named, by or "")


def parts_of(intent: UpdateIntent) -> ReadableParts:
    return ReadableParts(intent.intent_id, list(intent.work_item_ids), intent.change_set, intent.producer or "")


def as_written(intent: UpdateIntent) -> dict[str, str]:
    """Record fields of a refused intent: the data to show it, and to enqueue it again."""
    written = to_json({"spec": from_json(group_spec(intent)), "lane": intent.lane}).decode()
    optional = {
        RecordField.PRIORITY: str(intent.priority) if intent.priority != DEFAULT_PRIORITY else "",
        RecordField.EXPIRES_AT_MS: str(_expires_at_ms(intent) or ""),
        RecordField.KEEP_EVERY_CHANGE: "1" if intent.keep_every_change else "",
        RecordField.NOTE: intent.note or "",
        RecordField.LOOK: _look_of(intent),
    }
    return {RecordField.AS_WRITTEN: written} | {name: value for name, value in optional.items() if value}


def _expires_at_ms(intent: UpdateIntent) -> int | None:
    return round(intent.expires_at.timestamp() * 1000) if intent.expires_at else None


def new_intent(entry: InboxEntry, intent: UpdateIntent, change_set: NumberedSet | None = None) -> NewIntent:
    # Without the lane's own user: if that user is replaced, recorded intents must continue as the new user.
    spec = group_spec(intent)
    return NewIntent(
        number=entry.number,
        intent_id=intent.intent_id,
        digest=blake2b(spec.encode(), digest_size=12).hexdigest(),
        spec=spec,
        column=f"{intent.project_key} {intent.field_key}",
        mode=CONDITIONAL if intent.is_conditional else str(intent.update_mode),
        priority=intent.priority,
        enqueued_at_ms=entry.enqueued_at_ms,
        expires_at_ms=_expires_at_ms(intent),
        keep_every_change=intent.keep_every_change,
        note=intent.note,
        items=intent.work_item_ids,
        trace=entry.trace,
        change_set=change_set,
        producer=intent.producer or entry.producer,
        place=f"{intent.project_key} {intent.work_item_type_key} {intent.user_key or ''}",
        look=_look_of(intent),
    )


def _look_of(intent: UpdateIntent) -> str:
    reads_before_request = intent.keep_before or intent.is_conditional
    return ("S" if intent.skip_unchanged else "") + ("T" if reads_before_request else "")
