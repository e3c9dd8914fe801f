"""A server that does nothing while nobody asks."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn

from config.settings import Settings
from worker.cli.session import unchecked_session
from worker.web.app import Page


class Server(uvicorn.Server):
    """Sleeps until it is asked to end; uvicorn's own wakes ten times a second."""

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
        # uvicorn's own raises the signal again at the end; here a signal is the normal way to finish.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Until SIGINT or SIGTERM. Redis need not be there yet."""
    config = uvicorn.Config(
        Page(unchecked_session(settings)).app(),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
    )
    Server(config).run([listener])
