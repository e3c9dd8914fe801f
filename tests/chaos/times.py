"""How long each fault keeps the work from going on, with default settings: `feishu-batch up`, a real server, the sandbox.

python -m tests.chaos.times [--rounds 3]

Prints a table in Markdown. Every figure is the time from the fault (or from its end, where that is said) to the next
request at the sandbox, or to what is said otherwise. Without a fault it is one second.
"""

import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from feishu_batch import FeishuBatch
from feishu_batch.keys import DEFAULT_LANE, DEFAULT_PREFIX
from sandbox.process import SandboxProcess
from tests.support.model import NUMBER, intent
from tests.support.proxy import Proxy
from tests.support.servers import Server
from tests.support.waiting import wait_until
from worker.pipeline.follow import HOLD
from worker.processes.supervisor import HEALTHY_AFTER

STEADY = 3.0  # seconds without a gap before the next fault
BACKLOG = 350  # intents that no request can share: as many seconds of work
UP = "from worker.cli.main import main; main()"
EVENT = re.compile(r"^(\w+) \[(\d+)\] (started|died.*)$")
SUBMIT, POLL = "batch_update", "task_result"
# What a worker cannot be made to do from outside: to live, answer, hold its connections, and start nothing.
STALL = """
import signal, time
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(3600))
"""


