"""Programs beyond Python that a test wants."""

import os
import shutil
from pathlib import Path

import pytest

# All that tests want, so that a run can say at its start what it leaves out.
PROGRAMS = (
    "/usr/bin/chromium",
    "/usr/bin/chromedriver",
    "docker-compose",
    "epmd",
    "faketime",
    "node",
    "openssl",
    "prometheus",
    "promtool",
    "redis-cli",
    "redis-sentinel",
    "redis-server",
    "systemd-analyze",
    "tinyproxy",
)


INSTALL = "apt-get install $(grep -v '^#' .ci/packages.txt)"


def missing() -> list[str]:
    return [name for name in PROGRAMS if not is_there(name)]


def is_there(program: str) -> bool:
    return bool(shutil.which(program)) or Path(program).exists()


def require(*programs: str) -> None:
    """They come from .ci/packages.txt. Without them the test is skipped, and fails where the packages had to be installed."""
    absent = [name for name in programs if not is_there(name)]
    if absent and os.environ.get("CI") == "true":
        pytest.fail(f"{', '.join(absent)} not installed, though .ci/packages.txt names the package")
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed ({INSTALL})")
