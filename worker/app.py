"""The Celery app. Importing it needs no environment: the settings are read at the first use of the configuration."""

import json
import os
import sys
import warnings
from datetime import UTC, datetime
from typing import Any, TextIO

from celery import Celery
from celery.local import PromiseProxy
from celery.platforms import SecurityWarning
from celery.signals import setup_logging

from config.celery_options import celery_options
from config.logging import is_json
from config.logging import setup_logging as set_up_logs
from config.settings import load_settings
from feishu_batch.celery_redis import use_for_messages, use_for_results
from worker.processes.admission import Admission
from worker.processes.watchdog import Watchdog

# Celery warns about root because a pickle message could run any code; these workers accept JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("feishu_batch", include=["tasks"])
use_for_messages()
use_for_results(app)


def _options() -> dict[str, Any]:
    options = celery_options(load_settings())
    # CELERY_RESULT_BACKEND in the environment may belong to a backend app on this host, and must not be used.
    app.backend_cls = options["result_backend"]
    return options


app.config_from_object(PromiseProxy(_options))

app.steps["worker"].add(Admission)
app.steps["worker"].add(Watchdog)


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    settings = load_settings()
    set_up_logs(settings)
    celerys_worker = sys.modules.get("celery.apps.worker")  # not in beat
    if celerys_worker is not None and is_json(settings, sys.stderr):
        vars(celerys_worker)["safe_say"] = _say_in_json


def _say_in_json(message: str, stream: TextIO | None = sys.__stderr__) -> None:
    """A JSON line for the messages of Celery's signal handlers, in which loggers must not be used: the worker ends."""
    line = {"timestamp": datetime.now(UTC).isoformat(), "level": "info", "event": "worker.stopping"}
    if stream is not None:
        os.write(stream.fileno(), (json.dumps(line | {"message": message.strip(), "logger": "celery"}) + "\n").encode())
