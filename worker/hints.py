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

_FLAG_OF = {
    TaskName.SUBMIT_BATCH: "submit",
    TaskName.POLL_JOB: "poll",
    TaskName.READ_BACK: "read-back",
    TaskName.PUBLISH: "publish",
}


class Hints:
    def __init__(self, app: Celery, front: Front, lane: Lane) -> None:
        self._app = app
        self._front = front
        self._lane = lane

    def submit(self) -> None:
        self._send_once(TaskName.SUBMIT_BATCH)

    def poll(self, **ids: Any) -> None:
        """`ids`: what caused it, for whoever reads the message in Flower; the ledger says what to do."""
        self._send_once(TaskName.POLL_JOB, **ids)

    def read_back(self, **ids: Any) -> None:
        self._send_once(TaskName.READ_BACK, **ids)

    def publish(self) -> None:
        self._send_once(TaskName.PUBLISH)

    def publish_if(self, wanted: bool) -> None:
        if wanted:
            self.publish()

    def intake(self) -> None:
        self._guarded(self._front.want_hint, TaskName.INTAKE, {})

    def arrived(self, task: TaskName) -> None:
        """The hint is here: whoever writes from now on has to send a new one. Called before looking at the ledger."""
        if task is TaskName.INTAKE:
            self._front.clear_hint()
        else:
            self._lane.clear_hint(_FLAG_OF[task])

    def _send_once(self, task: TaskName, **ids: Any) -> None:
        self._guarded(lambda: self._lane.want_hint(_FLAG_OF[task]), task, {"lane": self._lane.name, **ids})

    def _guarded(self, wanted: Callable[[], bool], task: TaskName, kwargs: dict[str, Any]) -> None:
        """A hint that cannot be sent is no failure of the step that wanted it: the sweep finds the work."""
        try:
            if wanted():
                self._app.send_task(str(task), kwargs=kwargs, queue=str(QUEUE_OF[task]), ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("hint.not_sent", task=str(task), error=type(error).__name__)
