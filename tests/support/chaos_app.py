"""The workers' app as the chaos tests run it: `celery -A tests.support.chaos_app`. The product's code has no switch for any of this.

CHAOS_CRASH="Class.method:before|after:n" kills the process with SIGKILL at the n-th call of that method.
"""

import functools
import importlib
import itertools
import os
import signal
import sys

import worker.ledger.inbox
import worker.ledger.lane
import worker.ledger.token_store
import worker.pacing.slots
import worker.pipeline.follow
import worker.pipeline.intake
import worker.pipeline.progress
import worker.pipeline.publish
import worker.remote.client
import worker.remote.tokens
from worker.app import app

# Real waits of these are 30 s and 120 s; a run of seconds could not tell "late" from "lost".
worker.pipeline.publish.SENT_AGAIN_AFTER = float(
    os.environ.get("CHAOS_AGAIN_AFTER", worker.pipeline.publish.SENT_AGAIN_AFTER)
)
if "CHAOS_VISIBILITY" in os.environ:
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "visibility_timeout": float(os.environ["CHAOS_VISIBILITY"]),
        "unacked_restore_interval": 1,
        "unacked_mutex_expire": 3,
    }

_HOMES = {
    "Inbox": "worker.ledger.inbox",
    "Lane": "worker.ledger.lane",
    "SingleRoute": "worker.ledger.single_route",
    "Slots": "worker.pacing.slots",
    "RemoteClient": "worker.remote.client",
    "RedisTokenStore": "worker.ledger.token_store",
    "Intake": "worker.pipeline.intake",
    "IntakeHints": "worker.pipeline.hints",
    "LaneHints": "worker.pipeline.hints",
    "JobPoller": "worker.pipeline.poll",
    "ReadBack": "worker.pipeline.read_back",
    "Publisher": "worker.pipeline.publish",
    "ProgressReports": "worker.pipeline.progress",
    "Finish": "tasks.pipeline",
    "ParkingTask": "tasks.intents",
    "LaneSweep": "worker.pipeline.sweep",
}


def _die(where: str) -> None:
    sys.stderr.write(f"CRASH {where}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(crash: str) -> None:
    name, moment, count = crash.rsplit(":", 2)
    owner, method = name.split(".")
    home = getattr(importlib.import_module(_HOMES[owner]), owner)
    original = getattr(home, method)
    calls = itertools.count(1)  # several threads may call it

    @functools.wraps(original)
    def armed(*args: object, **kwargs: object) -> object:
        is_it = next(calls) == int(count)
        if is_it and moment == "before":
            _die(crash)
        try:
            return original(*args, **kwargs)
        finally:
            if is_it and moment == "after":
                _die(crash)

    setattr(home, method, armed)


if "CHAOS_CRASH" in os.environ:
    _arm(os.environ["CHAOS_CRASH"])
