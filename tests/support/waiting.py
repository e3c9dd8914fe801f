"""Waits and limits by the time that this machine has for us: where others keep it busy, seconds count for less.

With more processes that want to compute than cores, each gets a share of one; and a sleep that returns late was kept
waiting. On a quiet machine `fair_now` is `time.monotonic`.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAUSE = 0.02  # seconds
PROCESS_PAUSE = 0.3  # seconds; between looks that start a process each
PATIENCE = 120  # seconds; of waits that end with what they wait for: only a test that fails takes so long
LONGEST_STRETCH = 8  # times as long as on a quiet machine, at most
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_of_machine() -> float:
    """How much of a core a process gets at this moment that has something to compute."""
    with suppress(OSError, ValueError, IndexError):
        runnable = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
        return max(1 / LONGEST_STRETCH, min(1.0, CORES / max(1, runnable)))
    return 1.0


class _FairClock:
    def __init__(self) -> None:
        self._counted, self._at, self._share = 0.0, time.monotonic(), 1.0
        threading.Thread(target=self._run, name="fair clock", daemon=True).start()

    def now(self) -> float:
        counted, at, share = self._counted, self._at, self._share
        return counted + self._fairly(time.monotonic() - at, share)

    def _run(self) -> None:
        while True:
            time.sleep(PAUSE)
            now, share = time.monotonic(), share_of_machine()
            counted = self._counted + self._fairly(now - self._at, share)
            self._counted, self._at, self._share = counted, now, share

    def _fairly(self, seconds: float, share: float) -> float:
        in_time = min(seconds, 2 * PAUSE)
        return in_time * share + (seconds - in_time) / LONGEST_STRETCH


@functools.cache
def _clock(_pid: int) -> _FairClock:
    return _FairClock()


def fair_now() -> float:
    """For the difference of two of them."""
    return _clock(os.getpid()).now()


class Slowness:
    """How many times as long everything has taken since this was made as it takes on a quiet machine: 1 or more."""

    def __init__(self) -> None:
        self._began = time.monotonic(), fair_now()

    def __call__(self) -> float:
        began, fairly = self._began
        return max(1.0, (time.monotonic() - began) / max(PAUSE, fair_now() - fairly))


def wait_until(is_so: Callable[[], Any], timeout: float, what: str | Callable[[], str], *, pause: float = PAUSE) -> Any:
    """The first true answer of `is_so`. `what` is said when there is none; a function is asked for it then."""
    began = fair_now()
    while not (answer := is_so()):
        if fair_now() - began > timeout:
            raise TimeoutError(f"not within {timeout:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(pause)
    return answer
