"""The whole product in real processes: a server with an append-only file, the sandbox, three workers and a beat."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from celery import Celery
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.celery_options import celery_options
from config.routing import control_exchange
from config.settings import Settings
from feishu_batch import FeishuBatch
from feishu_batch.handle import Handle
from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.keys import DEFAULT_PREFIX
from feishu_batch.results import Result
from sandbox.process import SandboxProcess
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, PAUSE, fair_now, wait_until
from tests.support.zygote import Forked, zygote
from worker.catalogue.models import RefusedError, UnavailableError
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.operating.session import session_of
from worker.processes.child import Child, spawn
from worker.processes.roles import worker_children
from worker.reading.field_lookup import FieldLookup, open_field_lookup

SLOT = 0.15  # seconds; the sandbox's window is the same: a shorter one would hide requests that come too early
FAST = {
    "slot_seconds": SLOT,
    "sweep_seconds": 0.3,
    "heartbeat_seconds": 0.3,
    "lease_seconds": 1.0,
    "grace_seconds": 1.2,
    "read_back_seconds": 1.0,
    "not_exist_seconds": 1.0,
    "http_timeout_seconds": 1.0,
    "backoff_seconds": 0.05,
    "backoff_max_seconds": 0.5,
    "callback_queue": "backend",
    "unchecked_texts": "send",  # a lease as short as this lets intake wait for a look-up for a moment only
}
WORKERS = ("submit", "poll", "intake", "beat")
LISTENING = len(WORKERS) - 1  # beat answers no broadcast
READY = 30  # seconds without a sign of work
LONGEST_START = 100  # seconds
LOG_TAIL = 2500  # characters


def cpu_seconds(pid: int) -> float:
    """0 where there is no /proc, and of a process that is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _watched_by(people: list[str], project_key: str) -> UpdateIntent:
    return UpdateIntent(
        project_key=project_key,
        work_item_type_key="story",
        work_item_ids=(1,),
        field_key="watchers",
        update_mode=UpdateMode.UPDATE,
        after_field_value=people,
    )


