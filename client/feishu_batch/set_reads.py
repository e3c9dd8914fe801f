"""The results of the intents of a change set, read from the ledger: a few round trips for hundreds of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from feishu_batch.change_set import FailedChange
from feishu_batch.keys import InboxKeys, IntentKeys, RecordField, group_key
from feishu_batch.results import (
    COUNTED,
    IntentView,
    entry_of,
    failed_items,
    queued_view,
    read_intent,
    view_of_record,
)


def read_progress(redis: Redis, prefix: str, intent_ids: Sequence[str]) -> list[IntentView | None]:
    """Their counts, not which items failed."""
    places, queued = _places(redis, prefix, intent_ids)
    pipe: Any = redis.pipeline(transaction=False)
    for place in places.values():
        pipe.hmget(place.record, COUNTED)
    views: dict[str, IntentView | None] = {}
    for (intent_id, place), values in zip(places.items(), pipe.execute() if places else [], strict=True):
        record = {name: value for name, value in zip(COUNTED, values, strict=True) if value is not None}
        views[intent_id] = view_of_record(intent_id, place, record, {}) if record else None
    views |= _queued(redis, prefix, queued)
    return [views.get(intent_id) for intent_id in intent_ids]


def read_failures(redis: Redis, prefix: str, intent_ids: Sequence[str]) -> list[FailedChange]:
    """Those of recorded intents, in their order."""
    places, _ = _places(redis, prefix, intent_ids)
    pipe: Any = redis.pipeline(transaction=False)
    for place in places.values():
        pipe.hmget(place.record, RecordField.FAILED)
    counts = pipe.execute() if places else []
    bad = {name: place for (name, place), [count] in zip(places.items(), counts, strict=True) if int(count or 0)}
    for place in bad.values():
        pipe.hgetall(place.record)
        pipe.hgetall(place.outcomes)
    answers = pipe.execute() if bad else []
    found: list[FailedChange] = []
    for (intent_id, place), record, outcomes in zip(bad.items(), answers[::2], answers[1::2], strict=True):
        field = _field(redis, prefix, place, record)
        found += [
            FailedChange(int(item), field, why["code"], why["reason"], intent_id)
            for item, why in failed_items(record, outcomes).items()
        ]
    return found


def _queued(redis: Redis, prefix: str, numbers: Mapping[str, int]) -> dict[str, IntentView | None]:
    pipe: Any = redis.pipeline(transaction=False)
    for number in numbers.values():
        pipe.xrange(InboxKeys(prefix).inbox, f"{number}-0", f"{number}-0")
    found: dict[str, IntentView | None] = {}
    for (intent_id, number), entries in zip(numbers.items(), pipe.execute() if numbers else [], strict=True):
        if entries:
            items = json.loads(entries[0][1]["i"])["work_item_ids"]
            found[intent_id] = queued_view(intent_id, number, len(items))
        else:  # it was recorded meanwhile
            found[intent_id] = read_intent(redis, prefix, intent_id)
    return found


def _places(redis: Redis, prefix: str, intent_ids: Sequence[str]) -> tuple[dict[str, IntentKeys], dict[str, int]]:
    """Where the recorded ones are, and the numbers of those that are in the inbox."""
    entries: Any = redis.hmget(InboxKeys(prefix).ids, list(intent_ids)) if intent_ids else []
    places: dict[str, IntentKeys] = {}
    queued: dict[str, int] = {}
    for intent_id, entry in zip(intent_ids, entries, strict=True):
        if entry is None:
            continue
        number, lane = entry_of(entry)
        if lane is None:
            queued[intent_id] = number
        else:
            places[intent_id] = IntentKeys(prefix, lane, number)
    return places, queued


def _field(redis: Redis, prefix: str, place: IntentKeys, record: Mapping[str, str]) -> str:
    if RecordField.GROUP in record:
        spec: Any = redis.hget(group_key(prefix, place.lane, record[RecordField.GROUP]), "spec")
    else:
        spec = json.dumps(json.loads(record.get(RecordField.AS_WRITTEN) or "{}").get("spec"))
    return str((json.loads(spec or "null") or {}).get("field_key") or "")
