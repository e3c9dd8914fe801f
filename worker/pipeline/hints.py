"""Hints: Celery messages that say "read the ledger". At most one of a kind is outstanding; a lost one only delays work until the sweep."""

from collections.abc import Callable
from typing import Any, Protocol

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.routing import TaskName
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane

log = structlog.get_logger("feishu_batch.hints")

HELD_LONGER = 0.5  # seconds: if the waiting process dies, the sweep may send a new hint after this time


def _send_if(wanted: Callable[[], bool], app: Celery, task: TaskName, kwargs: dict[str, Any]) -> None:
    """An unsent hint is not a failure of the step: the sweep finds the work."""
    try:
        if wanted():
            app.send_task(str(task), kwargs=kwargs, ignore_result=True)  # its queue is in the app's routes
    except (OperationalError, RedisError, OSError) as error:
        log.warning("hint.not_sent", task=str(task), error=type(error).__name__)


class Made(Protocol):
    @property
    def became_ready(self) -> bool: ...
    @property
    def awaits_look(self) -> bool: ...


class IntakeHints:
    def __init__(self, app: Celery, inbox: Inbox) -> None:
        self._app = app
        self._inbox = inbox

    def send(self) -> None:
        _send_if(self._inbox.want_hint, self._app, TaskName.INTAKE, {})

    def arrived(self) -> None:
        """Called before reading the inbox: every later write must send a new hint."""
        self._inbox.clear_hint()


class LaneHints:
    """`ids`: the cause of a hint, for readers of Flower; the work itself is in the ledger."""

    def __init__(self, app: Celery, lane: Lane, *, has_singles: bool = False) -> None:
        """`has_singles`: whether the lane's single route may be on."""
        self._app = app
        self._lane = lane
        self._has_singles = has_singles

    def after(self, made: Made) -> None:
        """After a step that made changes ready, or let them wait for a look."""
        if made.became_ready:
            self.submit()
        if made.awaits_look:
            self.look()

    def submit(self) -> None:
        """Changes are ready: by which route they go is decided when one of them takes them."""
        self._send(TaskName.SUBMIT_BATCH)
        self.singles()

    def singles(self) -> None:
        if self._has_singles:
            self._send(TaskName.SEND_SINGLES)

    def poll(self, **ids: Any) -> None:
        self._send(TaskName.POLL_JOB, **ids)

    def read_back(self, **ids: Any) -> None:
        self._send(TaskName.READ_BACK, **ids)

    def look(self) -> None:
        self._send(TaskName.LOOK)

    def publish(self) -> None:
        self._send(TaskName.PUBLISH)

    def publish_if(self, wanted: bool) -> None:
        if wanted:
            self.publish()

    def looks_in(self, task: TaskName, seconds: float) -> None:
        """The step of an arrived hint waits before it reads: a second hint would only occupy another worker."""
        self._lane.hold_hint(str(task), seconds + HELD_LONGER)

    def arrived(self, task: TaskName) -> None:
        """Called before reading the ledger: every later write must send a new hint."""
        self._lane.clear_hint(str(task))

    def _send(self, task: TaskName, **ids: Any) -> None:
        _send_if(lambda: self._lane.want_hint(str(task)), self._app, task, {"lane": self._lane.name, **ids})
