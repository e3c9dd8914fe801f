"""In a new clone, the tests' modules are compiled before the processes that run them start: each of those would do it for itself.

pytest compiles them with its own changes, when it collects them. Six processes that do so at once take a minute of computing.
"""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CORES = 2


def compile_tests(config: pytest.Config) -> None:
    """Call before the processes start."""
    is_one_of_them = hasattr(config, "workerinput")
    if is_one_of_them or not config.getoption("numprocesses", 0) or config.args != config.getini("testpaths"):
        return
    if any(TESTS.glob("*/__pycache__/test_*-pytest-*.pyc")):
        return
    folders = [str(path.parent) for path in sorted(TESTS.glob("*/__init__.py"))]
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-qq"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": TESTS.parent}
    started = [subprocess.Popen([*collect, *folders[part::CORES]], **quiet) for part in range(CORES)]
    for process in started:
        process.wait()
