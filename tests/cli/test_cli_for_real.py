"""`demo` and `up` as a user runs them: real processes, and none of them left behind. A whole `demo`: tests/packaging."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from sandbox.process import SandboxProcess
from tests.support.marked import MARK, descendants
from tests.support.rows_factory import csv_text, row
from tests.support.waiting import PATIENCE, fair_now

COMMAND = [sys.executable, "-m", "worker.cli.main"]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def environ(tmp_path):
    """Of a user without any setting; what the command leaves behind is found by the mark, or in tmp_path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    mark = str(uuid4())
    yield {**inherited, MARK: mark, "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    for pid in (left := descendants(mark)):
        os.kill(pid, signal.SIGKILL)
    assert not left


@contextmanager
def running(*args, env, cwd):
    process = subprocess.Popen(
        [*COMMAND, *args], env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*args, env, cwd, timeout=60):
    return subprocess.run(
        [*COMMAND, *args], env=env, cwd=cwd, text=True, capture_output=True, timeout=timeout, check=False
    )


def wait_for_line(process, text):
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"ended without saying {text!r}: {process.stderr.read()[-2000:]}")


def test_an_interrupted_demonstration_leaves_nothing(environ, tmp_path):
    with running("demo", env=environ, cwd=tmp_path) as process:
        wait_for_line(process, "accepted")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors == "feishu-batch: interrupted; the demo has removed its processes and files\n"
    assert not descendants(environ[MARK])
    assert list(tmp_path.iterdir()) == []


def test_up_does_the_work_of_a_file_and_leaves_no_process(environ, tmp_path):
    plan = tmp_path / "plan.csv"
    plan.write_text(
        csv_text(
            *[row(str(item)) for item in range(1101, 1161)],
            row("1042"),
            row("1061 1062", "owner", after="7300000000000000002"),
            row("bad"),
        )
    )
    with SandboxProcess(window=0.1, job_median=0.1) as sandbox:
        env = environ | {
            "FEISHU_BATCH_BASE_URL": sandbox.base_url,
            "FEISHU_BATCH_PLUGIN_ID": "demo",
            "FEISHU_BATCH_PLUGIN_SECRET": "s3cr3t",
            "FEISHU_BATCH_USER_KEY": "7300000000000000001",
            "FEISHU_BATCH_SLOT_SECONDS": "0.1",
        }
        with running("up", env=env, cwd=tmp_path) as up:
            wait_for_line(up, "Ready")
            # Only `up` needs credentials; the others find its Redis by themselves.
            reader = environ
            done = run("import", str(plan), "--wait", "--json", env=reader, cwd=tmp_path)
            document = json.loads(done.stdout)
            shown = run("status", "--json", env=reader, cwd=tmp_path)
            up.send_signal(signal.SIGTERM)
            began = fair_now()
            output, errors = up.communicate(timeout=PATIENCE)
        assert sandbox.violations()["total"] == 0
    assert up.returncode == 0, errors[-2000:]
    assert fair_now() - began < 30
    assert output.endswith("All processes have ended.\n")
    assert "s3cr3t" not in output + errors
    assert not descendants(environ[MARK])
    assert done.returncode == 1  # one failed, one rejected
    assert document["counts"] == {
        "total": 63,
        "succeeded": 62,
        "failed": 1,
        "unchanged": 0,
        "superseded": 0,
        "canceled": 0,
        "expired": 0,
    }
    assert document["rejected_count"] == 1
    assert [group["code"] for group in document["failed"]] == ["NoPermissionToModify"]
    assert json.loads(shown.stdout)["lanes"][0]["owned_cells"] == 0
