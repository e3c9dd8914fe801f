"""The process that others are forked from: it has imported all that workers and commands want. See `zygote`.

A request is (what the process shall be, its open files); the answer to it is a pid. `ended` asks how one ended.
"""

import array
import contextlib
import ctypes
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from tests.support.zygote import MOST, MOST_FILES, Zygote

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
WITH_CHILDREN = "up"  # of the commands
ABOVE_ALL_TARGETS = 64  # a number that no process wants a file under


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Returns in each process that it forks, with what that shall be; and here when nobody asks any more."""
    while True:
        data, rights, _, _ = connection.recvmsg(MOST, socket.CMSG_SPACE(4 * MOST_FILES))
        if not data:
            return None
        message = json.loads(data)
        if "ended" in message:
            pid, status = os.waitpid(message["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            files = array.array("i", rights[0][2])
            if not (answer := os.fork()):
                connection.close()
                become(message, files)
                return message
            for file in files:
                os.close(file)
            with contextlib.suppress(OSError):  # whoever of the two is first: a signal to the group may follow at once
                os.setpgid(answer, answer)
        connection.send(json.dumps(answer).encode())


def become(wanted: dict[str, Any], files: Sequence[int]) -> None:
    os.setpgid(0, 0)
    end_with_parent(wanted["death_signal"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    aside = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL_TARGETS) for file in files]
    for file, target in zip(aside, wanted["files"], strict=True):
        os.dup2(file, target)
    for file in {*aside, *files} - {*wanted["files"]}:
        os.close(file)
    os.umask(wanted["umask"])
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()


def end_with_parent(number: int) -> None:
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, number)


# --- what it can be -------------------------------------------------------------------------------------------------


def be(wanted: dict[str, Any]) -> None:
    kind, *arguments = wanted["kind"]
    main = MAINS[kind]
    if kind == "feishu-batch" and arguments[:1] == [WITH_CHILDREN]:
        fork_children_from(nursery())
    sys.argv = [kind, *arguments]
    main()


def celerys_main() -> None:
    from celery.__main__ import main

    sys.exit(main())


def commands_main() -> None:
    from worker.start import main

    main()


def modules_main(name: str) -> None:
    import runpy

    runpy.run_module(name, run_name="__main__", alter_sys=True)


MAINS = {
    "celery": celerys_main,
    "feishu-batch": commands_main,
    "worker.web": partial(modules_main, "worker.web"),
    "sandbox": partial(modules_main, "sandbox"),
}


def nursery() -> Zygote:
    """A process of this one's from which its own children are forked: it has imported as much, and done nothing yet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    above = os.getpid()
    if os.fork():
        theirs.close()
        return Zygote(ours)
    ours.close()
    os.setpgid(0, 0)
    end_with_parent(signal.SIGKILL)
    if os.getppid() != above:
        os._exit(1)
    signal.signal(signal.SIGCHLD, lambda *_: os.kill(above, signal.SIGCHLD))  # as if it were the parent
    wanted = serve(theirs)
    if wanted is None:
        os._exit(0)
    be(wanted)
    sys.exit()


def fork_children_from(zygote: Zygote) -> None:
    from worker.processes import child, supervisor

    def spawn(described: child.Child, output: Any = None) -> Any:
        return zygote.spawn(described, output)

    supervisor.spawn = spawn


def main() -> None:
    end_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[2]):
        return
    import_all()
    gc.collect()
    gc.freeze()
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        be(wanted)


def import_all() -> None:
    """For those that are forked."""
    import celery.apps.beat
    import celery.apps.worker
    import celery.bin.celery
    import celery.concurrency.thread
    import celery.worker.consumer
    import celery.worker.worker  # noqa: F401 - as the docstring says
    import click

    import sandbox.server  # noqa: F401 - as the docstring says
    import worker.app
    import worker.beat
    import worker.web.server  # noqa: F401 - as the docstring says
    from worker.cli.main import cli

    context = click.Context(cli)
    for name in cli.list_commands(context):
        cli.get_command(context, name)


if __name__ == "__main__":
    main()
