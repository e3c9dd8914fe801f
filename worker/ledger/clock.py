"""The ledger's clock: follows the server's clock, but is never set forward or back. `lua/_clock.lua` maintains it."""

import os
import socket
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

CLOCK_FIELDS = ("wall", "ahead")  # of `<part of the ledger>:clock`; µs
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = Path("/proc/self/ns/time")


@cache
def machine() -> str:
    """A name for everything that shares a monotonic clock with this process: the machine since its start, with all its containers."""
    try:
        return f"{BOOT_ID.read_text().strip()}.{TIME_NAMESPACE.stat().st_ino}"
    except OSError:  # not Linux, or the file is hidden: this process only
        return f"{socket.gethostname() or '-'}.{os.getpid()}.{time.monotonic_ns()}".replace(" ", "-")


def witness() -> str:
    """The script argument with this machine's monotonic clock, by which the ledger detects that the server's clock was set."""
    return f"{machine()} {time.monotonic_ns() // 1000}"


def read_clock(server_time: Sequence[int], kept: Sequence[str | None]) -> tuple[float, float]:
    """(the ledger's clock, the server's clock) in unix seconds, from TIME and the `CLOCK_FIELDS`. For views only: it records nothing."""
    seconds, micros = server_time
    wall = seconds * 1_000_000 + micros
    noted, ahead = (int(one or 0) for one in kept)
    return (max(wall, noted) + ahead) / 1e6, wall / 1e6


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)
