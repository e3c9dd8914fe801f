"""One child process: its description, and a start that guarantees that it never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

PRIVATE: Final = 0o077
REFUSED: Final = 2  # exit code of a worker that may not serve this ledger: to start it again is of no use

# Runs in the child and then executes the real program. Not subprocess's preexec_fn, which may deadlock with threads.
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
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # added to the parent's; may hold secrets
    cwd: Path | None = None
    # Children of stage 0 are stopped first; the next stage after they have ended.
    stop_stage: int = 0
    # The signal that the kernel sends when the parent dies suddenly. SIGKILL: always works, and the ledger tolerates it.
    death_signal: signal.Signals = signal.SIGKILL
    pass_fds: tuple[int, ...] = ()
    # With this exit code it ends all others, too.
    final_code: int | None = None


def spawn(child: Child, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Starts it in its own process group: Ctrl-C in the terminal reaches the parent only, which stops the children in order.

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
    """Signals the child and its own children. A child that has already ended is ignored."""
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
