"""The workers' app with failures in the middle of our own code, asked for by an intent's note or value. For tests only."""

import os

from tasks.process import runtime  # noqa: F401 - the app's tasks are loaded with it
from worker.app import app  # noqa: F401 - Celery looks for it here
from worker.pipeline import intake, read_back
from worker.remote.client import RemoteClient

_new_intent, _shows, _batch_update, _task_result = (
    intake.new_intent,
    read_back.shows,
    RemoteClient.batch_update,
    RemoteClient.task_result,
)
DEATH = 9
polled = {}


def new_intent(entry, intent, change_set=None):
    if intent.note == "crash intake":
        raise ZeroDivisionError("asked for")
    if intent.note == "kill intake":
        os._exit(DEATH)
    return _new_intent(entry, intent, change_set)


def batch_update(self, update, **options):
    if update.after_field_value == "crash submit":
        raise ZeroDivisionError("asked for")
    if update.after_field_value == "kill submit":
        os._exit(DEATH)
    accepted = _batch_update(self, update, **options)
    polled[accepted.task_id] = update.after_field_value
    return accepted


def shows(kind, mode, before, after, stored):
    if after == "crash read-back":
        raise ZeroDivisionError("asked for")
    return _shows(kind, mode, before, after, stored)


intake.new_intent, read_back.shows, RemoteClient.batch_update = new_intent, shows, batch_update
