"""A backlog in a lane's ledger, recorded directly: what the inbox costs is measured elsewhere."""

import random

from bench.world import FIRST_ITEM, intent, zipf
from feishu_batch.intents import group_spec
from worker.ledger.record_calls import NewIntent
from worker.runtime import Runtime

PORTION = 200  # intents per pipeline
ONE = intent([1])


def fill(runtime: Runtime, changes: int, groups: int, per_intent: int, *, keep: bool = False, seed: int = 1) -> None:
    """`changes` pending changes of different cells; `groups` different values, Zipf-distributed."""
    lane = next(iter(runtime.lanes.values())).lane
    chosen = zipf(groups, random.Random(seed))
    specs = [spec_of(f"value {group}") for group in range(groups)]
    first = runtime.redis.incrby(runtime.inbox.keys.sequence, changes // per_intent + 1) - changes // per_intent
    portion = []
    for number, start in enumerate(range(FIRST_ITEM, FIRST_ITEM + changes, per_intent)):
        items = tuple(range(start, min(start + per_intent, FIRST_ITEM + changes)))
        portion.append(new_intent(first + number, specs[next(chosen)], items, keep=keep))
        if len(portion) == PORTION:
            lane.record(portion)
            portion = []
    if portion:
        lane.record(portion)


def spec_of(value: str) -> tuple[str, str]:
    one = intent([1], value)
    spec = group_spec(one, "7300000000000000001")
    return spec, f"{hash(spec) & (2**96 - 1):024x}"


def new_intent(number: int, spec: tuple[str, str], items: tuple[int, ...], *, keep: bool) -> NewIntent:
    one = ONE
    return NewIntent(
        number=number,
        intent_id=f"00000000-0000-4000-8000-{number:012d}",
        digest=spec[1],
        spec=spec[0],
        column=f"{one.project_key} {one.field_key}",
        mode="UPDATE",
        priority=5,
        enqueued_at_ms=1_800_000_000_000,
        expires_at_ms=None,
        keep_every_change=keep,
        note=None,
        items=items,
    )
