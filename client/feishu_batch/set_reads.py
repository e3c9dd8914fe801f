"""What the ledger has of change sets: what is counted of them, and what failed."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from redis import Redis

from feishu_batch.change_set import FailedChange, SetCounts
from feishu_batch.keys import SET_LANE, InboxKeys, IntentKeys, RecordField, SetField, group_key, set_counts_key
from feishu_batch.ledger_format import ask as ask_format
from feishu_batch.ledger_format import refuse_other
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import Progress, failed_items
from feishu_batch.retries import RetryResults, places_of, retries_of


def read_sets(redis: Redis, prefix: str, names: Sequence[str]) -> list[SetCounts | None]:
    """Two round trips, whatever the number of intents. None: no such set, or forgotten. Raises `LedgerFormatError`."""
    inbox = InboxKeys(prefix)
    pipe: Any = redis.pipeline(transaction=False)
    ask_format(pipe, inbox)
    for name in names:
        pipe.hgetall(inbox.set_facts(name))
    answers = pipe.execute()
    refuse_other(inbox.prefix, answers[:2])
    return _counted(redis, prefix, names, [_texts(about) for about in answers[2:]])


def _counted(
    redis: Redis, prefix: str, names: Sequence[str], first: Sequence[Mapping[str, str]]
) -> list[SetCounts | None]:
    """`first`: the facts at a first look, which name the lanes.

    How many intents there are is asked last: one that joins its set meanwhile then counts as open, never as ended, so that no set
    seems to end before its last intent.
    """
    inbox = InboxKeys(prefix)
    pipe: Any = redis.pipeline(transaction=False)
    for name, about in zip(names, first, strict=True):
        for lane in _lanes(about):
            pipe.hgetall(set_counts_key(prefix, lane, about[SetField.NUMBER]))
        pipe.hgetall(inbox.set_facts(name))
        pipe.zcard(inbox.set(name))
        pipe.zscore(inbox.sets, name)
    answers = iter(pipe.execute())
    found: list[SetCounts | None] = []
    for name, about in zip(names, first, strict=True):
        of_lanes = [_texts(next(answers)) for _ in _lanes(about)]
        facts, kept, grew = _texts(next(answers)), int(next(answers)), next(answers)
        if facts.get(SetField.NUMBER) != about.get(SetField.NUMBER):  # forgotten and begun again
            of_lanes = []
        found.append(_set_counts(name, facts, kept, grew, of_lanes) if facts else None)
    return found


def _lanes(facts: Mapping[str, str]) -> list[str]:
    return [name.removeprefix(SET_LANE) for name in facts if name.startswith(SET_LANE)]


def page_of_set(redis: Redis, prefix: str, change_set: str, after: int, size: int) -> list[tuple[int, str]]:
    """(number, id) of some of its intents, in the order of enqueueing, from the number `after` on: by number, since the oldest
    may be forgotten meanwhile.
    """
    pages: Any = redis.zrange(
        InboxKeys(prefix).set(change_set), f"({after}", "+inf", byscore=True, offset=0, num=size, withscores=True
    )
    return [(int(number), str(intent_id)) for intent_id, number in pages]


def _set_counts(
    name: str, facts: Mapping[str, str], kept: int, grew_at_ms: Any, of_lanes: Sequence[Mapping[str, str]]
) -> SetCounts:
    def total(field: str) -> int:
        return sum(int(counts.get(field) or 0) for counts in of_lanes)

    intents, settled = int(facts[SetField.INTENTS]), {kind.label: total(kind.field) for kind in OutcomeKind}
    settled[OutcomeKind.FAILED.label] += int(facts.get(SetField.LOST_CHANGES) or 0)
    in_flight = max(0, total(RecordField.IN_FLIGHT))
    changes = max(int(facts[SetField.CHANGES]), in_flight + sum(settled.values()))  # it may have grown meanwhile
    pending = changes - in_flight - sum(settled.values())
    return SetCounts(
        change_set=name,
        intents=intents,
        ended=min(intents, total(SetField.ENDED) + int(facts.get(SetField.LOST) or 0)),
        forgotten=max(0, intents - kept),
        progress=Progress(changes, pending=pending, in_flight=in_flight, **settled),
        note=facts.get(SetField.NOTE),
        producer=facts.get(SetField.PRODUCER),
        since=int(facts[SetField.SINCE_MS]) / 1000,
        grew_at=float(grew_at_ms or 0) / 1000,
        requests=total(RecordField.REQUESTS),
    )


def read_failures(redis: Redis, prefix: str, intent_ids: Sequence[str]) -> list[FailedChange]:
    """Those of recorded intents, in their order, without changes that a retry has made since."""
    places = {one: place for one, place in places_of(redis, prefix, intent_ids).items() if place}
    pipe: Any = redis.pipeline(transaction=False)
    for place in places.values():
        pipe.hmget(place.record, RecordField.FAILED)
    counts = pipe.execute() if places else []
    bad = {name: place for (name, place), [count] in zip(places.items(), counts, strict=True) if int(count or 0)}
    for place in bad.values():
        pipe.hgetall(place.record)
        pipe.hgetall(place.outcomes)
    answers = pipe.execute() if bad else []
    retries = RetryResults(redis, prefix, chain.from_iterable(map(retries_of, answers[::2])))
    found: list[FailedChange] = []
    for (intent_id, place), record, outcomes in zip(bad.items(), answers[::2], answers[1::2], strict=True):
        field, retried = _field(redis, prefix, place, record), retries.succeeded(retries_of(record))
        found += [
            FailedChange(int(item), field, why["code"], why["reason"], intent_id)
            for item, why in failed_items(record, outcomes).items()
            if item not in retried
        ]
    return found


def _field(redis: Redis, prefix: str, place: IntentKeys, record: Mapping[str, str]) -> str:
    if RecordField.GROUP in record:
        spec: Any = redis.hget(group_key(prefix, place.lane, record[RecordField.GROUP]), "spec")
    else:
        spec = json.dumps(json.loads(record.get(RecordField.AS_WRITTEN) or "{}").get("spec"))
    return str((json.loads(spec or "null") or {}).get("field_key") or "")


def _texts(answer: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in answer.items()}
