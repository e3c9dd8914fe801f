"""What beat sends, how often, and which of several beats does."""

from typing import Any, Final

from config.routing import QUEUE_OF, TaskName
from config.settings import Settings

# A tick older than this many ticks says nothing that the newest does not say: after a stop, a worker drops the heap.
TICKS_UNTIL_STALE: Final = 3
# Seconds after which another beat takes the place of one that died; LEASE_SECONDS where that is shorter. A beat that is only
# slow, and two that tick for a moment, do no harm: so this may be short.
BEAT_LOCK: Final = 3.0
LOOKS_PER_LOCK: Final = 3
# Seconds for which the message of an entry that is due counts; after that the look at all entries finds what was due.
TICK_COUNTS: Final = 60.0


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """What has to be looked at all the time. A tick too many costs a look at the ledger: the sweep is idempotent."""
    return {"sweep": _tick(TaskName.SWEEP, settings.sweep_seconds, settings.sweep_seconds * TICKS_UNTIL_STALE)}


def look_of_beat(settings: Settings) -> dict[str, dict[str, Any]]:
    """Where there are schedules: finds what was due and got lost, and notices the end of runs."""
    every = settings.sweep_seconds
    return {"schedules": _tick(TaskName.LOOK_AT_SCHEDULES, every, every * TICKS_UNTIL_STALE)}


def entry_of_beat(name: str, times: Any) -> dict[str, Any]:
    """`times`: a schedule of Celery."""
    return {**_tick(TaskName.RUN_SCHEDULE, times, TICK_COUNTS), "kwargs": {"name": name}}


def beat_lock_seconds(settings: Settings) -> float:
    return min(BEAT_LOCK, settings.lease_seconds)


def beat_look_seconds(settings: Settings) -> float:
    """How often a beat looks: the one that ticks keeps its lock by it, the others see that it is free."""
    return beat_lock_seconds(settings) / LOOKS_PER_LOCK


def _tick(task: TaskName, schedule: Any, expires: float) -> dict[str, Any]:
    options = {"queue": str(QUEUE_OF[task]), "expires": expires, "ignore_result": True}
    return {"task": str(task), "schedule": schedule, "options": options}
