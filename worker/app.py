"""The Celery app. Importing it needs no environment: settings are read when the configuration is first used."""

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
from worker.processes.watchdog import Watchdog

# Celery warns of root because a message in pickle could run anything; these workers take JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("feishu_batch", include=["tasks"])
use_for_messages()
use_for_results(app)


def _options() -> dict[str, Any]:
    options = celery_options(load_settings())
    # The environment's own CELERY_RESULT_BACKEND, which a backend app on this host may have set, must not win.
    app.backend_cls = options["result_backend"]
    return options


app.config_from_object(PromiseProxy(_options))

app.steps["worker"].add(Watchdog)


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    settings = load_settings()
    set_up_logs(settings)
    celerys_worker = sys.modules.get("celery.apps.worker")  # not in beat
    if celerys_worker is not None and is_json(settings, sys.stderr):
        vars(celerys_worker)["safe_say"] = _say_in_json


def _say_in_json(message: str, stream: TextIO | None = sys.__stderr__) -> None:
    """What Celery's signal handlers say past all loggers, which must not be used there: that the worker ends."""
    told = {"timestamp": datetime.now(UTC).isoformat(), "level": "info", "event": "worker.stopping"}
    if stream is not None:
        os.write(stream.fileno(), (json.dumps(told | {"message": message.strip(), "logger": "celery"}) + "\n").encode())
