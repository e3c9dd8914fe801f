"""The unfinished intents, one by one, for decisions about each, for example after a restore."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from feishu_batch.errors import IntentError
from feishu_batch.intents import parse_intent
from feishu_batch.keys import InboxKeys, RecordField
from worker.ledger.fields import GroupField
from worker.ledger.keys import LaneKeys

CHUNK = 500  # intents per round trip
_FIELDS = (
    RecordField.INTENT_ID,
    RecordField.GROUP,
    RecordField.ENQUEUED_AT_MS,
    RecordField.TOTAL,
    RecordField.OPEN,
    RecordField.NOTE,
)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`lane`: None if in the inbox. `open`: items without an outcome. `enqueued_at`: unix seconds. `spec`: from the record of its group."""

    intent_id: str
    lane: str | None
    enqueued_at: float
    items: int
    open: int
    spec: dict[str, Any]
    note: str | None


def unfinished(redis: Redis, prefix: str, lanes: Sequence[str]) -> Iterator[Unfinished]:
    """Lane after lane, each oldest first; then the inbox. Intents that end meanwhile are omitted."""
    for lane in lanes:
        yield from _of_lane(redis, prefix, lane)
    yield from _of_inbox(redis, prefix)


def _of_lane(redis: Redis, prefix: str, lane: str) -> Iterator[Unfinished]:
    client: Any = redis
    keys = LaneKeys(prefix, lane)
    numbers = client.zrange(keys.open_intents, 0, -1)
    specs: dict[str, dict[str, Any]] = {}
    for start in range(0, len(numbers), CHUNK):
        pipe = client.pipeline(transaction=False)
        for number in numbers[start : start + CHUNK]:
            pipe.hmget(keys.intent(number), *_FIELDS)
        for intent_id, group, at, total, is_open, note in pipe.execute():
            if intent_id is None:
                continue
            if group not in specs:
                specs[group] = json.loads(client.hget(keys.group(group), GroupField.SPEC) or "{}")
            yield Unfinished(
                intent_id, lane, int(at) / 1000, int(total or 0), int(is_open or 0), specs[group], note or None
            )


def _of_inbox(redis: Redis, prefix: str) -> Iterator[Unfinished]:
    client: Any = redis
    start = "-"
    while page := client.xrange(InboxKeys(prefix).inbox, start, count=CHUNK):
        start = f"({page[-1][0]}"
        for _, fields in page:
            try:
                intent = parse_intent(fields.get("i", ""))
            except IntentError:  # intake reports its error
                continue
            names = ("project_key", "work_item_type_key", "field_key", "update_mode", "after_field_value")
            spec = {name: getattr(intent, name) for name in names}
            at, items = int(fields.get("t") or 0) / 1000, len(intent.work_item_ids)
            yield Unfinished(intent.intent_id, None, at, items, items, spec, intent.note)
