"""Waits whose limits are of work, not of the clock: on a machine that others keep busy they last longer."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAUSE = 0.02  # seconds
LONGEST_STRETCH = 8
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_of_machine() -> float:
    """How much of a core a process gets at this moment that has something to compute: 1 unless more of them want one than there are."""
    with suppress(OSError, ValueError, IndexError):
        runnable = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
        return min(1.0, CORES / max(1, runnable))
    return 1.0


class Patience:
    """`limit` seconds of a machine that has time for us; on a busy one up to `LONGEST_STRETCH` times as long."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since = time.monotonic()
        self._last_chance = self._since + LONGEST_STRETCH * limit
        self._used = 0.0

    @property
    def is_over(self) -> bool:
        return self._used > self._limit or time.monotonic() > self._last_chance

    def pause(self, seconds: float = PAUSE) -> None:
        """A sleep that returns late was kept waiting: what exceeds twice its length does not count."""
        asleep = time.monotonic()
        time.sleep(seconds)
        awake = time.monotonic()
        self._used += (asleep - self._since + min(awake - asleep, 2 * seconds)) * share_of_machine()
        self._since = awake

    def renew(self) -> None:
        """There was progress. It does not move the last chance."""
        self._used = 0.0


def wait_until(is_so: Callable[[], Any], timeout: float, what: str | Callable[[], str]) -> Any:
    """The first true answer of `is_so`. `what` is said when there is none; a function is asked for it then."""
    patience = Patience(timeout)
    while not (answer := is_so()):
        if patience.is_over:
            raise TimeoutError(f"not within {timeout:g} s: {what if isinstance(what, str) else what()}")
        patience.pause()
    return answer
