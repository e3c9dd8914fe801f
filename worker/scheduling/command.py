"""The command of a scheduled entry: its output, after it has succeeded."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from config.logging import redacted_text
from config.settings import ENV_PREFIX
from worker.processes.child import PRIVATE, Child, bound_to_us, signal_group

MOST_OUTPUT: Final = 1024**3  # bytes
LOOK_EVERY: Final = 0.1  # seconds
GRACE: Final = 2.0  # seconds between SIGTERM and SIGKILL
TAIL: Final = 1000  # bytes of its stderr


class CommandError(Exception):
    """The command failed, so its output is ignored. The message says why, with the end of its stderr."""


@contextmanager
def output_of(argv: Sequence[str], directory: Path, timeout: float) -> Iterator[BinaryIO]:
    """Its standard output as a temporary file. Raises `CommandError`. Call it from a thread that outlives the command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(  # noqa: S603 - configured by the operator, and no shell
            bound_to_us(Child("command", tuple(argv))),
            env=_environment(),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            process_group=0,
            umask=PRIVATE,
        )
        try:
            trouble = _wait(process, out.fileno(), timeout)
        finally:
            _end(process)
        if trouble:
            raise CommandError(_with_tail(trouble, cast("BinaryIO", err)))
        out.seek(0)
        yield cast("BinaryIO", out)


def _environment() -> dict[str, str]:
    """Without our secrets and the URL of our Redis."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}


def _wait(process: subprocess.Popen[bytes], output: int, timeout: float) -> str:
    """Why it failed; empty if it succeeded."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            code = process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                return f"the command did not end within {timeout:g} s"
            if os.fstat(output).st_size > MOST_OUTPUT:
                return f"the command printed more than {MOST_OUTPUT // 1024**2} MiB"
            continue
        if code == 0:
            return ""
        how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
        return f"the command failed ({how})"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    signal_group(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()


def _with_tail(trouble: str, err: BinaryIO) -> str:
    size = err.seek(0, os.SEEK_END)
    err.seek(max(0, size - TAIL))
    said = redacted_text(" ".join(err.read().decode(errors="replace").split()))
    return f"{trouble}: {said}" if said else trouble
