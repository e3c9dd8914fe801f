"""Workers and commands that need not import anything: forked from a process that has imported all they want.

What such a process does when it starts is imports, for the most part: one to two seconds of computing. The processes are as real
as others: own pid, process group, environment, directory, files. That they start from nothing is tested with the compose
file, with the systemd units, with the wheel, in tests/cli, and by `Stack`s that need it (`is_forked = False`).
"""

import array
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import sandbox.process
from worker.processes.child import PRIVATE, Child
from worker.processes.child import spawn as spawn_anew

ROOT = Path(__file__).parents[2]
MOST = 1 << 20  # bytes of a message
MOST_FILES = 8
MODULE = ("-P", "-m")
CAN_FORK = sys.platform == "linux"


class Forked:
    """What the tests use of `subprocess.Popen`. The zygote is the parent, so it is asked how a process ended."""

    def __init__(self, zygote: "Zygote", pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None

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
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:  # until it is asked about, a pid stays its own
            os.kill(self.pid, number)


class Zygote:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def spawn(self, child: Child, output: IO[bytes] | None = None) -> Any:
        """As `worker.processes.child.spawn`, which starts what the zygote cannot be."""
        kind = _kind(child.argv)
        if kind is None:
            return spawn_anew(child, output)
        streams = dict.fromkeys((1, 2), output.fileno()) if output else {1: 1, 2: 2}
        return self.start(
            kind,
            env={**os.environ, **child.env},
            cwd=child.cwd,
            files={**streams, **{number: number for number in child.pass_fds}},
            umask=PRIVATE,
            death_signal=child.death_signal,
        )

    def start(
        self,
        kind: Sequence[str],
        *,
        files: Mapping[int, int],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        umask: int = 0o022,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Forked:
        """`kind`: a command line whose first word is a key of `zygote_process.MAINS`. `files`: its number → ours."""
        wanted = {
            "kind": list(map(str, kind)),
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
            "files": list(files),
            "umask": umask,
            "death_signal": int(death_signal),
        }
        return Forked(self, self.ask(wanted, *files.values()))

    def ask(self, message: dict[str, Any], *files: int) -> Any:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        with self._lock:
            self._connection.sendmsg([json.dumps(message).encode()], rights)
            return json.loads(self._connection.recv(MOST))


@functools.cache
def zygote() -> Zygote:
    """One for all tests of this process; it ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.support.zygote_process", str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
        )
    return Zygote(ours)


def start_command(
    arguments: Sequence[object], *, output: IO[bytes], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "Forked | subprocess.Popen[bytes]":
    """`feishu-batch` with these arguments, which says everything into `output`."""
    words = ["feishu-batch", *map(str, arguments)]
    if CAN_FORK:
        return zygote().start(words, env=env, cwd=cwd, files=dict.fromkeys((1, 2), output.fileno()))
    return subprocess.Popen(_anew(words), env=env, cwd=cwd, stdout=output, stderr=output)


def open_command(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, is_forked: bool = CAN_FORK
) -> "Forked | subprocess.Popen[str]":
    """`feishu-batch` with these arguments; what it prints is read from `stdout`."""
    words = ["feishu-batch", *map(str, arguments)]
    if is_forked:
        return _with_stdout(words, env=env, cwd=cwd)
    return subprocess.Popen(_anew(words), env=env, cwd=cwd, stdout=subprocess.PIPE, text=True)


def fork_sandboxes() -> None:
    """Those that this process starts from now on."""

    def launch(command: list[str]) -> Any:
        return _with_stdout(command[command.index("sandbox") :])

    if CAN_FORK:
        sandbox.process.launch = launch


def _with_stdout(words: Sequence[str], **place: Any) -> Forked:
    ours, theirs = os.pipe()
    try:
        process = zygote().start(words, files={1: theirs, 2: 2}, **place)
    finally:
        os.close(theirs)
    process.stdout = os.fdopen(ours)
    return process


def run_command(
    *arguments: object, timeout: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """`feishu-batch` with these arguments, to its end."""
    words = ["feishu-batch", *map(str, arguments)]
    if not CAN_FORK:
        return subprocess.run(
            _anew(words), env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
        )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = zygote().start(words, env=env, cwd=cwd, files={1: out.fileno(), 2: err.fileno()})
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, code, _text_of(out), _text_of(err))


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _anew(words: list[str]) -> list[str]:
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


def _kind(argv: Sequence[str]) -> list[str] | None:
    """Of a process that the zygote can be, as `Zygote.start` wants it."""
    _, *start = map(str, argv)
    if tuple(start[:2]) == MODULE and start[2] in ("celery", "worker.web"):
        return start[2:]
    return None
