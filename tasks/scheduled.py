"""What the file of schedules asks for. A hint as well: which run is due, the ledger and the clock decide."""

from functools import cache

import structlog

from config.catalogue import time_zone
from config.routing import TaskName
from config.schedules import load_schedules
from tasks.pipeline import Step
from tasks.process import runtime
from worker.app import app
from worker.connections import producer
from worker.scheduling.looking import Scheduling
from worker.scheduling.running import Runner
from worker.scheduling.store import Schedules


@cache
def _scheduling() -> Scheduling:
    """One per process: it knows what runs in this one. Raises `ConfigError`."""
    here = runtime()
    store = Schedules(here.redis, here.settings.key_prefix)
    runner = Runner(store, lambda: producer(here.settings), zone=time_zone(here.settings.time_zone))
    return Scheduling(load_schedules(here.settings), store, runner)


@app.task(base=Step, name=str(TaskName.RUN_SCHEDULE))
def run_schedule(name: str) -> dict[str, int]:
    """A time of this entry has come."""
    structlog.contextvars.clear_contextvars()
    return _scheduling().look(name)


@app.task(base=Step, name=str(TaskName.LOOK_AT_SCHEDULES), send_events=False)  # as often as the sweep
def look_at_schedules() -> dict[str, int]:
    """Start what is due and was missed, and see what has ended."""
    structlog.contextvars.clear_contextvars()
    return _scheduling().look()
