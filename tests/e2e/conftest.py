"""One stack for all tests that leave it as they found it; its logs are shown when a test fails. And a backend app beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.e2e import backend_app as backend
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.learn_names()
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    with shared_stack.lent() as stack:
        yield stack


@pytest.fixture(scope="module")
def app(shared_stack: Stack) -> Iterator[Celery]:
    """The backend app; its tasks are run by a worker process of its own."""
    url = shared_stack.server.url
    environment = {**os.environ, "BACKEND_REDIS_URL": url}
    argv = [sys.executable, "-m", "celery", "-A", "tests.e2e.backend_app", "worker", "-Q", "backend", "-P", "threads"]
    argv += ["-c", "2", "-n", "backend@%h", "--without-gossip", "--without-mingle"]
    with (shared_stack.directory / "backend.log").open("wb") as log:
        worker = subprocess.Popen(argv, cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log)
    backend.app.conf.update(broker_url=url, result_backend=url)
    yield backend.app
    backend.app.close()
    worker.kill()
    worker.wait()


@pytest.fixture
def seen(stack: Stack) -> Iterator[Callable[..., Any]]:
    """The notes of the backend's tasks with a tag, once there is one."""

    def await_tag(tag: str, timeout: float = 15) -> Any:
        def look() -> list[Any]:
            notes = [json.loads(one) for one in stack.redis.lrange(backend.SEEN, 0, -1)]
            return [one for one in notes if one["tag"] == tag]

        return wait_until(look, timeout, f"the backend's worker saw {tag}")

    yield await_tag
    stack.redis.delete(backend.SEEN)
