"""The Celery app. Importing it needs no environment: settings are read when the configuration is first used."""

import warnings
from typing import Any

from celery import Celery
from celery.local import PromiseProxy
from celery.platforms import SecurityWarning
from celery.signals import setup_logging

from config.celery_options import celery_options
from config.logging import setup_logging as set_up_logs
from config.settings import load_settings
from worker.processes.watchdog import Watchdog

# Celery warns of root because a message in pickle could run anything; these workers take JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("feishu_batch", include=["tasks"])


def _options() -> dict[str, Any]:
    options = celery_options(load_settings())
    # The environment's own CELERY_RESULT_BACKEND, which a backend app on this host may have set, must not win.
    app.backend_cls = options["result_backend"]
    return options


app.config_from_object(PromiseProxy(_options))

app.steps["worker"].add(Watchdog)


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    set_up_logs(load_settings())