class Machine:
    """All of it, as an operator starts it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.server = Server(directory)
        self.proxy = Proxy(self.server.port)
        self.sandbox = SandboxProcess(job_median=0.5, job_sigma=0.2)
        self._exit = contextlib.ExitStack()
        self._value = 0

    def __enter__(self) -> Self:
        self.server.start()
        self._exit.callback(self.server.kill)
        self._exit.enter_context(self.proxy)
        self._exit.enter_context(self.sandbox)
        url = f"redis://127.0.0.1:{self.proxy.port}/0"
        self.client = self._exit.enter_context(FeishuBatch(self.server.url, timeout=5))
        environment = {
            "FEISHU_BATCH_REDIS_URL": url,
            "FEISHU_BATCH_BASE_URL": self.sandbox.base_url,
            "FEISHU_BATCH_PLUGIN_ID": "plugin",
            "FEISHU_BATCH_PLUGIN_SECRET": "secret",
            "FEISHU_BATCH_USER_KEY": "7300000000000000001",
            "FEISHU_BATCH_DATA_DIR": str(self._directory / "data"),
            "PYTHONPATH": os.pathsep.join([str(self._directory / "stall"), *sys.path]),
            "PYTHONUNBUFFERED": "1",
        }
        (self._directory / "stall").mkdir()
        (self._directory / "stall" / "sitecustomize.py").write_text(STALL)
        self._said = self._directory / "up.log"
        with self._said.open("wb") as out:
            self._up = subprocess.Popen(
                [sys.executable, "-c", UP, "up"], env={**os.environ, **environment}, stdout=out, stderr=out
            )
        self._exit.callback(self._end)
        wait_until(lambda: "Ready." in self._said.read_text(errors="replace"), 60, "up is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _end(self) -> None:
        self._up.send_signal(signal.SIGTERM)
        try:
            self._up.wait(40)
        except subprocess.TimeoutExpired:
            self._up.kill()

    # --- what it does -------------------------------------------------------------------------------------------------

    def events(self) -> list[tuple[str, int, str]]:
        found = [EVENT.match(line) for line in self._said.read_text(errors="replace").splitlines()]
        return [(one[1], int(one[2]), one[3]) for one in found if one]

    def deaths(self) -> list[str]:
        return [f"{child} [{pid}] {what}" for child, pid, what in self.events() if what.startswith("died")]

    def pid(self, name: str) -> int:
        return [pid for child, pid, what in self.events() if child == name and what == "started"][-1]

    def arrivals(self, endpoint: str) -> list[float]:
        endpoints = self.sandbox.report()["endpoints"]
        return [at for one in endpoints if one["endpoint"] == endpoint for at in one["accepted"]]

    def next_after(self, endpoint: str, moment: float, within: float = 60) -> float:
        """Seconds from the moment to the first arrival after it. Its clock is the machine's, as the sandbox's is."""

        def look() -> list[float]:
            return [at for at in self.arrivals(endpoint) if at > moment]

        return min(wait_until(look, within, f"a request to {endpoint}")) - moment

    def hang(self, fault: str) -> None:
        """Returns as soon as a request hangs."""
        before = self.sandbox.report()["faults"].get(fault, 0)
        self.sandbox.set_faults(f"{fault}=1x,seconds=9")
        wait_until(lambda: self.sandbox.report()["faults"].get(fault, 0) > before, 20, f"{fault} has struck")

    def work(self, count: int) -> list[Any]:
        self._value += count
        values = range(self._value - count, self._value)
        return self.client.enqueue_many([intent([1101 + value % 1300], value, NUMBER) for value in values])

    def settle_down(self) -> None:
        """Until requests of both kinds come steadily and every process has been well for long enough."""
        if len(self.arrivals(SUBMIT)) + 60 > self._value:
            self.work(BACKLOG)

        def is_steady() -> bool:
            now = time.monotonic()
            gaps = [now - STEADY, *[at for at in self.arrivals(SUBMIT) if at > now - STEADY], now]
            return all(later - earlier < 1.6 for earlier, later in pairwise(gaps))

        wait_until(is_steady, 90, "requests come steadily")


def _kill(machine: Machine, name: str) -> float:
    os.kill(machine.pid(name), signal.SIGKILL)
    return time.monotonic()


def submit_killed(machine: Machine) -> float:
    return machine.next_after(SUBMIT, _kill(machine, "submit"))


def submit_killed_while_sending(machine: Machine) -> float:
    """The request has arrived, the answer never comes."""
    machine.hang("batch_update:hang_after")
    moment = _kill(machine, "submit")
    machine.sandbox.clear_faults()
    return machine.next_after(SUBMIT, moment)


def poll_killed(machine: Machine) -> float:
    return machine.next_after(POLL, _kill(machine, "poll"))


def poll_killed_while_asking(machine: Machine) -> float:
    """How long until the very job that it was asking for is settled."""
    redis, lane = machine.client._linked().inbox._redis, f"{DEFAULT_PREFIX}:{{{DEFAULT_LANE}}}:"

    machine.hang("task_result:hang_before")
    held_until = 1000 * (time.time() + HOLD)
    batch = min(redis.zrange(f"{lane}jobs", 0, -1, withscores=True), key=lambda entry: abs(entry[1] - held_until))[0]
    moment = _kill(machine, "poll")
    machine.sandbox.clear_faults()
    wait_until(lambda: not redis.exists(f"{lane}batch:{batch}"), 60, "it is settled")
    return time.monotonic() - moment


def intake_killed(machine: Machine) -> float:
    moment = _kill(machine, "intake")
    [handle] = machine.client.enqueue_many([intent([1100], moment, NUMBER)])
    wait_until(lambda: handle.view().lane, 60, "it is taken in")
    return time.monotonic() - moment


def started_again(name: str) -> Callable[[Machine], float]:
    def take(machine: Machine) -> float:
        old = machine.pid(name)
        moment = _kill(machine, name)
        wait_until(lambda: machine.pid(name) != old, 30, f"{name} is started again")
        if not any(f"{name} [{old}] died" in death for death in machine.deaths()):
            raise AssertionError(f"`up` did not say that {name} died")
        return time.monotonic() - moment

    return take


def stalled(name: str) -> Callable[[Machine], float]:
    """Its main thread stands still, its other threads and connections live: nothing but its watchdog can end it."""

    def take(machine: Machine) -> float:
        old = machine.pid(name)
        os.kill(old, signal.SIGUSR2)
        moment = time.monotonic()
        machine.work(1)
        wait_until(lambda: machine.pid(name) != old, 90, f"{name} ended itself and is started again")
        return time.monotonic() - moment

    return take


def redis_restarted(machine: Machine) -> float:
    machine.server.kill()
    time.sleep(1)
    machine.server.start()
    return machine.next_after(SUBMIT, time.monotonic())


def redis_restarted_poll(machine: Machine) -> float:
    machine.server.kill()
    time.sleep(1)
    machine.server.start()
    return machine.next_after(POLL, time.monotonic())


def redis_restarted_intake(machine: Machine) -> float:
    machine.server.kill()
    time.sleep(1)
    machine.server.start()
    moment = time.monotonic()
    [handle] = machine.client.enqueue_many([intent([1100], moment, NUMBER)])
    wait_until(lambda: handle.view().lane, 60, "it is taken in")
    return time.monotonic() - moment


def redis_frozen(machine: Machine) -> float:
    os.kill(machine.server.pid, signal.SIGSTOP)
    time.sleep(6)
    os.kill(machine.server.pid, signal.SIGCONT)
    return machine.next_after(SUBMIT, time.monotonic())


def half_open(machine: Machine) -> float:
    machine.proxy.kill_quietly()
    moment = time.monotonic()
    return max(machine.next_after(SUBMIT, moment + 0.05), machine.next_after(POLL, moment + 0.05))


def half_open_intake(machine: Machine) -> float:
    machine.proxy.kill_quietly()
    moment = time.monotonic()
    [handle] = machine.client.enqueue_many([intent([1100], moment, NUMBER)])
    wait_until(lambda: handle.view().lane, 60, "it is taken in")
    return time.monotonic() - moment


def cut(machine: Machine) -> float:
    machine.proxy.cut()
    moment = time.monotonic()
    return max(machine.next_after(SUBMIT, moment + 0.05), machine.next_after(POLL, moment + 0.05))


def messages_deleted(machine: Machine) -> float:
    client = machine.client._linked().inbox._redis
    client.delete(*client.keys("feishu.*"), "unacked", "unacked_index", "unacked_mutex")
    moment = time.monotonic()
    return max(machine.next_after(SUBMIT, moment + 0.05), machine.next_after(POLL, moment + 0.05))


MEASURED: dict[str, tuple[Callable[[Machine], float], float]] = {
    "submit worker killed between requests → next submit": (submit_killed, 10),
    "submit worker killed while a request is under way → next submit": (submit_killed_while_sending, 10),
    "poll worker killed → next poll": (poll_killed, 10),
    "poll worker killed while it asks → the job that it asked for is settled": (poll_killed_while_asking, 10),
    "intake worker killed → an intent enqueued then is taken in": (intake_killed, 10),
    "submit worker killed → `up` says so and starts it again": (started_again("submit"), 10),
    "poll worker killed → `up` says so and starts it again": (started_again("poll"), 10),
    "intake worker killed → `up` says so and starts it again": (started_again("intake"), 10),
    "beat killed → `up` says so and starts it again": (started_again("beat"), 10),
    "submit worker starts nothing any more → ends itself, started again": (stalled("submit"), 60),
    "poll worker starts nothing any more → ends itself, started again": (stalled("poll"), 60),
    "intake worker starts nothing any more → ends itself, started again": (stalled("intake"), 60),
    "all messages deleted → next submit and next poll": (messages_deleted, 10),
    "all connections to Redis cut → next submit and next poll": (cut, 10),
    "all connections to Redis half-open → next submit and next poll": (half_open, 20),
    "all connections to Redis half-open → an intent enqueued then is taken in": (half_open_intake, 20),
    "Redis killed, back after 1 s → next submit, from its return": (redis_restarted, 10),
    "Redis killed, back after 1 s → next poll, from its return": (redis_restarted_poll, 10),
    "Redis killed, back after 1 s → an intent enqueued then is taken in": (redis_restarted_intake, 10),
    "Redis frozen for 6 s → next submit, from its return": (redis_frozen, 10),
}


def measure(rounds: int, wanted: str) -> int:
    chosen = {name: one for name, one in MEASURED.items() if wanted in name}
    found: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory(prefix="times-") as directory, Machine(Path(directory)) as machine:
        machine.work(BACKLOG)
        for _ in range(rounds):
            for name, (take, _) in chosen.items():
                machine.settle_down()
                deaths = len(machine.deaths())
                found[name].append(take(machine))
                print(f"{found[name][-1]:6.2f} s  {name}", file=sys.stderr, flush=True)
                if "Redis" in name and len(machine.deaths()) > deaths:
                    time.sleep(HEALTHY_AFTER)  # the back-off of workers that it ended must not count for the next fault
        time.sleep(1)
        died = machine.deaths()
    print("| what happens → what is waited for | median | range | bound |\n|---|---|---|---|")
    late = 0
    for name, (_, bound) in chosen.items():
        times = sorted(found[name])
        late += times[-1] > bound
        print(f"| {name} | {statistics.median(times):.1f} s | {times[0]:.1f} to {times[-1]:.1f} s | {bound:g} s |")
    print(f"\n{rounds} rounds. `up` said of {len(died)} deaths, for example: {died[0] if died else ''}")
    return 1 if late else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a name")
    asked = parser.parse_args()
    return measure(asked.rounds, asked.only)


if __name__ == "__main__":
    sys.exit(main())
