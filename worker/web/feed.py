"""One look a second for all browsers together; no looks without a browser. Only changed sections are sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import anyio
import structlog
from anyio.to_thread import run_sync
from redis.exceptions import RedisError

from feishu_batch.redis_trouble import explain

log = structlog.get_logger("feishu_batch.web")

EVERY: Final = 1.0  # seconds between looks
SLOW: Final = 3.0  # seconds; the page says so when a look takes longer
MOST_READERS: Final = 64
NOTHING: Final = "{}"


class Feed:
    """`look` is called in a thread, one call at a time. `begin` is called before the first look after a pause."""

    def __init__(
        self, look: Callable[[], dict[str, Any]], begin: Callable[[], None] = lambda: None, every: float = EVERY
    ) -> None:
        self._look, self._begin, self._every = look, begin, every
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._changed = asyncio.Condition()
        self._sections: dict[str, tuple[int, str]] = {}  # name → (look in which it changed, JSON)
        self._number = 0  # of the last look
        self._task: asyncio.Task[None] | None = None
        self.readers = 0

    @property
    def is_full(self) -> bool:
        return self.readers >= MOST_READERS

    async def messages(self) -> AsyncIterator[str]:
        """JSON objects: first every section, then the sections that changed. A slow reader skips looks."""
        self.readers += 1
        try:
            if self._task is None:
                self._sections.clear()  # they are old
                self._task = asyncio.create_task(self._run())
            seen = 0
            while True:
                async with self._changed:
                    before = seen
                    await self._changed.wait_for(lambda before=before: self._number > before)  # type: ignore[misc]
                    message, seen = self._since(before), self._number
                if message != NOTHING:
                    yield message
        finally:
            self.readers -= 1

    async def _run(self) -> None:
        try:
            self._begin()
            while self.readers:
                look = asyncio.create_task(run_sync(self._looked, limiter=self._one_at_a_time))
                while not (await asyncio.wait({look}, timeout=SLOW))[0]:
                    await self._tell({"trouble": {"key": "trouble.redis_slow"}})
                await self._tell(look.result())
                await asyncio.sleep(self._every)
        finally:
            self._task = None

    async def _tell(self, sections: dict[str, Any]) -> None:
        async with self._changed:
            self._note(sections)
            self._changed.notify_all()

    def _looked(self) -> dict[str, Any]:
        try:
            return {**self._look(), "trouble": None}
        except (RedisError, OSError) as error:
            why = explain(error, "FEISHU_BATCH_REDIS_URL")
            key = "trouble.redis_away" if why else "trouble.redis_silent"
            return {"trouble": {"key": key, "why": why or type(error).__name__}}
        except Exception:
            log.exception("page.look_failed")
            return {"trouble": {"key": "trouble.unreadable"}}

    def _note(self, sections: dict[str, Any]) -> None:
        self._number += 1
        sections["look"] = self._number  # always sent: so the reader knows that the server is alive
        for name, content in sections.items():
            text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            if self._sections.get(name, (0, ""))[1] != text:
                self._sections[name] = (self._number, text)

    def _since(self, number: int) -> str:
        changed = (f'"{name}":{text}' for name, (when, text) in self._sections.items() if when > number)
        return "{" + ",".join(changed) + "}"
