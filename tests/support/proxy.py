"""A TCP proxy between the workers and Redis, whose links can be cut, go dead, or lose answers."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

CHUNK = 65536


class _Link:
    """One connection of a client. `is_dead`: both ends believe in it and nothing passes. `is_mute`: answers get lost."""

    def __init__(self, down: asyncio.StreamWriter, up: asyncio.StreamWriter) -> None:
        self.writers = (down, up)
        self.is_dead = False
        self.is_mute = False

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()  # a reset, not an end


class Proxy:
    """`with Proxy(port_of_redis) as proxy: … proxy.port`. All methods may be called from any thread."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._links: set[_Link] = set()
        self._refuses = False
        self._slowness = (0.0, CHUNK)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- faults: each says how many links it struck -------------------------------------------------------------------

    def cut(self) -> int:
        """Reset every connection."""
        return self._each(_Link.cut)

    def kill_quietly(self) -> int:
        """Half-open: the connections that there are pass nothing any more and stay open. New ones work."""
        return self._each(lambda link: setattr(link, "is_dead", True))

    def mute(self, then_cut_after: float) -> int:
        """Requests arrive and are carried out; their answers are lost, then the connections."""

        def lose(link: _Link) -> None:
            link.is_mute = True
            self._loop.call_later(then_cut_after, link.cut)

        return self._each(lose)

    def refuse(self, is_so: bool) -> int:
        """New connections are closed at once; those that there are go on."""
        self._refuses = is_so
        return len(self._links)

    def lead_to(self, target: int) -> int:
        """New connections go to another port; those that there are stay where they are."""
        self._target = target
        return len(self._links)

    def answer_slowly(self, pause: float, size: int = CHUNK) -> int:
        """Every `size` bytes of an answer are kept back for `pause` seconds."""
        self._slowness = (pause, size)
        return len(self._links)

    # --- the inside ---------------------------------------------------------------------------------------------------

    def _each(self, strike: Callable[[_Link], None]) -> int:
        async def all_of_them() -> int:
            for link in list(self._links):
                strike(link)
            return len(self._links)

        return self._run(all_of_them())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        if self._refuses:
            down.transport.abort()
            return
        try:
            up_reader, up = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            down.transport.abort()
            return
        link = _Link(down, up)
        self._links.add(link)
        pumps = [
            asyncio.ensure_future(self._pump(reader, up, lambda: link.is_dead)),
            asyncio.ensure_future(self._pump(up_reader, down, lambda: link.is_dead or link.is_mute, is_answer=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Who holds a dead link learns nothing, even when the other side ends: that is what half-open means.
            while link.is_dead and not all(writer.transport.is_closing() for writer in link.writers):
                if pumps[0].done():  # the client itself gave up
                    break
                await asyncio.sleep(0.05)
            link.cut()
            self._links.discard(link)
            for pump in pumps:
                pump.cancel()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        swallows: Callable[[], bool],
        *,
        is_answer: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while data and not swallows():
                    pause, size = self._slowness if is_answer else (0.0, CHUNK)
                    if pause:
                        await asyncio.sleep(pause)
                    writer.write(data[:size])
                    await writer.drain()
                    data = data[size:]

    async def _end(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.is_dead = False
            link.cut()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
