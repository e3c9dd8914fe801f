"""Runs the processes of `feishu-batch up`: starts them, restarts those that died, stops them in order, leaves none."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import IO, Final

from worker.processes.child import Child, signal_group, spawn
from worker.processes.child_logs import cap_size, open_log

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 10.0
HEALTHY_AFTER: Final = 30.0
STOP_SECONDS: Final = 30.0
# Reserved from the stop time for each later stage: the server, which the workers need until they end, needs time to stop, too.
STAGE_RESERVE: Final = 3.0
LOOK_EVERY: Final = 1.0


class EventKind(StrEnum):
    STARTED = "started"
    DIED = "died"  # unexpectedly
    STOPPING = "stopping"
    STOPPED = "stopped"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Event:
    kind: EventKind
    child: str
    pid: int
    exit_code: int | None = None  # negative: the signal that ended it
    delay: float | None = None  # seconds until the next start

    @property
    def sentence(self) -> str:
        how = "" if self.exit_code is None else f" ({_how_it_ended(self.exit_code)})"
        again = "" if self.delay is None else f"; starting it again in {self.delay:g} s"
        return f"{self.child} [{self.pid}] {self.kind}{how}{again}"


def next_delay(previous: float | None, ran_for: float) -> float:
    """Seconds to wait before a child that died is restarted; doubles until it has run for a while."""
    if previous is None or ran_for >= HEALTHY_AFTER:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)


class _Running:
    """The present state of one child."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.delay: float | None = None
        self.start_at: float | None = 0.0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    def __init__(
        self,
        children: Sequence[Child],
        *,
        log_dir: Path | None = None,
        on_event: Callable[[Event], None] = lambda _event: None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """Without `log_dir` the children inherit our output; with it, each writes into <log_dir>/<name>.log."""
        self._running = [_Running(child) for child in children]
        self._log_dir = log_dir
        self._on_event = on_event
        self._stop_seconds = stop_seconds
        self._stops_asked = 0
        self._final_code: int | None = None
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Until SIGINT, SIGTERM or `request_stop`. 0: all ended in time. 1: at least one had to be killed.

        Or the `final_code` by which a child ended all.
        """
        with self._signals():
            try:
                while not self._stops_asked:
                    self._look_after()
                    self._sleep(LOOK_EVERY)
                ended = self._stop()
                return ended if self._final_code is None else self._final_code
            finally:
                self._kill(self._running)

    def request_stop(self) -> None:
        """May be called from another thread or a signal handler; the second call kills the children at once."""
        self._stops_asked += 1
        self._wake()

    def _look_after(self) -> None:
        for running in self._running:
            if running.process is not None and not running.is_alive:
                self._note_death(running, running.process)
            if running.start_at is not None and time.monotonic() >= running.start_at:
                self._start(running)
        if self._log_dir is not None:
            cap_size(self._log_dir)

    def _start(self, running: _Running) -> None:
        with self._output(running.child) as output:
            running.process = spawn(running.child, output)
        running.started_at, running.start_at = time.monotonic(), None
        self._on_event(Event(EventKind.STARTED, running.child.name, running.process.pid))

    def _note_death(self, running: _Running, process: subprocess.Popen[bytes]) -> None:
        # Its own children must not run beside its successor.
        _kill_group(process.pid)
        if process.returncode == running.child.final_code:
            running.process, self._final_code = None, process.returncode
            self._on_event(Event(EventKind.DIED, running.child.name, process.pid, process.returncode))
            self.request_stop()
            return
        running.delay = next_delay(running.delay, time.monotonic() - running.started_at)
        running.start_at, running.process = time.monotonic() + running.delay, None
        self._on_event(Event(EventKind.DIED, running.child.name, process.pid, process.returncode, running.delay))

    def _stop(self) -> int:
        stages = sorted({running.child.stop_stage for running in self._running})
        deadline = time.monotonic() + self._stop_seconds
        killed = 0
        for stage, later in zip(stages, range(len(stages) - 1, -1, -1), strict=True):
            members = [running for running in self._running if running.child.stop_stage == stage]
            self._ask_to_end(members)
            self._await_end(members, deadline - min(STAGE_RESERVE, self._stop_seconds / 3) * later)
            killed += self._kill(members)
        return 1 if killed else 0

    def _ask_to_end(self, members: Sequence[_Running]) -> None:
        for running in members:
            if running.process is not None and running.is_alive:
                self._on_event(Event(EventKind.STOPPING, running.child.name, running.process.pid))
                signal_group(running.process, signal.SIGTERM)

    def _await_end(self, members: Sequence[_Running], deadline: float) -> None:
        while any([self._note_end(running) for running in members]) and self._stops_asked < 2:  # noqa: PLR2004, C419 - the second Ctrl-C; every child must be checked
            if (left := deadline - time.monotonic()) <= 0:
                return
            self._sleep(min(left, LOOK_EVERY))

    def _note_end(self, running: _Running) -> bool:
        """Whether the child is still running; reports its end once."""
        if running.process is None or running.is_alive:
            return running.process is not None
        _kill_group(running.process.pid)
        self._on_event(Event(EventKind.STOPPED, running.child.name, running.process.pid, running.process.returncode))
        running.process = None
        return False

    def _kill(self, members: Sequence[_Running]) -> int:
        left = [running for running in members if self._note_end(running)]
        for running in left:
            if running.process is not None:
                signal_group(running.process, signal.SIGKILL)
                running.process.wait()
                self._on_event(Event(EventKind.KILLED, running.child.name, running.process.pid))
                running.process = None
        return len(left)

    @contextlib.contextmanager
    def _output(self, child: Child) -> Iterator[IO[bytes] | None]:
        if self._log_dir is None:
            yield None
            return
        with open_log(self._log_dir, child.name) as stream:
            yield stream

    def _sleep(self, seconds: float) -> None:
        """Sleeps for at most `seconds`; a signal, the end of a child or `request_stop` ends it early."""
        due = [running.start_at - time.monotonic() for running in self._running if running.start_at is not None]
        wait = seconds if self._stops_asked else max(0.0, min([seconds, *due]))
        if select.select([self._wake_read], [], [], wait)[0]:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wake_read, 512):
                    pass

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe also wakes the sleeper
            os.write(self._wake_write, b".")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def asked(_number: int, _frame: FrameType | None) -> None:
            self.request_stop()

        def child_ended(_number: int, _frame: FrameType | None) -> None:
            self._wake()

        handlers = {signal.SIGINT: asked, signal.SIGTERM: asked, signal.SIGHUP: asked, signal.SIGCHLD: child_ended}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake_read)
            os.close(self._wake_write)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _how_it_ended(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
