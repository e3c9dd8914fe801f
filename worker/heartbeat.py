"""Renews a lease during a step that may take longer than the lease."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError


class Heartbeat:
    """Calls `beat` every `interval` seconds while the block runs, to keep a lease of `lease` seconds that was just acquired."""

    def __init__(self, beat: Callable[[], bool], *, interval: float, lease: float) -> None:
        self._beat = beat
        self._interval = interval
        self._lease = lease
        self._renewed_at = time.monotonic()
        self._refused = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether another process has, or may have, the lease: a process that was stopped for long does not notice it."""
        return self._refused or time.monotonic() - self._renewed_at > self._lease

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                asked_at = time.monotonic()
                if not self._beat():
                    self._refused = True
                    return
                self._renewed_at = asked_at
            except RedisError:
                continue  # the next beat may succeed; if none does, the lease expires, as it should
