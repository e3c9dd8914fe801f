"""The stack of the end-to-end tests, with a proxy before Redis and its replica, an HTTP proxy before the remote system, clocks that can
be set, a supervisor, and short timings.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Self

from config.routing import QueueName
from feishu_batch import FeishuBatch
from feishu_batch.names import TASK_UPDATE_WORK_ITEMS
from tests.support.clock_stack import SettableClocks
from tests.support.proxy import Proxy
from tests.support.stack import WORKERS, Stack
from tests.support.tunnel import TunnelServer
from tests.support.two_servers import TwoServers
from tests.support.waiting import wait_until
from worker.processes.child import Child

ROOT = Path(__file__).parents[2]
LEASE, GRACE = 1.5, 2.0
CHAOS: dict[str, Any] = {
    "sweep_seconds": 0.5,
    "heartbeat_seconds": 0.4,
    "lease_seconds": LEASE,
    "grace_seconds": GRACE,
    "read_back_seconds": 2.0,
    "reads_behind_seconds": 1.0,
    "not_exist_seconds": 1.0,
    "job_timeout_seconds": 4.0,
    "http_timeout_seconds": 1.0,
    "redis_timeout_seconds": 1.0,
    "redis_connect_timeout_seconds": 0.5,
    "stall_seconds": 6.0,
    "max_wait_seconds": 2.0,
    # Every unknown outcome is one of these; the driver strikes far more of them than any remote system would.
    "max_attempts": 40,
}
ENVIRONMENT = {"CHAOS_AGAIN_AFTER": "3", "CHAOS_VISIBILITY": "6"}


class ChaosStack(Stack):
    """`crash` in `start_armed` names a method of the product at which that worker kills itself, see chaos_app."""

    def __init__(self, directory: Path, *, sandbox: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(directory, sandbox=sandbox, **{**CHAOS, **settings})
        self.clocks = SettableClocks(directory)
        self.server = TwoServers(directory, self.clocks)
        self.proxy = Proxy(self.server.port)
        self.server.followers.append(self.proxy)
        self._tunnels = TunnelServer()
        self.http_proxy = Proxy(self._tunnels.port)
        self.held: set[str] = set()  # stopped on purpose
        self.server_is_frozen = False
        self.deaths = 0
        self._armed: dict[str, str] = {}
        self._again_at: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._exit.callback(self._tunnels.close)
        self._exit.enter_context(self.proxy)
        self._exit.enter_context(self.http_proxy)
        self._settings["proxy_url"] = f"http://127.0.0.1:{self.http_proxy.port}"
        self._settings["redis_url"] = f"redis://127.0.0.1:{self.proxy.port}/0"
        return super().__enter__()

    def _stop(self) -> None:
        for name in list(self.held):
            self.go_on(name)
        with contextlib.suppress(ProcessLookupError):
            self.thaw_server()
        super()._stop()
        self.server.end()

    def new_client(self, url: str | None = None) -> FeishuBatch:
        return FeishuBatch(url or self.server.url, key_prefix=self.settings.key_prefix, timeout=2)

    # --- processes ------------------------------------------------------------------------------------------------

    def _spawn(self, name: str, child: Child) -> None:
        argv = tuple("tests.support.chaos_app" if part == "worker.app" else part for part in child.argv)
        path = os.pathsep.join([str(ROOT), str(ROOT / "client")])
        env = {**child.env, **ENVIRONMENT, **self.clocks.environment("workers"), "PYTHONPATH": path}
        if name in self._armed:
            env["CHAOS_CRASH"] = self._armed.pop(name)
        super()._spawn(name, Child(child.name, argv, env, child.cwd))

    def arm(self, crashes: dict[str, str]) -> None:
        """The next start of each of these workers ends at its crash; the one after it is a normal one."""
        self._armed = dict(crashes)
        self.restart(*crashes)

    def is_alive(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def look_after(self) -> None:
        """What `up` does all the time: start again what died. A twin that died stays away."""
        now = time.monotonic()
        for name in [name for name in self._processes if not self.is_alive(name)]:
            self._processes.pop(name).wait()
            self.held.discard(name)
            self.deaths += 1
            if name in WORKERS:
                self._again_at[name] = now + 0.3
        due = [name for name, at in self._again_at.items() if at <= now]
        for name in due:
            del self._again_at[name]
            self.start(name)

    def sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.look_after()
            time.sleep(min(0.05, left))

    def strike_dead(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError, KeyError):
            self.signal(name, signal.SIGKILL)

    def hold(self, name: str) -> None:
        if self.is_alive(name):
            self.held.add(name)
            self.signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        self.held.discard(name)
        if self.is_alive(name):
            self.signal(name, signal.SIGCONT)

    @property
    def server_answers(self) -> bool:
        return self.server.pid is not None and not self.server_is_frozen

    def freeze_server(self) -> None:
        self.server_is_frozen = True
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw_server(self) -> None:
        self.server_is_frozen = False
        if self.server.pid is not None:
            os.kill(self.server.pid, signal.SIGCONT)

    def messages(self) -> dict[str, Any]:
        """What Celery has in Redis: the queues, and what workers took and did not acknowledge."""
        queues = {str(name): self.redis.lrange(name, 0, -1) for name in QueueName}
        return {**queues, "unacked": self.redis.hgetall("unacked"), "index": self.redis.zrange("unacked_index", 0, -1)}

    def door_messages(self) -> int:
        """How many intents that came as Celery tasks are on their way to us. One that kombu took and lost track of never comes."""
        told = self.messages()
        taken = [message for tag, message in told["unacked"].items() if tag in told["index"]]
        return sum(TASK_UPDATE_WORK_ITEMS in message for message in told["feishu.intents"] + taken)

    def clear_logs(self) -> None:
        for log in self.directory.glob("*.log"):
            os.truncate(log, 0)  # the workers append

    def tidy(self) -> None:
        self.heal()
        self.lane.resume()
        wait_until(self.is_over, 60, lambda: f"nothing is left to do; {self.lane.counts()}")
        self.sandbox.reset()

    def is_over(self) -> bool:
        self.look_after()
        return self.is_idle() and not self.door_messages() and not self.redis.hlen(self.inbox.keys.parked)

    def start_over(self) -> None:
        self.heal()
        super().start_over()

    def heal(self) -> None:
        """Everything there and working, each worker once."""
        for name in list(self.held):
            self.go_on(name)
        self.thaw_server()
        if self.server.pid is None:
            self.server.start()
        self.proxy.refuse(False)
        self.http_proxy.refuse(False)
        self.sandbox.clear_faults()
        for name in [name for name in self._processes if name not in WORKERS]:
            self.kill(name)
        self.look_after()
