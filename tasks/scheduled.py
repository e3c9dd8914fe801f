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


@app.task(base=Step, name=str(TaskName.RUN_SCHEDULES))
def run_schedules(name: str | None = None) -> dict[str, int]:
    """Start what is due, of one entry or of all."""
    structlog.contextvars.clear_contextvars()
    return _scheduling().look(name)
