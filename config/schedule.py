"""The messages of beat, their intervals, and the lock between several beats."""

from typing import Any, Final

from config.routing import QUEUE_OF, TaskName, queue_name
from config.settings import Settings

# A tick older than this many ticks is redundant: after a stop, a worker drops the old ones.
TICKS_UNTIL_STALE: Final = 3
# Seconds after which another beat replaces a dead one; LEASE_SECONDS if that is shorter. Two beats that run at the same
# time for a moment do no harm, so this may be short.
BEAT_LOCK: Final = 3.0
LOOKS_PER_LOCK: Final = 3
# Seconds for which the message of a due entry is valid; later the look at all entries finds it.
TICK_COUNTS: Final = 60.0


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The regular sweeps. An extra tick only costs a read of the ledger: the sweep is idempotent."""
    return {
        "sweep": _tick(settings, TaskName.SWEEP, settings.sweep_seconds, settings.sweep_seconds * TICKS_UNTIL_STALE)
    }


def look_of_beat(settings: Settings) -> dict[str, dict[str, Any]]:
    """If there are schedules: finds missed runs, and notices the end of runs."""
    every = settings.sweep_seconds
    return {"schedules": _tick(settings, TaskName.LOOK_AT_SCHEDULES, every, every * TICKS_UNTIL_STALE)}


def entry_of_beat(settings: Settings, name: str, times: Any) -> dict[str, Any]:
    """`times`: a Celery schedule."""
    return {**_tick(settings, TaskName.RUN_SCHEDULE, times, TICK_COUNTS), "kwargs": {"name": name}}


def beat_lock_seconds(settings: Settings) -> float:
    return min(BEAT_LOCK, settings.lease_seconds)


def beat_look_seconds(settings: Settings) -> float:
    """How often a beat checks its lock: the active one renews it, the others see when it is free."""
    return beat_lock_seconds(settings) / LOOKS_PER_LOCK


def _tick(settings: Settings, task: TaskName, schedule: Any, expires: float) -> dict[str, Any]:
    options = {"queue": queue_name(QUEUE_OF[task], settings), "expires": expires, "ignore_result": True}
    return {"task": str(task), "schedule": schedule, "options": options}
