"""Documented commands, run as a reader runs them: in a shell, in a directory of their own, in an environment without our settings."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.docs.pages import BIN
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command, start_command

STARTS_WITHIN = ENDS_WITHIN = 60.0  # seconds, on a machine that has other work


def clean_environment() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("FEISHU_BATCH_", "CELERY_"))}
    return environ | {"PATH": f"{BIN}{os.pathsep}{environ['PATH']}"}


def run(command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """What is a command of ours and nothing else needs no shell."""
    if re.match(r"feishu-batch [^|&;<>$`*?~#\n]+$", command):
        return run_command(*shlex.split(command)[1:], timeout=PATIENCE, **options)
    return subprocess.run(command, shell=True, text=True, capture_output=True, timeout=PATIENCE, check=False, **options)


@contextlib.contextmanager
def running_up(directory: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """`feishu-batch up`, which has said that it is ready; the file of what it says."""
    log = directory / "up.log"
    with log.open("wb") as output:
        up = start_command(["up"], cwd=directory, env=environ, output=output)
    try:
        wait_until(lambda: "Ready." in log.read_text() or up.poll() is not None, STARTS_WITHIN, "up is ready")
        yield log
        up.send_signal(signal.SIGTERM)
        assert up.wait(ENDS_WITHIN) == 0, log.read_text()[-3000:]
    finally:
        up.kill()
        up.wait()
