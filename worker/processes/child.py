"""One child process: how it is described, and how it is started so that it never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

PRIVATE: Final = 0o077

# Runs in the child and turns into the real program. Not subprocess's preexec_fn, which may deadlock beside threads.
# The 1 is PR_SET_PDEATHSIG of <linux/prctl.h>; a parent that died before it was set has another pid by now.
_LAUNCHER: Final = """
import ctypes, os, sys
number, parent, *argv = sys.argv[1:]
ctypes.CDLL(None).prctl(1, int(number))
if os.getppid() != int(parent): os._exit(1)
try: os.execvp(argv[0], argv)
except OSError as error: sys.exit(f"{argv[0]} cannot be started: {error}")
"""


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # over the parent's; may hold secrets
    cwd: Path | None = None
    # Children of stage 0 are asked to end first; the next stage when they are gone.
    stop_stage: int = 0
    # What the kernel sends when the parent dies without a word. SIGKILL: certain, and the ledger bears it.
    death_signal: signal.Signals = signal.SIGKILL
    pass_fds: tuple[int, ...] = ()


def spawn(child: Child, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Starts it in its own process group: a Ctrl-C of the terminal reaches the parent only, who ends the rest in order.

    Call it from the main thread: to the kernel, the parent of a child is the *thread* that made it.
    """
    return subprocess.Popen(  # noqa: S603 - the arguments are ours
        bound_to_us(child),
        env={**os.environ, **child.env},
        cwd=child.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        process_group=0,
        umask=PRIVATE,  # its files may hold field values: the ledger, logs, beat's schedule
        pass_fds=child.pass_fds,
    )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the child and whatever it started. One that is gone already needs nothing."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            process.poll()


def bound_to_us(child: Child) -> tuple[str, ...]:
    """Linux only; elsewhere a parent that is killed with SIGKILL leaves its children behind."""
    if sys.platform != "linux":
        return child.argv
    return (sys.executable, "-I", "-S", "-c", _LAUNCHER, str(int(child.death_signal)), str(os.getpid()), *child.argv)