class Stack:
    """Settings beyond `FAST` and options of the sandbox are given by name; both may be changed before a restart."""

    is_forked = sys.platform == "linux"  # see zygote

    def __init__(
        self, directory: Path, *, sandbox: dict[str, Any] | None = None, base_url: str | None = None, **settings: Any
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.server = Server(directory)
        self.sandbox = SandboxProcess(**{"window": SLOT, "job_median": SLOT / 2, "seed": 1, **(sandbox or {})})
        self._base_url = base_url
        self._settings = settings
        self._processes: dict[str, subprocess.Popen[bytes] | Forked] = {}
        self._exit = contextlib.ExitStack()
        self._knows_names = False
        self.is_open = False

    # --- life -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.server.start()
        self._exit.callback(self._stop)
        try:
            self.sandbox.start()
            self.settings = self._new_settings()
            self.redis = self._exit.enter_context(self._connect())
            self.inbox = Inbox(self.redis, self.settings.key_prefix)
            self.lane = Lane(self.redis, self.settings.key_prefix, self.settings.lane)
            self.client = self._exit.enter_context(self.new_client())
            self.start()
            self._wait_until_ready()
        except BaseException:
            self._exit.close()
            raise
        self.is_open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._exit.close()

    def _stop(self) -> None:
        self.is_open = False
        for process in self._processes.values():
            process.kill()  # the ledger bears it, and it takes no time
        for process in self._processes.values():
            process.wait()
        self.sandbox.stop()
        self.server.kill()

    def _new_settings(self) -> Settings:
        given = {
            "base_url": self._base_url or self.sandbox.base_url,
            "redis_url": self.server.url,
            "plugin_id": "plugin",
            "plugin_secret": "secret",
            "user_key": "7300000000000000001",
            "data_dir": self.directory,
            "key_prefix": DEFAULT_PREFIX,
        }
        return Settings(**{**given, **FAST, **self._settings})

    def environment(self) -> dict[str, str]:
        """For a command that uses the same Redis and the same sandbox."""
        settings = self.settings
        return {
            "FEISHU_BATCH_BASE_URL": settings.base_url,
            "FEISHU_BATCH_PLUGIN_ID": settings.plugin_id,
            "FEISHU_BATCH_PLUGIN_SECRET": settings.plugin_secret.get_secret_value(),
            "FEISHU_BATCH_USER_KEY": settings.user_key,
            "FEISHU_BATCH_REDIS_URL": settings.effective_redis_url,
            "FEISHU_BATCH_KEY_PREFIX": settings.key_prefix,
        }

    def _connect(self) -> Redis:
        patience = Retry(ExponentialBackoff(cap=0.2, base=0.02), 10)
        return Redis.from_url(self.server.url, decode_responses=True, retry=patience)

    def _wait_until_ready(self) -> None:
        """Workers that make progress with their start get more time; one that has ended fails at once."""
        began = since = fair_now()
        signs = self._signs_of_work()
        while why := self._why_not_ready():
            ended = [f"{name} has ended" for name, process in self._processes.items() if process.poll() is not None]
            if ended or fair_now() - since > READY or fair_now() - began > LONGEST_START:
                ends = "\n".join(f"--- end of {name}\n{text}" for name, text in self.logs())
                raise TimeoutError(f"the workers do not get ready: {', '.join([why, *ended])}\n{ends}")
            now = self._signs_of_work()
            if any(one >= before + 1 for before, one in zip(signs, now, strict=True)):
                signs, since = now, fair_now()
            time.sleep(PAUSE)

    def _why_not_ready(self) -> str:
        """Workers that have connected to the broker listen to broadcasts; beat does not."""
        nodes = self.redis.smembers(f"_kombu.binding.{control_exchange(self.settings)}.pidbox")
        return "" if len(nodes) >= LISTENING else f"{len(nodes)} of {LISTENING} listen to broadcasts: {sorted(nodes)}"

    def _signs_of_work(self) -> list[float]:
        """Each grows by 1 or more when something goes on: bytes in the logs, seconds of CPU. An idle worker takes minutes for a second."""
        logs = [float(sum(log.stat().st_size for log in self.directory.glob("*.log")))]
        return logs + [cpu_seconds(process.pid) for process in self._processes.values()]

    # --- processes ------------------------------------------------------------------------------------------------

    def change(self, **settings: Any) -> None:
        """For the workers that are started from now on."""
        self.settings = Settings(**{**self.settings.model_dump(exclude_unset=True), **settings})

    def start(self, *names: str) -> None:
        children = {child.name: child for child in worker_children(self.settings, sys.executable)}
        for name in names or WORKERS:
            self._spawn(name, children[name])

    def start_twin(self, name: str) -> None:
        """A second process that does the same, by mistake."""
        [child] = [child for child in worker_children(self.settings, sys.executable) if child.name == name]
        twin = f"{name}-twin"
        argv = [part.replace(f"--hostname={name}.", f"--hostname={twin}.") for part in child.argv]
        self._spawn(twin, dataclasses.replace(child, argv=tuple(argv)))

    def signal(self, name: str, number: signal.Signals) -> None:
        os.killpg(self._processes[name].pid, number)

    def kill(self, *names: str) -> None:
        for name in names:
            self.signal(name, signal.SIGKILL)
        for name in names:
            self._processes.pop(name).wait()

    def end(self, name: str, timeout: float) -> int:
        """As an orchestrator does: SIGTERM, and the time to finish. The exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(timeout)

    def await_end(self, name: str) -> None:
        """By itself."""
        wait_until(lambda: self._processes[name].poll() is not None, PATIENCE, f"{name} ends by itself")

    def restart(self, *names: str) -> None:
        self.kill(*names)
        self.start(*names)

    def revive(self) -> None:
        """Whatever a test did to them: each worker once, no twin."""
        for name in [name for name in self._processes if name not in WORKERS]:
            self.kill(name)
        missing = [name for name in WORKERS if name not in self._processes or self._processes[name].poll() is not None]
        if missing:
            self.start(*missing)

    @contextlib.contextmanager
    def lent(self) -> Iterator[Self]:
        """To one test. What it leaves has to end; if it does not, the next test finds nothing of it."""
        settings = self.settings
        yield self
        if self.settings is not settings:
            self.settings = settings
            self.kill(*self._processes)  # `tidy` starts them with these settings
        try:
            self.tidy()
        except BaseException:
            self.start_over()
            raise

    def tidy(self) -> None:
        """Idle, with a fresh world."""
        self.sandbox.clear_faults()
        self.revive()
        self.lane.resume()
        self.wait_until_idle()
        self.sandbox.reset()

    def learn_names(self) -> None:
        """Look up what the workers would look up: with leases as short as these, they refuse a name whose look-up takes longer than 0.25 s."""
        self._knows_names = True
        about, lookup = self.sandbox.about(), open_field_lookup(session_of(self.settings))
        people = [user["email"] for user in about["users"] if user.get("email")]
        wait_until(lambda: self._looked_up(about, lookup, people), READY, "every name is looked up")

    def _looked_up(self, about: dict[str, Any], lookup: FieldLookup, people: list[str]) -> bool:
        """False: a busy machine did not answer in time; what it did answer is kept."""
        try:
            for project in about["projects"]:
                catalogue = lookup.lane_of(project["project_key"])
                catalogue.project_key(project["simple_name"])
                for type_key in project["types"]:
                    catalogue.fields(project["project_key"], type_key)
                with contextlib.suppress(RefusedError):
                    catalogue.checked(_watched_by(people, project["project_key"]))
        except UnavailableError:
            return False
        return True

    def start_over(self) -> None:
        """The same places, and nothing of what was there."""
        self.kill(*self._processes)
        self._renew_server()
        self.redis.flushall()
        self.sandbox.clear_faults()
        self.sandbox.reset()
        self.start()
        self._wait_until_ready()
        if self._knows_names:
            self.learn_names()

    def _renew_server(self) -> None:
        self.server.kill()
        self.server.start()

    def supervise(self, seconds: float) -> None:
        """As the supervisor of `up` does. kombu ends a worker whose connection breaks while it holds messages."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.revive()
            time.sleep(0.1)

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def logs(self) -> Iterator[tuple[str, str]]:
        for log in sorted(self.directory.glob("*.log")):
            yield log.name, log.read_text(errors="replace")[-LOG_TAIL:]

    def log_of(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def _spawn(self, name: str, child: Child) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = zygote().spawn(child, log) if self.is_forked else spawn(child, log)

    # --- producers ------------------------------------------------------------------------------------------------

    def new_client(self) -> FeishuBatch:
        return FeishuBatch(self.server.url, key_prefix=self.settings.key_prefix, timeout=5)

    def celery_app(self, name: str = "another-backend") -> Celery:
        """What a backend app has that knows nothing of us but the name of the task."""
        app = Celery(name, broker=self.server.url, backend=self.server.url, set_as_current=False)
        app.conf.task_default_queue = name
        app.conf.broker_connection_retry_on_startup = True
        return app

    def own_app(self) -> Celery:
        """Our workers' app, for a pipeline object in this process."""
        app = Celery("feishu_batch", set_as_current=False)
        app.conf.update(celery_options(self.settings))
        return app

    # --- what became of it ----------------------------------------------------------------------------------------

    def wait_all(self, handles: Iterable[Handle], timeout: float = PATIENCE) -> list[Result]:
        deadline = time.monotonic() + timeout
        return [handle.wait(max(0.1, deadline - time.monotonic())) for handle in handles]

    def is_idle(self) -> bool:
        counts = self.lane.counts()
        busy = counts.ready_groups or counts.owned_cells or counts.open_jobs or counts.due_batches or counts.checks
        return not (busy or counts.sending or counts.unpublished or self.inbox.length())

    def wait_until_idle(self, timeout: float = 20) -> None:
        wait_until(self.is_idle, timeout, lambda: f"nothing is left to do; {self.lane.counts()}")

    def batches(self) -> list[dict[str, Any]]:
        """The requests that the sandbox accepted, in their order."""
        told: list[dict[str, Any]] = self.sandbox.report(with_items=True)["batches"]
        return sorted(told, key=lambda batch: batch["order"])

    def assert_rules_kept(self) -> None:
        found = self.sandbox.violations()
        assert found["total"] == 0, found

    def forget_queues(self) -> None:
        """All messages vanish: those that wait and those that a worker has fetched."""
        self.redis.delete(*self.redis.keys("feishu.*"), "unacked", "unacked_index", "unacked_mutex")
