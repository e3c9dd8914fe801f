"""Hints: Celery messages that say "look into the ledger". At most one of a kind is outstanding; losing one costs a sweep."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.routing import QUEUE_OF, TaskName
from worker.ledger.front import Front
from worker.ledger.lane import Lane

log = structlog.get_logger("feishu_batch.hints")

HELD_LONGER = 0.5  # seconds: should the process that waits die, the sweep may send a new hint so much later


def _send_if(wanted: Callable[[], bool], app: Celery, task: TaskName, kwargs: dict[str, Any]) -> None:
    """A hint that cannot be sent is no failure of the step that wanted it: the sweep finds the work."""
    try:
        if wanted():
            app.send_task(str(task), kwargs=kwargs, queue=str(QUEUE_OF[task]), ignore_result=True)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("hint.not_sent", task=str(task), error=type(error).__name__)


class IntakeHints:
    def __init__(self, app: Celery, front: Front) -> None:
        self._app = app
        self._front = front

    def send(self) -> None:
        _send_if(self._front.want_hint, self._app, TaskName.INTAKE, {})

    def arrived(self) -> None:
        """Called before looking into the inbox: whoever writes from now on has to send a new hint."""
        self._front.clear_hint()


class LaneHints:
    """`ids` say what caused a hint, for whoever reads the message in Flower; what to do is in the ledger."""

    def __init__(self, app: Celery, lane: Lane) -> None:
        self._app = app
        self._lane = lane

    def submit(self) -> None:
        self._send(TaskName.SUBMIT_BATCH)

    def poll(self, **ids: Any) -> None:
        self._send(TaskName.POLL_JOB, **ids)

    def read_back(self, **ids: Any) -> None:
        self._send(TaskName.READ_BACK, **ids)

    def publish(self) -> None:
        self._send(TaskName.PUBLISH)

    def publish_if(self, wanted: bool) -> None:
        if wanted:
            self.publish()

    def looks_in(self, task: TaskName, seconds: float) -> None:
        """The step of a hint that arrived waits before it looks: a second hint would only keep another worker busy."""
        self._lane.hold_hint(str(task), seconds + HELD_LONGER)

    def arrived(self, task: TaskName) -> None:
        """Called before looking into the ledger: whoever writes from now on has to send a new hint."""
        self._lane.clear_hint(str(task))

    def _send(self, task: TaskName, **ids: Any) -> None:
        _send_if(lambda: self._lane.want_hint(str(task)), self._app, task, {"lane": self._lane.name, **ids})
