"""Ends a worker that is alive but makes no progress, so that its supervisor starts a new one.

A consumer can lose its connection half-open, or its last prefetch credit to an acknowledgement that failed: it answers
pings and never reads another message. No progress means: messages wait in one of its queues, no task runs, and none came or was
started for a while; or, with RabbitMQ, no worker consumes the queue (deliveries.py). It is no progress either if every task that it
starts ends with a connection error of the ledger.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.signals import task_failure, task_success
from celery.worker import state
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.routing import roles_by_queue
from config.settings import load_settings
from worker.processes.beacon import Beacon, beacon_file, light
from worker.processes.deliveries import DeliveryWatch, QueueLook, SeenProgress
from worker.processes.self_check import SelfCheck

log = structlog.get_logger("feishu_batch.watchdog")

LOOKS = 4  # per patience
FIRST_LOOK = 1.0  # seconds after the start: a check that waits for a healthy worker should not wait long
LONGEST_LOOK = 5.0  # seconds between two looks: a health check should not depend on a long patience
LAST_WARNING = 15.0  # seconds that a warm shutdown may take before the process is ended hard
HARD_EXIT = 70  # EX_SOFTWARE


@dataclass(slots=True)
class LedgerClock:
    """For how long the ledger has refused every step: from the first to the latest step that failed with such an error.

    Not until now: a worker without messages is idle. Times in seconds of any monotonic clock.
    """

    first: float | None = None
    latest: float = 0.0

    def note(self, now: float, error: BaseException | None) -> None:
        """A step ended: with this error, or successfully."""
        if not isinstance(error, RedisConnectionError | RedisTimeoutError):
            self.first = None
            return
        self.first = now if self.first is None else self.first
        self.latest = now

    @property
    def refused_for(self) -> float:
        return 0.0 if self.first is None else self.latest - self.first


class LedgerSteps:
    """Records how the tasks of this process end."""

    def __init__(self) -> None:
        self.clock = LedgerClock()
        task_success.connect(self._ended_well, weak=False)
        task_failure.connect(self._failed, weak=False)

    def _ended_well(self, **_: Any) -> None:
        self.clock.note(time.monotonic(), None)

    def _failed(self, exception: BaseException | None = None, **_: Any) -> None:
        self.clock.note(time.monotonic(), exception)


class Watchdog(bootsteps.StartStopStep):
    """A Celery bootstep: one thread per worker process, which does not depend on the consumer's own loop."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._ended = threading.Event()
        self._progress = SeenProgress()
        self._steps = LedgerSteps()

    def start(self, parent: Any) -> None:
        queues = list(parent.app.amqp.queues.consume_from)
        thread = threading.Thread(target=self._watch, args=(parent.app, queues), name="watchdog", daemon=True)
        thread.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - the signature is Celery's
        self._ended.set()

    def _watch(self, app: Celery, queues: list[str]) -> None:
        settings = load_settings()
        watch = DeliveryWatch(queues, settings.stall_seconds)
        every = min(LONGEST_LOOK, watch.patience / LOOKS)
        roles = [role for queue, role in roles_by_queue(settings).items() if queue in queues]
        judge = SelfCheck(settings)
        look = QueueLook(app, queues)
        broker_seen = time.monotonic()
        wait = min(FIRST_LOOK, every)
        while not self._ended.wait(wait):
            wait = every
            waiting = look.waiting()
            now = time.monotonic()
            broker_seen = broker_seen if waiting is None else now
            busy = bool(state.active_requests)
            stalled = watch.stalled(now, waiting, busy=busy, progress=self._progress)
            refused = self._steps.clock.refused_for
            if refused >= watch.patience:
                log.error(
                    "worker.ledger_refuses", seconds=round(refused), advice="the worker ends itself to be restarted"
                )
                end_process()
                return
            if stalled:
                log.error("worker.stalled", queues=stalled, advice="the worker ends itself to be restarted")
                end_process()
                return
            for role in roles:
                trouble = judge.trouble(role)
                figures = (max(watch.stalled_for(now), refused), now - broker_seen, watch.patience)
                _tell(beacon_file(settings.data_dir, role), Beacon(time.monotonic(), every, trouble, *figures))


def _tell(file: Path, beacon: Beacon) -> None:
    try:
        light(file, beacon)
    except OSError as error:  # the health check then fails; the work does not depend on it
        log.debug("watchdog.cannot_tell", file=str(file), error=type(error).__name__)


def end_process() -> None:
    """A warm shutdown first; a consumer that does not react is killed. The ledger makes both safe."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WARNING)
    os._exit(HARD_EXIT)
