"""A Redis-compatible server for one benchmark, and what it says of itself."""

import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis, RedisError

from worker.processes.embedded import server_binary


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """On this machine only, its files in a temporary directory. `fsync`: always | everysec | None for no file at all."""

    def __init__(self, fsync: str | None = "everysec") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="feishu-batch-bench-")
        self._fsync = fsync
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        keep = ["--appendonly", "yes", "--appendfsync", self._fsync] if self._fsync else ["--appendonly", "no"]
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self._directory.name,
            "--save",
            "",
            "--hz",
            "2",
            "--hash-max-ziplist-value",
            "1024",
            *keep,
        ]
        with (Path(self._directory.name) / "server.log").open("ab") as log:
            self._process = subprocess.Popen([server_binary(), *options], stdout=log, stderr=log)
        self.redis: Any = Redis(port=self.port, decode_responses=True, socket_timeout=60)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.redis.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.redis.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def version(self) -> str:
        info = self.redis.info("server")
        return str(info.get("valkey_version") or info["redis_version"])

    def memory(self) -> int:
        """Bytes in use, when the append-only buffer and the incremental rehashing have come to rest."""
        last = -1
        for _ in range(50):
            used = int(self.redis.info("memory")["used_memory"])
            if abs(used - last) < 4096:
                return used
            last = used
            time.sleep(0.2)
        return last

    def commands(self) -> dict[str, dict[str, float]]:
        """Calls and time per command since the start or the last CONFIG RESETSTAT. Includes those inside of scripts."""
        return {name.removeprefix("cmdstat_"): seen for name, seen in self.redis.info("commandstats").items()}

    def slowest(self) -> list[tuple[float, str]]:
        """(milliseconds, script or command) of the SLOWLOG, slowest first."""
        entries = self.redis.slowlog_get(1000)
        return sorted(((e["duration"] / 1000, _text(e["command"])) for e in entries), reverse=True)


def _text(command: Any) -> str:
    return command.decode("utf-8", "replace") if isinstance(command, bytes) else str(command)
