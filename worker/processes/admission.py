"""Before a worker takes its first message: may it serve this ledger at all? (belonging.py)"""

import contextlib
import time
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from redis.exceptions import RedisError, ResponseError

from config.errors import ConfigError
from config.lanes import load_lanes
from config.settings import Settings, load_settings
from feishu_batch.redis_connections import ElsewhereError
from worker.connections import connect
from worker.ledger.belonging import Belonging
from worker.processes.belonging import admit, refuse_other_ledgers
from worker.processes.child import REFUSED
from worker.processes.watchdog import HARD_EXIT

log = structlog.get_logger("feishu_batch.admission")

AGAIN = 1.0  # seconds


class Admission(bootsteps.StartStopStep):
    """A Celery bootstep. The consumer's is started after all others, and so after this one has ended."""

    def start(self, parent: Any) -> None:  # noqa: ARG002 - the signature is Celery's
        settings = load_settings()
        for lane in load_lanes(settings).refused:
            log.error("lane.refused", lane=lane.name, reason=lane.why)
        began = latest = time.monotonic()
        while True:
            try:
                ask_for_admission(settings)
            except ConfigError as error:
                log.critical("worker.refused", reason=str(error))
                raise SystemExit(REFUSED) from None
            except RedisError as error:
                if latest == began:
                    log.warning("worker.waits_for_redis", error=type(error).__name__)
                latest = time.monotonic()
                # A ledger that refuses may be the wrong one, as after a fail-over; one that is away is waited for.
                refuses = isinstance(error, ElsewhereError | ResponseError)
                if refuses and latest - began >= settings.stall_seconds:
                    log.error(
                        "worker.ledger_refuses", seconds=round(latest - began), advice="it ends itself to be restarted"
                    )
                    raise SystemExit(HARD_EXIT) from None
            else:
                return
            time.sleep(AGAIN)
            state.maybe_shutdown()


def ask_for_admission(settings: Settings) -> None:
    """Raises ConfigError where it is refused, RedisError where the ledger cannot be asked."""
    with contextlib.closing(connect(settings)) as redis:
        belonging = Belonging(redis, settings.key_prefix)
        admit(belonging, load_lanes(settings), settings.sweep_seconds)
        refuse_other_ledgers(settings, belonging)
