"""Children are kept alive, ended in order, and never left behind. Real processes, all of them short."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import PATIENCE, fair_now, wait_until
from worker.processes.child import Child
from worker.processes.child_logs import cap_size
from worker.processes.supervisor import HEALTHY_AFTER, LONGEST_DELAY, Event, EventKind, Supervisor, next_delay

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def child(name, code=SLEEP, **more):
    return Child(name, (sys.executable, "-c", code), **more)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition):
    wait_until(condition, 10, "waited in vain")


class Watched:
    """A supervisor under observation: `plan` runs in a thread beside it and ends it."""

    def __init__(self, *children, **options):
        self.events = []
        self.supervisor = Supervisor(children, on_event=self.events.append, **options)

    def run(self, plan):
        failures = []

        def carry_out():
            try:
                plan(self)
            except BaseException as error:  # noqa: BLE001 - carried over to the test's own thread, and raised there
                failures.append(error)
            finally:
                self.supervisor.request_stop()

        beside = threading.Thread(target=carry_out)
        beside.start()
        code = self.supervisor.run()
        beside.join()
        assert not failures, failures
        return code

    def of(self, kind, name=None):
        return [event for event in self.events if event.kind is kind and name in (None, event.child)]

    def started(self, name, times=1):
        wait_for(lambda: len(self.of(EventKind.STARTED, name)) >= times)
        return self.of(EventKind.STARTED, name)[-1].pid


def test_the_delay_doubles_up_to_its_end():
    delays = [next_delay(None, 0)]
    while delays[-1] < LONGEST_DELAY:
        delays.append(next_delay(delays[-1], 1))
    assert delays == [0.5, 1, 2, 4, 8, 10]
    assert next_delay(10, 1) == 10


def test_a_child_that_was_well_for_a_while_starts_afresh():
    assert next_delay(10, HEALTHY_AFTER) == 0.5


@given(st.none() | st.floats(0.5, 10), st.floats(0, 1e6))
def test_the_delay_is_always_bounded(previous, ran_for):
    assert 0.5 <= next_delay(previous, ran_for) <= LONGEST_DELAY


def test_events_are_one_line_each():
    died = Event(EventKind.DIED, "poll", 12, exit_code=-9, delay=0.5)
    assert died.sentence == "poll [12] died (SIGKILL); starting it again in 0.5 s"
    assert Event(EventKind.STARTED, "poll", 12).sentence == "poll [12] started"


def test_a_killed_child_comes_back():
    watched = Watched(child("a"), child("b"))

    def plan(w):
        first, other = w.started("a"), w.started("b")
        os.kill(first, signal.SIGKILL)
        assert w.started("a", times=2) != first
        assert is_alive(other)

    assert watched.run(plan) == 0
    assert [(e.child, e.exit_code, e.delay) for e in watched.of(EventKind.DIED)] == [("a", -9, 0.5)]


def test_a_child_that_ends_by_itself_comes_back_later_each_time():
    watched = Watched(child("a", "pass"))
    watched.run(lambda w: w.started("a", times=3))
    assert [event.delay for event in watched.of(EventKind.DIED)][:2] == [0.5, 1.0]


def test_a_program_that_does_not_exist_is_tried_again_and_says_why(tmp_path):
    watched = Watched(Child("a", ("/does/not/exist",)), log_dir=tmp_path)
    assert watched.run(lambda w: wait_for(lambda: w.of(EventKind.DIED, "a"))) == 0
    assert "/does/not/exist cannot be started" in (tmp_path / "a.log").read_text()


def test_nothing_is_left_behind():
    watched = Watched(child("a"), child("b"))
    watched.run(lambda w: (w.started("a"), w.started("b")))
    assert not any(is_alive(event.pid) for event in watched.of(EventKind.STARTED))
    assert {event.child for event in watched.of(EventKind.STOPPED)} == {"a", "b"}


def test_stages_end_one_after_the_other():
    slow = "import signal, sys, time\ndef end(*_): time.sleep(0.5); sys.exit(0)\nsignal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(60)"
    watched = Watched(child("server", stop_stage=1), child("worker", slow))
    watched.run(lambda w: (w.started("server"), w.started("worker"), time.sleep(0.3)))
    order = [(event.kind, event.child) for event in watched.events[2:]]
    assert order == [
        (EventKind.STOPPING, "worker"),
        (EventKind.STOPPED, "worker"),
        (EventKind.STOPPING, "server"),
        (EventKind.STOPPED, "server"),
    ]


def test_who_does_not_end_in_time_is_killed(tmp_path):
    watched = Watched(child("deaf", STUBBORN), child("server", stop_stage=1), stop_seconds=1.5, log_dir=tmp_path)
    started = fair_now()
    assert (
        watched.run(
            lambda w: wait_for(lambda: "ready" in (tmp_path / "deaf.log").read_text() if w.started("deaf") else False)
        )
        == 1
    )
    assert fair_now() - started < 4
    assert [event.child for event in watched.of(EventKind.KILLED)] == ["deaf"]
    assert [event.child for event in watched.of(EventKind.STOPPED)] == ["server"]


def test_asking_twice_hurries(tmp_path):
    watched = Watched(child("deaf", STUBBORN), log_dir=tmp_path)

    def plan(w):
        w.started("deaf")
        wait_for(lambda: "ready" in (tmp_path / "deaf.log").read_text())
        w.supervisor.request_stop()  # the second request follows when the plan is over

    started = fair_now()
    assert watched.run(plan) == 1
    assert fair_now() - started < 5


def test_a_child_that_waits_for_its_restart_does_not_delay_the_end():
    watched = Watched(child("a", "pass"))
    started = fair_now()
    assert watched.run(lambda w: wait_for(lambda: w.of(EventKind.DIED, "a"))) == 0
    assert fair_now() - started < 5


def test_grandchildren_go_with_their_parent(tmp_path):
    code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(p.pid, flush=True); p.wait()"
    watched = Watched(child("a", code), log_dir=tmp_path)

    def plan(w):
        w.started("a")
        wait_for(lambda: (tmp_path / "a.log").read_text().endswith("\n"))
        plan.grandchild = int((tmp_path / "a.log").read_text())

    watched.run(plan)
    wait_for(lambda: not is_alive(plan.grandchild))


def test_a_child_gets_its_environment_and_directory(tmp_path):
    code = "import os; print(os.environ['ONE'], os.getcwd(), flush=True); import time; time.sleep(60)"
    watched = Watched(child("a", code, env={"ONE": "1"}, cwd=tmp_path), log_dir=tmp_path / "logs")
    log = tmp_path / "logs" / "a.log"
    watched.run(lambda w: (w.started("a"), wait_for(lambda: log.read_text() == f"1 {tmp_path}\n")))


def test_a_child_does_not_show_its_environment():
    assert "s3cr3t" not in repr(child("a", env={"PASSWORD": "s3cr3t"}))


def test_logs_do_not_grow_without_end(tmp_path):
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 2000)
        cap_size(tmp_path, largest=1000)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert len((tmp_path / "a.log.1").read_bytes()) == 2000


SUPERVISED = """
import sys
from worker.processes.child import Child
from worker.processes.supervisor import Supervisor
children = [Child(name, (sys.executable, "-c", {code!r})) for name in ("a", "b")]
sys.exit(Supervisor(children, on_event=lambda event: print(event.kind, event.child, event.pid, flush=True)).run())
"""


@contextmanager
def supervising(code=SLEEP):
    """A supervisor in its own process, and the pids of its two children."""
    script = textwrap.dedent(SUPERVISED.format(code=code))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            yield process, [int(process.stdout.readline().split()[2]) for _ in range(2)]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_peace(number):
    with supervising() as (process, pids):
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert not any(map(is_alive, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_even_a_killed_supervisor_leaves_no_person():
    with supervising() as (process, pids):
        assert all(map(is_alive, pids))
        process.kill()
        wait_for(lambda: not any(map(is_alive, pids)))


def test_ctrl_c_reaches_the_supervisor_only():
    # The terminal sends SIGINT to the whole foreground group: the children must not be in it.
    with supervising("import signal, time; signal.signal(signal.SIGINT, lambda *_: print('hit')); time.sleep(60)") as (
        process,
        pids,
    ):
        assert process.pid not in [os.getpgid(pid) for pid in pids]
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert "hit" not in process.stdout.read()
