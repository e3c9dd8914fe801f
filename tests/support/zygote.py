"""Worker processes that need not import anything: forked from one that has imported all they want.

What a worker does when it starts is imports, for the most part: a second of computing, four times for each stack. The processes
are as real as others: own pid, process group, environment, directory, log. That workers start from nothing is tested with
`up`, with the compose file, with the systemd units, and by `Stack`s that need it (`is_forked = False`).
"""

import array
import contextlib
import ctypes
import functools
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from worker.processes.child import PRIVATE, Child

ROOT = Path(__file__).parents[2]
CELERY = ("-P", "-m", "celery")
MOST = 1 << 20  # bytes of a message
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


class Forked:
    """What the tests use of `subprocess.Popen`. The zygote is the parent, so it is asked how a process ended."""

    def __init__(self, zygote: "Zygote", pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._zygote.ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.005)
        return code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:  # until it is asked about, a pid stays its own
            os.kill(self.pid, number)


class Zygote:
    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.support.zygote", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
            )

    def spawn(self, child: Child, log: Any) -> Forked:
        wanted = {
            "argv": [str(part) for part in child.argv],
            "env": {**os.environ, **child.env},
            "cwd": str(child.cwd or Path.cwd()),
            "death_signal": int(child.death_signal),
        }
        return Forked(self, self.ask(wanted, log.fileno()))

    def ask(self, message: dict[str, Any], *files: int) -> Any:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        self._ours.sendmsg([json.dumps(message).encode()], rights)
        return json.loads(self._ours.recv(MOST))


@functools.cache
def zygote() -> Zygote:
    """One for all tests of this process; it ends with it."""
    return Zygote()


# --- in the zygote itself -------------------------------------------------------------------------------------------


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Returns in each process that it forks, with what that shall be; and here when nobody asks any more."""
    while True:
        data, rights, _, _ = connection.recvmsg(MOST, socket.CMSG_SPACE(4))
        if not data:
            return None
        message = json.loads(data)
        if "ended" in message:
            pid, status = os.waitpid(message["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            [log] = array.array("i", rights[0][2])
            if not (answer := os.fork()):
                connection.close()
                become(message, log)
                return message
            os.close(log)
            with contextlib.suppress(OSError):  # whoever of the two is first: a signal to the group may follow at once
                os.setpgid(answer, answer)
        connection.send(json.dumps(answer).encode())


def become(wanted: dict[str, Any], log: int) -> None:
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, wanted["death_signal"])
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.umask(PRIVATE)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = ["celery", *wanted["argv"][1 + len(CELERY) :]]


def main() -> None:
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != int(sys.argv[2]):
        return
    import celery.apps.beat
    import celery.apps.worker
    import celery.bin.celery
    import celery.concurrency.thread
    import celery.worker.consumer
    import celery.worker.worker  # noqa: F401 - all of them for those that are forked

    import worker.app
    import worker.beat  # noqa: F401 - as above

    gc.collect()
    gc.freeze()
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        from celery.__main__ import main as celerys_main

        sys.exit(celerys_main())


if __name__ == "__main__":
    main()
