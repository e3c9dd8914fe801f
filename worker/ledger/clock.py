"""The ledger's clock: the server's, but never set forward or back. `lua/_clock.lua` keeps it; here it is fed and read."""

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
    """A name for whatever shares a steady clock with this process: the machine since its start, with all its containers."""
    try:
        return f"{BOOT_ID.read_text().strip()}.{TIME_NAMESPACE.stat().st_ino}"
    except OSError:  # no Linux, or one that hides it: this process alone
        return f"{socket.gethostname() or '-'}.{os.getpid()}.{time.monotonic_ns()}".replace(" ", "-")


def witness() -> str:
    """What a script is told of this machine's steady clock: by it the ledger knows whether the server's clock was set."""
    return f"{machine()} {time.monotonic_ns() // 1000}"


def read_clock(server_time: Sequence[int], kept: Sequence[str | None]) -> tuple[float, float]:
    """(the ledger's clock, the server's clock) in unix seconds, by TIME and the `CLOCK_FIELDS`. For people: it notes nothing."""
    seconds, micros = server_time
    wall = seconds * 1_000_000 + micros
    noted, ahead = (int(one or 0) for one in kept)
    return (max(wall, noted) + ahead) / 1e6, wall / 1e6
