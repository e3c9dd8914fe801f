"""A lease's heartbeat beside a step that may take longer than the lease."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError


class Heartbeat:
    """Calls `beat` every `interval` seconds while the block runs. `lost`: the lease turned out to be somebody else's."""

    def __init__(self, beat: Callable[[], bool], interval: float) -> None:
        self._beat = beat
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)
        self.lost = False

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
                if not self._beat():
                    self.lost = True
                    return
            except RedisError:
                continue  # the next beat may get through; if none does, the lease runs out, as it should
