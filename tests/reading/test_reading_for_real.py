"""The reading commands as processes, and what their reads give way to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox.process import SandboxProcess
from tests.support.waiting import wait_until
from worker.ledger.lane import Lane
from worker.operating.session import session_of
from worker.reading.field_lookup import open_field_lookup
from worker.reading.wanted_cells import ReadPlace

PROJECT = "5f0c1a2b3c4d5e6f70818283"
PLACE = ("--space", "demo", "--type", "story")
REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "worker.cli.main"]


@pytest.fixture
def start(env_of, tmp_path):
    started = []

    def begin(*args, stdin=None, **settings):
        own = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
        env = {**own, **env_of(**settings), "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            env=env,
            cwd=tmp_path,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_diff_as_a_process(start, tmp_path):
    (tmp_path / "plan.csv").write_text("ID,Priority\n1001,P0\n1002,P2\n")
    process = start("plan", "plan.csv", *PLACE, "--diff", "--report", "out.jsonl", "--json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert (json.loads(out)["diff"]["changed"], json.loads(out)["diff"]["unchanged"]) == (1, 1)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_an_interrupted_diff_leaves_no_report_and_ends_soon(start, tmp_path):
    rows = "".join(f"{item},P{item % 3}\n" for item in range(1001, 2501))
    (tmp_path / "plan.csv").write_text("ID,Priority\n" + rows)
    with SandboxProcess(latency=(0.2, 0.2)) as sandbox:
        process = start(
            "plan",
            "plan.csv",
            *PLACE,
            "--diff",
            "--report",
            "out.csv",
            base_url=sandbox.base_url,
            read_slots_per_second=5,
        )
        wait_until(lambda: sandbox.report()["answers"].get("work_item_query:0"), 30, "a read was answered")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "feishu-batch: Stopped while reading. Nothing was written, and no report either."
    assert time.monotonic() - began < 10
    assert [path.name for path in tmp_path.iterdir()] == ["plan.csv"]


# --- read-backs ------------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(settings_of):
    return open_field_lookup(session_of(settings_of())).reads["default"]


@pytest.fixture
def due(redis, prefix):
    """A read-back that is due."""
    lane = Lane(redis, prefix, "default")
    redis.zadd(lane.keys.checks, {"1": 0})
    return lambda: redis.delete(lane.keys.checks)


def read(reads):
    began = time.monotonic()
    [found] = reads.read(ReadPlace("default", PROJECT, "story"), [1001], ["priority"])
    assert found.fields["priority"]["value"] == "option_2"
    return time.monotonic() - began


def test_a_read_waits_for_a_read_back_that_is_due(reads, due):
    timer = threading.Timer(0.3, due)
    timer.start()
    assert 0.3 <= read(reads) < 1.0
    timer.join()


def test_a_read_back_that_no_worker_does_delays_only_one_read(reads, due):
    assert read(reads) >= 1.0
    assert read(reads) < 0.5
    assert read(reads) < 0.5


def test_after_a_backlog_of_read_backs_reads_still_wait_for_the_next_one(reads, redis, prefix):
    checks = Lane(redis, prefix, "default").keys.checks
    redis.zadd(checks, {str(number): number for number in range(60)})
    done = threading.Event()

    def work():
        while not done.wait(0.05):
            redis.zpopmin(checks)

    worker = threading.Thread(target=work)
    worker.start()
    assert 1.0 <= read(reads) < 2.0  # the backlog lasts for 3 s, and a read waits for one of them
    assert 1.0 <= read(reads) < 2.0
    done.set()
    worker.join()


def test_once_the_stopped_worker_is_back_reads_wait_again(reads, due, redis, prefix):
    assert read(reads) >= 1.0
    due()
    checks = Lane(redis, prefix, "default").keys.checks
    redis.zadd(checks, {"2": 0})
    timer = threading.Timer(0.3, due)
    timer.start()
    assert 0.3 <= read(reads) < 1.0
    timer.join()


# --- export ----------------------------------------------------------------------------------------------------------


def test_an_export_as_a_process_takes_ids_from_a_pipe(start, tmp_path):
    args = ("export", *PLACE, "--ids", "-", "--fields", "Priority", "--output", "out.csv")
    process = start(*args, stdin=subprocess.PIPE)
    out, err = process.communicate("1001\n1002\n", timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "items      2 of 2" in out
    assert (tmp_path / "out.csv").read_text(encoding="utf-8-sig") == "work_item_id,Priority\n1001,P2\n1002,P2\n"
