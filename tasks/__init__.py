"""The Celery tasks: parse, call the worker package, done. What they decide on is in the ledger, never in a message."""

from tasks.control import revoke  # with it Celery's own is replaced
from tasks.door import update_work_items
from tasks.pipeline import finish, intake, poll_job, publish, read_back, submit_batch, sweep
from tasks.scheduled import run_schedules

__all__ = [
    "finish",
    "intake",
    "poll_job",
    "publish",
    "read_back",
    "revoke",
    "run_schedules",
    "submit_batch",
    "sweep",
    "update_work_items",
]
