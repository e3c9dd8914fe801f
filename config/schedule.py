"""What beat sends, and how often."""

from typing import Any, Final

from config.routing import QUEUE_OF, TaskName
from config.settings import Settings

# A tick older than this many ticks says nothing that the newest does not say: after a stop, a worker drops the heap.
TICKS_UNTIL_STALE: Final = 3


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Two beats send every tick twice, which costs a look at the ledger: the sweep is idempotent."""
    return {
        "sweep": {
            "task": str(TaskName.SWEEP),
            "schedule": settings.sweep_seconds,
            "options": {
                "queue": str(QUEUE_OF[TaskName.SWEEP]),
                "expires": settings.sweep_seconds * TICKS_UNTIL_STALE,
                "ignore_result": True,
            },
        },
    }
