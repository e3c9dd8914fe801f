"""Ends a worker that is alive but gets nowhere, so that whoever supervises it starts a new one.

A consumer can lose its connection half-open, or its last prefetch credit to an acknowledgement that failed: it answers
pings and takes no message, for ever. What counts is progress: messages wait, nothing runs, nothing was started for a while.
Nor is it progress if every step that it starts ends with an error of the ledger's connections.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.signals import task_failure, task_postrun, task_prerun, task_success
from celery.worker import state
from kombu.exceptions import ChannelError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.settings import load_settings
from worker.processes.beacon import ROLE_OF_QUEUE, Beacon, beacon_file, light
from worker.processes.judging import Judge

log = structlog.get_logger("feishu_batch.watchdog")

LOOKS = 4  # per patience
FIRST_LOOK = 1.0  # seconds after the start: whoever waits for a healthy worker need not wait long
LONGEST_LOOK = 5.0  # seconds between two looks: a health check wants to know sooner than a long patience
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
        return self.stalled_for(now) >= self.patience

    def stalled_for(self, now: float) -> float:
        return 0.0 if self.stalled_since is None else now - self.stalled_since


@dataclass(slots=True)
class LedgerClock:
    """For how long the ledger has refused all that was asked of it: from the first to the latest step that failed so.

    Not until now: a worker that is asked nothing is idle. Times in seconds of any steady clock.
    """

    first: float | None = None
    latest: float = 0.0

    def note(self, now: float, error: BaseException | None) -> None:
        """That a step ended: with this error, or well."""
        if not isinstance(error, RedisConnectionError | RedisTimeoutError):
            self.first = None
            return
        self.first = now if self.first is None else self.first
        self.latest = now

    @property
    def refused_for(self) -> float:
        return 0.0 if self.first is None else self.latest - self.first


class LedgerSteps:
    """Notes how the tasks of this process end."""

    def __init__(self) -> None:
        self.clock = LedgerClock()
        task_success.connect(self._ended_well, weak=False)
        task_failure.connect(self._failed, weak=False)

    def _ended_well(self, **_: Any) -> None:
        self.clock.note(time.monotonic(), None)

    def _failed(self, exception: BaseException | None = None, **_: Any) -> None:
        self.clock.note(time.monotonic(), exception)


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
        self._steps = LedgerSteps()

    def start(self, parent: Any) -> None:
        queues = list(parent.app.amqp.queues.consume_from)
        thread = threading.Thread(target=self._watch, args=(parent.app, queues), name="watchdog", daemon=True)
        thread.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - the signature is Celery's
        self._ended.set()

    def _watch(self, app: Celery, queues: list[str]) -> None:
        settings = load_settings()
        clock = StallClock(settings.stall_seconds)
        every = min(LONGEST_LOOK, clock.patience / LOOKS)
        roles = [role for queue, role in ROLE_OF_QUEUE.items() if queue in queues]
        judge = Judge(settings)
        look = QueueLook(app, queues)
        broker_seen = time.monotonic()
        wait = min(FIRST_LOOK, every)
        while not self._ended.wait(wait):
            wait = every
            waiting = look.waiting()
            now = time.monotonic()
            broker_seen = broker_seen if waiting is None else now
            busy = bool(state.active_requests)
            # When the broker cannot be asked, nobody could consume.
            stalled = clock.has_stalled(now, waiting=waiting or 0, busy=busy, progress=self._progress.value)
            refused = self._steps.clock.refused_for
            if refused >= clock.patience:
                log.error("worker.ledger_refuses", seconds=round(refused), advice="it ends itself to be restarted")
                end_process()
                return
            if stalled:
                log.error("worker.stalled", queues=queues, waiting=waiting, advice="it ends itself to be restarted")
                end_process()
                return
            for role in roles:
                trouble = judge.trouble(role)
                told = (max(clock.stalled_for(now), refused), now - broker_seen, clock.patience)
                _tell(beacon_file(settings.data_dir, role), Beacon(time.monotonic(), every, trouble, *told))


def _tell(file: Path, beacon: Beacon) -> None:
    try:
        light(file, beacon)
    except OSError as error:  # no health check then; the work does not depend on it
        log.debug("watchdog.cannot_tell", file=str(file), error=type(error).__name__)


def end_process() -> None:
    """A warm shutdown first; a consumer that hangs too deep for that is ended hard. The ledger makes both safe."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WARNING)
    os._exit(HARD_EXIT)


class QueueLook:
    """Looks at the length of queues by a connection of its own, which is kept: to connect costs more than to look."""

    def __init__(self, app: Celery, queues: list[str]) -> None:
        self._app = app
        self._queues = queues
        self._connection: Any = None  # kombu's Connection, which has no types

    def waiting(self) -> int | None:
        """Messages in the queues; None when the broker cannot be asked."""
        try:
            self._connection = self._connection or self._app.connection_for_read()
            channel = self._connection.default_channel
            return sum(_length(channel, name) for name in self._queues)
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything; without an answer there is no verdict
            log.debug("watchdog.cannot_look", error=type(error).__name__)
            self._disconnect()
            return None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is of no use any more, however it ends
                connection.release()


def _length(channel: Any, queue: str) -> int:
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        return 0  # on Redis a queue without messages does not exist
