"""A primary and a replica with files of their own, behind one address; both go by a clock that can be set."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from tests.support.clock_stack import SettableClocks
from tests.support.proxy import Proxy
from tests.support.servers import NO_RETRY, Server
from tests.support.waiting import wait_until

IN_STEP = 5.0  # seconds


class TwoServers:
    """What `Stack` takes for its server. The address closes its connections when it leads elsewhere: it is the tests' own way, and
    a producer's. The workers have another, `followers`, whose connections stay where they are.
    """

    def __init__(self, directory: Path, clocks: SettableClocks) -> None:
        self._servers = [Server(_made(directory / f"server-{name}")) for name in "ab"]
        for server in self._servers:
            server.environment = {**os.environ, **clocks.environment("server")}
        self._address = Proxy(self.port)
        self.followers: list[Proxy] = []
        self.url = ""

    @property
    def _primary(self) -> Server:
        return self._servers[0]

    @property
    def port(self) -> int:
        return self._primary.port

    @property
    def pid(self) -> int | None:
        """The primary's; None while it is dead."""
        return self._primary.pid

    def start(self) -> None:
        """The primary; at the first time everything."""
        self._primary.start()
        if not self.url:
            self._address.__enter__()
            self.url = f"redis://127.0.0.1:{self._address.port}/0"
            self._servers[1].start()
            self._ask(1, "REPLICAOF", "127.0.0.1", self.port)
            wait_until(self.is_in_step, 30, "the replica is in step")

    def kill(self) -> None:
        """The primary dies. Its replica stays, and waits for it."""
        self._primary.kill()

    def end(self) -> None:
        for server in self._servers:
            server.kill()
        if self.url:
            self._address.__exit__()

    def is_in_step(self) -> bool:
        with contextlib.suppress(RedisError):
            return self._replication(1).get("master_link_status") == "up"
        return False

    def change_places(self) -> bool:
        """As a managed service does: writes wait until the replica has everything. False: it is not in step, and nothing was done."""
        if not self.is_in_step():
            return False
        with contextlib.suppress(RedisError):
            self._ask(0, "FAILOVER", "TO", "127.0.0.1", self._servers[1].port, "TIMEOUT", 3000)
            deadline = time.monotonic() + IN_STEP
            while time.monotonic() < deadline and self._replication(1)["role"] != "master":
                time.sleep(0.01)
        if self._replication(1)["role"] != "master":
            return False
        self._servers.reverse()
        for proxy in (self._address, *self.followers):
            proxy.lead_to(self.port)
        self._address.cut()
        return True

    def _replication(self, which: int) -> dict[str, Any]:
        with self._client(which) as client:
            told: dict[str, Any] = client.info("replication")
        return told

    def _ask(self, which: int, *command: object) -> Any:
        with self._client(which) as client:
            return client.execute_command(*command)

    def _client(self, which: int) -> Redis:
        port = self._servers[which].port
        return Redis(port=port, retry=NO_RETRY, socket_timeout=5, decode_responses=True)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
