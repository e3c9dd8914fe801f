"""Intents and lanes for the benchmarks."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from celery import Celery

from config.celery_options import celery_options
from config.settings import Settings
from feishu_batch import UpdateIntent
from worker.runtime import Runtime, build_runtime

PROJECT = "5f0c1a2b3c4d5e6f70818283"
FIELD = "field_a1b2c3"
FIRST_ITEM = 6_300_000_000  # real work item ids have ten digits


# The sandbox's: one project, one field, and as many items as any benchmark wants.
WORLD: dict[str, Any] = {
    "projects": [
        {
            "project_key": PROJECT,
            "simple_name": "bench",
            "name": "Benchmark",
            "types": {"story": "Story"},
            "fields": [
                {"field_key": FIELD, "field_name": "Note", "field_alias": "note", "field_type_key": "text"},
            ],
            "items": [{"from": FIRST_ITEM, "to": FIRST_ITEM + 10_000_000, "type": "story"}],
        }
    ],
    "users": [{"user_key": "7300000000000000001", "name": "Bench"}],
}


def content(items: Sequence[int], value: Any = "ready for release", **more: Any) -> dict[str, Any]:
    """What a backend app hands to `enqueue`."""
    return {
        "project_key": PROJECT,
        "work_item_type_key": "story",
        "work_item_ids": list(items),
        "field_key": FIELD,
        "update_mode": "UPDATE",
        "after_field_value": value,
        **more,
    }


def intent(items: Sequence[int], value: Any = "ready for release", **more: Any) -> UpdateIntent:
    return UpdateIntent.parse(content(items, value, **more))


def contents(changes: int, per_intent: int, *, first: int = FIRST_ITEM, values: int = 1) -> Iterator[dict[str, Any]]:
    """`changes` changes of different cells in intents of `per_intent`; `values` different values in turn."""
    for number, start in enumerate(range(first, first + changes, per_intent)):
        items = range(start, min(start + per_intent, first + changes))
        yield content(items, f"value {number % values}" if values > 1 else "ready for release")


def settings_for(redis_url: str, base_url: str | None = None, **more: Any) -> Settings:
    """Without a remote system, nothing is looked up."""
    given: dict[str, Any] = {
        "base_url": base_url or "http://127.0.0.1:9",
        "catalogue": "check" if base_url else "off",
        "redis_url": redis_url,
        "plugin_id": "plugin",
        "plugin_secret": "secret",
        "user_key": "7300000000000000001",
    }
    return Settings(**{**given, **more})


def runtime_for(settings: Settings) -> Runtime:
    """The workers' objects in this process."""
    app = Celery("feishu_batch", set_as_current=False)
    app.conf.update(celery_options(settings))
    return build_runtime(settings, app)


def drain(runtime: Runtime) -> None:
    """Intake until the inbox is empty."""
    while runtime.inbox.length():
        runtime.intake.drain(longest=5.0)


def zipf(groups: int, rng: random.Random, exponent: float = 1.0) -> Iterator[int]:
    weights = [1 / (rank + 1) ** exponent for rank in range(groups)]
    while True:
        yield from rng.choices(range(groups), weights, k=1000)
