"""A real server for the tests that need one, and an own corner of it for each test."""

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings
from redis import Redis
from structlog.contextvars import clear_contextvars

from tests.support import reruns
from tests.support.first_run import compile_tests
from tests.support.order import has_real_processes, rank
from tests.support.programs import INSTALL, missing
from tests.support.servers import running_server
from tests.support.zygote import fork_sandboxes

# Hundreds of processes are started, and six of them collect the tests: each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what runs in its background with Ctrl-C ignored, and every child inherits that: tests of Ctrl-C would
# test nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

fork_sandboxes()

# How long an example takes says more about what else runs than about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    """Commands that run in the test's own process set it up for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    clear_contextvars()
    structlog.reset_defaults()


def pytest_report_header() -> list[str]:
    """Said before the tests run, not only among those that were skipped."""
    absent = missing()
    return [f"LEFT OUT: the tests that want {', '.join(absent)}. To have them run: {INSTALL}"] if absent else []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    compile_tests(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """What is collected lives as long as the run: to look for garbage in it takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Another program on the same cores can starve real processes past a limit: such a test is run again, and counted."""
    for item in items:
        if has_real_processes(item):
            item.add_marker(pytest.mark.real_processes)
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=rank)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not terminalreporter.config.option.collectonly:
        for line in reruns.told(terminalreporter.stats.get("rerun", [])):
            terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    reruns.renew_stacks(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """With the ends of the logs of what a failing test had started."""
    report = yield
    if report.failed:
        reruns.note_stacks(item)
        started = [one for one in getattr(item, "funcargs", {}).values() if callable(getattr(one, "logs", None))]
        for one in dict.fromkeys(started):
            report.sections += [(f"end of {name}", text) for name, text in one.logs()]
    return report


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without persistence, for the whole run."""
    with running_server(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def own_redis_url(tmp_path: Path) -> Iterator[str]:
    """A server of the test's own, to be spoilt."""
    with running_server(tmp_path) as url:
        yield url


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
