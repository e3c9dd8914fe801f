"""The whole product in real processes, with the settings that it has by default: a server, the sandbox, workers, beat."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.server import Server
from bench.world import WORLD, settings_for
from feishu_batch import FeishuBatch
from sandbox.process import SandboxProcess
from worker.ledger.lane import Lane
from worker.processes.child import Child, spawn
from worker.processes.roles import worker_children

ROOT = Path(__file__).parent.parent
NODES = "_kombu.binding.celery.pidbox"  # workers that have connected to their broker


def wait_until(is_so: Callable[[], Any], timeout: float, what: str) -> None:
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


class Processes:
    """Started by name; all of them are gone at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, child: Child) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            self.running[name] = spawn(child, log)

    def ask_to_end(self, name: str) -> None:
        os.kill(self.running[name].pid, signal.SIGTERM)

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.running.values():
            process.wait()


class _Side:
    """A server, a sandbox and processes, all in a temporary directory."""

    def __init__(self, fsync: str, sandbox: dict[str, Any]) -> None:
        self._exit = ExitStack()
        self.directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="feishu-batch-bench-")))
        self.server = Server(fsync)
        world = self.directory / "world.json"
        world.write_text(json.dumps(WORLD))
        self.sandbox = SandboxProcess(world=world, **{"window": 1.0, "job_median": 2.0, "seed": 1, **sandbox})
        self.processes = Processes(self.directory)

    def __enter__(self) -> Self:
        try:
            self._exit.enter_context(self.server)
            self._exit.enter_context(self.sandbox)
            self._exit.callback(self.processes.stop)
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._exit.close()

    def _start(self) -> None:
        raise NotImplementedError

    def nodes(self) -> int:
        return len(self.server.redis.smembers(NODES))

    def visits(self, endpoint: str = "batch_update") -> dict[str, Any]:
        """Arrivals at the sandbox, and its clock."""
        seen = self.sandbox.report()
        found = [one for one in seen["endpoints"] if one["endpoint"] == endpoint]
        one = found[0] if found else {"accepted": [], "rejected": []}
        return {"now": seen["now"], "accepted": sorted(one["accepted"]), "rejected": sorted(one["rejected"])}


class Ours(_Side):
    def __init__(self, *, fsync: str = "always", sandbox: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(fsync, sandbox or {})
        self._more = settings

    def _start(self) -> None:
        given = {"data_dir": self.directory, **self._more}
        self.settings = settings_for(self.server.url, self.sandbox.base_url, **given)
        self.lane = Lane(self.server.redis, self.settings.key_prefix, self.settings.lane)
        self.client = self._exit.enter_context(FeishuBatch(self.server.url, timeout=10))
        for child in worker_children(self.settings, sys.executable):
            self.processes.start(child.name, self._here(child))
        wait_until(lambda: self.nodes() >= 3, 60, "the workers are ready")

    def start_another_submit(self, name: str) -> None:
        [child] = [c for c in worker_children(self.settings, sys.executable) if c.name == "submit"]
        argv = tuple(part.replace("--hostname=submit.", f"--hostname={name}.") for part in child.argv)
        self.processes.start(name, self._here(dataclasses.replace(child, argv=argv)))

    @staticmethod
    def _here(child: Child) -> Child:
        return dataclasses.replace(child, env={**child.env, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"})


class Stock(_Side):
    """The recipe of bench/peers/stock.py in a worker of its own."""

    def __init__(self, *, fsync: str = "always", sandbox: dict[str, Any] | None = None) -> None:
        super().__init__(fsync, sandbox or {})

    def _start(self) -> None:
        self.start_another_submit("stock")
        wait_until(lambda: self.nodes() >= 1, 60, "the stock worker is ready")

    def start_another_submit(self, name: str) -> None:
        env = {"STOCK_REDIS": self.server.url, "STOCK_BASE_URL": self.sandbox.base_url, "PYTHONPATH": str(ROOT)}
        argv = (sys.executable, "-m", "celery", "-A", "bench.peers.stock", "worker", "--loglevel=WARNING", "-c", "2")
        self.processes.start(name, Child(name, (*argv, f"--hostname={name}.{os.getpid()}@%h"), env, self.directory))

    def enqueue(self, bodies: list[dict[str, Any]]) -> None:
        from celery import Celery

        app = Celery("producer", broker=self.server.url, set_as_current=False)
        for body in bodies:
            app.send_task("stock.change", kwargs={"body": body}, ignore_result=True)
        app.close()
