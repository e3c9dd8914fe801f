"""Metrics of change sets: of the newest set of each schedule, and of each name that the settings list."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from config.errors import ConfigError
from config.schedules.file import load_schedules
from config.settings import Settings
from feishu_batch.change_set import SetCounts
from feishu_batch.keys import InboxKeys
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.set_reads import read_sets

LOOKED_AT = 1000  # sets, those that grew last
BEHIND_A_NAME = frozenset(":-._")  # what stands between the name and what changes from run to run
_SCHEDULE = "schedule:"
_STATES = ("pending", "in_flight", *(kind.label for kind in OutcomeKind))


@dataclass(frozen=True, slots=True)
class SetMetric:
    name: str
    meaning: str
    read: Callable[[SetCounts], Mapping[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


SET_METRICS = (
    SetMetric(
        "feishu_batch_set_changes",
        "Changes of the newest set of this name, by state.",
        lambda counts: {(state,): float(getattr(counts.progress, state)) for state in _STATES},
        ("state",),
    ),
    SetMetric("feishu_batch_set_open", "1 until that set has ended.", lambda counts: {(): float(not counts.is_over)}),
    SetMetric(
        "feishu_batch_set_enqueued_timestamp_seconds",
        "When the first intent of that set was enqueued.",
        lambda counts: {(): counts.since},
    ),
)


def names_of(settings: Settings) -> tuple[str, ...]:
    """A faulty schedule file ends no scrape: beat reports it."""
    try:
        schedules = [f"{_SCHEDULE}{entry.name}" for entry in load_schedules(settings)]
    except ConfigError:
        schedules = []
    return tuple(dict.fromkeys([*schedules, *settings.metrics_sets]))


def read_newest_sets(redis: Redis, prefix: str, names: Sequence[str]) -> dict[str, SetCounts]:
    """By name, of those that are known. Two or three round trips."""
    if not names:
        return {}
    client: Any = redis
    known: list[str] = client.zrange(InboxKeys(prefix).sets, 0, LOOKED_AT - 1, desc=True)
    newest = newest_of(names, known)
    counts = read_sets(redis, prefix, list(newest.values())) if newest else []
    return {name: found for name, found in zip(newest, counts, strict=True) if found}


def newest_of(names: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Name → the first of the sets that is called so, or begins so. `known`: newest first. A set belongs to its longest name."""
    longest_first = sorted(names, key=len, reverse=True)
    found: dict[str, str] = {}
    for one in known:
        name = next((name for name in longest_first if _is_of(one, name)), None)
        if name is not None:
            found.setdefault(name, one)
    return found


def _is_of(change_set: str, name: str) -> bool:
    return change_set == name or (change_set.startswith(name) and change_set[len(name)] in BEHIND_A_NAME)
