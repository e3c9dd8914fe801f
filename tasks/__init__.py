"""The Celery tasks: parse, call the worker package, done. Their data is in the ledger, never in a message."""

from tasks.control import revoke  # importing it replaces Celery's own
from tasks.intents import update_work_items
from tasks.pipeline import finish, intake, look, poll_job, publish, read_back, send_singles, submit_batch, sweep
from tasks.scheduled import look_at_schedules, run_schedule

__all__ = [
    "finish",
    "intake",
    "look",
    "look_at_schedules",
    "poll_job",
    "publish",
    "read_back",
    "revoke",
    "run_schedule",
    "send_singles",
    "submit_batch",
    "sweep",
    "update_work_items",
]
