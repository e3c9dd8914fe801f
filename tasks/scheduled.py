"""The runs of the schedule file. These tasks are hints too: the ledger and the clock decide which run is due."""

from functools import cache
from socket import gethostname

import structlog

from config.lookups import time_zone
from config.routing import TaskName
from config.schedules import load_schedules
from tasks.pipeline import StepTask
from tasks.process import runtime
from worker.app import app
from worker.connections import producer
from worker.importing.wide.fields import Fields
from worker.importing.wide.lookup import fields_of_lanes, fields_without_catalogue
from worker.scheduling.runner import Runner
from worker.scheduling.scheduler import Scheduler
from worker.scheduling.store import Schedules


@cache
def _scheduling() -> Scheduler:
    """One per process: it tracks the runs in this process. Raises `ConfigError`."""
    here = runtime()
    store = Schedules(here.redis, here.settings.key_prefix)
    zone = time_zone(here.settings.time_zone)
    runner = Runner(
        store, lambda: producer(here.settings, f"schedules@{gethostname()}"), zone=zone, fields=_table_fields
    )
    return Scheduler(load_schedules(here.settings), store, runner)


def _table_fields() -> Fields:
    """Who is asked about the columns of a table."""
    here = runtime()
    if here.settings.catalogue == "off":
        return fields_without_catalogue()
    lanes = {name: lane.remote.catalogue for name, lane in here.lanes.items() if lane.remote}
    return fields_of_lanes(lanes, here.route)


@app.task(base=StepTask, name=str(TaskName.RUN_SCHEDULE))
def run_schedule(name: str) -> dict[str, int]:
    """Check one entry, at its scheduled time."""
    structlog.contextvars.clear_contextvars()
    return _scheduling().look(name)


@app.task(base=StepTask, name=str(TaskName.LOOK_AT_SCHEDULES), send_events=False)  # as often as the sweep
def look_at_schedules() -> dict[str, int]:
    """Start due and missed runs, and check for ended ones."""
    structlog.contextvars.clear_contextvars()
    return _scheduling().look()
