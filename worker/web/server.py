"""A server that uses no CPU while there are no requests."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from config.settings import Settings
from worker.operating.session import unchecked_session
from worker.web.app import Page


class PageServer(uvicorn.Server):
    """Sleeps until it must end; uvicorn's own loop wakes ten times a second."""

    _loop: asyncio.AbstractEventLoop
    _asked: asyncio.Event

    async def main_loop(self) -> None:
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        if not self.should_exit:
            await self._asked.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if hasattr(self, "_asked"):
            self._loop.call_soon_threadsafe(self._asked.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again at the end; here a signal is the normal way to stop.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serves until SIGINT or SIGTERM. Redis need not answer yet."""
    app = Page(unchecked_session(settings)).app()
    more: dict[str, Any] = {
        "loop": "asyncio",
        "server_header": False,
        "date_header": False,
        "timeout_graceful_shutdown": 2,
    }
    PageServer(quiet_config(app, **more)).run([listener])


def quiet_config(app: Starlette, **more: Any) -> uvicorn.Config:
    """Plain HTTP, and no lines in the log for what is asked."""
    return uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False, **more
    )
