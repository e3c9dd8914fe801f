"""Whether a worker gets its messages: the length of each of its queues, the delivered messages, and when a lack of both is a stall."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from celery import Celery
from celery.signals import task_postrun, task_prerun, task_received
from kombu.exceptions import ChannelError

log = structlog.get_logger("feishu_batch.watchdog")

ANY: Final = ""  # the queue of a message that does not name it


@dataclass(frozen=True, slots=True)
class Waiting:
    """The state of one queue. `consumers`: of all workers together; None if the broker does not report it (Redis)."""

    messages: int = 0
    consumers: int | None = None

    def __str__(self) -> str:
        consumed = "" if self.consumers is None else f", {self.consumers or 'no'} consumer{'s' * (self.consumers != 1)}"
        return f"{self.messages} message{'s' * (self.messages != 1)} waiting{consumed}"


@dataclass(slots=True)
class StallClock:
    """Decides when a lack of progress has lasted too long. Times in seconds of any monotonic clock."""

    patience: float
    stalled_since: float | None = None
    last_progress: int = -1

    def has_stalled(self, now: float, *, waiting: Waiting, busy: bool, progress: int) -> bool:
        """`progress`: a number that grows with every message received and every task started or ended."""
        moved = progress != self.last_progress
        self.last_progress = progress
        # A queue without a consumer makes no progress, even if this worker's other queues do.
        progresses = (busy or moved) and waiting.consumers != 0
        if waiting.messages == 0 or progresses:
            self.stalled_since = None
            return False
        if self.stalled_since is None:
            self.stalled_since = now
        return self.stalled_for(now) >= self.patience

    def stalled_for(self, now: float) -> float:
        return 0.0 if self.stalled_since is None else now - self.stalled_since


class SeenProgress:
    """Counts, for each queue, the messages that this process received, started and ended."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        task_received.connect(self._received, weak=False)
        task_prerun.connect(self._ran, weak=False)
        task_postrun.connect(self._ran, weak=False)

    def of(self, queue: str) -> int:
        return self._counts[queue] + self._counts[ANY]

    def _received(self, request: Any = None, **_: Any) -> None:
        self._count(getattr(request, "delivery_info", None))

    def _ran(self, task: Any = None, **_: Any) -> None:
        self._count(getattr(getattr(task, "request", None), "delivery_info", None))

    def _count(self, delivery_info: dict[str, Any] | None) -> None:
        """Each of our queues has its own name for its routing key."""
        self._counts[str((delivery_info or {}).get("routing_key") or ANY)] += 1


class QueueLook:
    """Reads the length of queues over its own connection, which is kept open: connecting costs more than reading."""

    def __init__(self, app: Celery, queues: list[str]) -> None:
        self._app = app
        self._queues = queues
        self._connection: Any = None  # kombu's Connection, which has no types

    def waiting(self) -> dict[str, Waiting] | None:
        """By queue; None if the broker does not answer."""
        try:
            self._connection = self._connection or self._app.connection_for_read()
            return {name: self._look_at(name) for name in self._queues}
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything; without an answer nothing is concluded
            log.debug("watchdog.cannot_look", error=type(error).__name__)
            self._disconnect()
            return None

    def _look_at(self, queue: str) -> Waiting:
        try:
            declared = self._connection.default_channel.queue_declare(queue=queue, passive=True)
        except ChannelError:
            return Waiting()  # on Redis a queue without messages does not exist
        tells_consumers = self._connection.transport.driver_type == "amqp"
        return Waiting(int(declared.message_count), int(declared.consumer_count) if tells_consumers else None)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # the connection is unusable, so errors do not matter
                connection.release()


@dataclass(slots=True)
class DeliveryWatch:
    """One clock per queue: progress of one queue does not hide the stall of another."""

    queues: list[str]
    patience: float
    _clocks: dict[str, StallClock] = field(init=False)

    def __post_init__(self) -> None:
        self._clocks = {queue: StallClock(self.patience) for queue in self.queues}

    def stalled(
        self, now: float, waiting: dict[str, Waiting] | None, *, busy: bool, progress: SeenProgress
    ) -> list[str]:
        """The stalled queues, each with its state. If the broker does not answer, no worker can consume."""
        found = []
        for queue, clock in self._clocks.items():
            seen = (waiting or {}).get(queue, Waiting())
            if clock.has_stalled(now, waiting=seen, busy=busy, progress=progress.of(queue)):
                found.append(f"{queue}: {seen}, none delivered for {clock.stalled_for(now):.0f} s")
        return found

    def stalled_for(self, now: float) -> float:
        return max((clock.stalled_for(now) for clock in self._clocks.values()), default=0.0)
