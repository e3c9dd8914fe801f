"""The processes of one machine as children of this one; `up` and `demo` both use it."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from celery import Celery

from config.settings import Settings
from worker.connections import control_app
from worker.operating.embedded_files import make_private
from worker.processes.child import Child
from worker.processes.embedded import EmbeddedServer
from worker.processes.roles import worker_children

WORKERS = 3  # of `worker_children`; beat does not answer
PING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stack:
    settings: Settings  # with the URL of the Redis that is used
    children: tuple[Child, ...]
    is_embedded: bool


@contextlib.contextmanager
def prepared(settings: Settings) -> Iterator[Stack]:
    """The processes to run, with an embedded server if no Redis is set. Starts none of them yet."""
    make_private(settings.data_dir)  # the children's working directory
    if settings.redis_url is not None:
        yield Stack(settings, tuple(worker_children(settings, sys.executable)), is_embedded=False)
        return
    server = EmbeddedServer(settings.data_dir)
    try:
        child = server.as_child()
        settings = settings.with_redis_url(server.url)
        yield Stack(settings, (child, *worker_children(settings, sys.executable)), is_embedded=True)
    finally:
        server.stop()


def wait_until_ready(settings: Settings, pid: int, stop: threading.Event, timeout: float) -> bool:
    """Wait until all workers of the supervisor with this pid answer; False if `stop` was set or `timeout` seconds passed."""
    app = control_app(settings)
    deadline = time.monotonic() + timeout
    with contextlib.closing(app):
        while not stop.is_set() and time.monotonic() < deadline:
            if _answering(app, pid) >= WORKERS:
                return True
            stop.wait(0.1)
    return False


def _answering(app: Celery, pid: int) -> int:
    try:
        replies = app.control.ping(timeout=PING_SECONDS)
    except Exception:  # noqa: BLE001 - whatever the broker raises, it is not ready
        return 0
    return sum(f".{pid}@" in node for reply in replies or () for node in reply)


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the program as Ctrl-C does, so that it stops every process that it started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
