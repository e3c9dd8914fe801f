"""Ends a worker that is alive but consumes nothing, so that whoever supervises it starts a new one.

A consumer can lose its connection half-open, or its last prefetch credit to an acknowledgement that failed: it answers
pings and takes no message, for ever. What counts is progress: messages wait, nothing runs, nothing was started for a while.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.signals import task_postrun, task_prerun
from celery.worker import state

from config.settings import load_settings

log = structlog.get_logger("feishu_batch.watchdog")

LOOKS = 4  # per patience
LAST_WARNING = 15.0  # seconds that a warm shutdown may take before the process is ended hard
HARD_EXIT = 70  # EX_SOFTWARE


@dataclass(slots=True)
class StallClock:
    """Decides when a lack of progress has lasted too long. Times in seconds of any steady clock."""

    patience: float
    stalled_since: float | None = None
    last_progress: int = -1

    def has_stalled(self, now: float, *, waiting: int, busy: bool, progress: int) -> bool:
        """`progress`: a number that grows with every step started or ended."""
        moved = progress != self.last_progress
        self.last_progress = progress
        if waiting == 0 or busy or moved:
            self.stalled_since = None
            return False
        if self.stalled_since is None:
            self.stalled_since = now
        return now - self.stalled_since >= self.patience


class ProgressCount:
    """Counts the tasks that this process started and ended."""

    def __init__(self) -> None:
        self.value = 0
        task_prerun.connect(self._count, weak=False)
        task_postrun.connect(self._count, weak=False)

    def _count(self, **_: Any) -> None:
        self.value += 1


class Watchdog(bootsteps.StartStopStep):
    """A Celery bootstep: one thread per worker process, which does not depend on the consumer's own loop."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._ended = threading.Event()
        self._progress = ProgressCount()

    def start(self, parent: Any) -> None:
        queues = list(parent.app.amqp.queues.consume_from)
        thread = threading.Thread(target=self._watch, args=(parent.app, queues), name="watchdog", daemon=True)
        thread.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - the signature is Celery's
        self._ended.set()

    def _watch(self, app: Celery, queues: list[str]) -> None:
        patience = load_settings().stall_seconds
        clock = StallClock(patience)
        while not self._ended.wait(patience / LOOKS):
            waiting = _waiting(app, queues)
            busy = bool(state.active_requests)
            if clock.has_stalled(time.monotonic(), waiting=waiting, busy=busy, progress=self._progress.value):
                log.error("worker.stalled", queues=queues, waiting=waiting, advice="it ends itself to be restarted")
                end_process()
                return


def end_process() -> None:
    """A warm shutdown first; a consumer that hangs too deep for that is ended hard. The ledger makes both safe."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WARNING)
    os._exit(HARD_EXIT)


def _waiting(app: Celery, queues: list[str]) -> int:
    """Messages in the queues; 0 when the broker cannot be asked, for then nobody could consume."""
    try:
        with app.connection_for_read() as connection:
            channel = connection.default_channel
            return sum(channel.queue_declare(queue=name, passive=True).message_count for name in queues)
    except Exception as error:  # noqa: BLE001 - a broker's client may raise anything; without an answer there is no verdict
        log.debug("watchdog.cannot_look", error=type(error).__name__)
        return 0
