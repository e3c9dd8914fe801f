"""`feishu-batch health` reads what the processes wrote down, and loads next to nothing for it."""

import os
import resource
import subprocess
import sys
import time

import pytest

from worker.processes.beacon import Beacon, beacon_file, light
from worker.processes.probe import ROLES

HEALTH = [sys.executable, "-c", "from worker.start import main; main()", "health"]
MOST_CPU = 0.1  # seconds


@pytest.fixture
def tell(tmp_path):
    def write(role, *, ago=0.0, trouble=(), **fields):
        light(beacon_file(tmp_path, role), Beacon(time.monotonic() - ago, 5.0, list(trouble), patience=20.0, **fields))

    return write


@pytest.fixture
def health(tmp_path):
    def run(*roles, folder=tmp_path, cwd=tmp_path):
        env = {**os.environ, "FEISHU_BATCH_DATA_DIR": str(folder)} if folder else dict(os.environ)
        return subprocess.run(
            [*HEALTH, *roles], check=False, capture_output=True, text=True, env=env, cwd=cwd, timeout=30
        )

    return run


def test_is_successful(tell, health):
    for role in ROLES:
        tell(role)
    told = health()
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ago": 60}, "recorded no state for 60 s"),
        ({"ago": -60}, "since this machine was started"),
        ({"stalled_for": 11.0}, "has read none for 11 s"),
        ({"broker_gone_for": 31.0}, "has not reached the broker for 31 s"),
        ({"trouble": ["a lane has sent nothing for 40 s. Look."]}, "submit: a lane has sent nothing for 40 s. Look."),
    ],
)
def test_what_is_wrong_is_reported(tell, health, fields, said):
    tell("submit", **fields)
    told = health("submit")
    assert told.returncode == 1
    assert said in told.stdout


def test_a_process_that_never_wrote_is_unhealthy(health, tmp_path):
    assert "recorded no state here" in health("poll").stdout
    beacon_file(tmp_path, "poll").parent.mkdir(exist_ok=True)
    beacon_file(tmp_path, "poll").write_text("{}")  # of another version
    assert health("poll").returncode == 1


def test_the_directory_may_stand_in_a_file_as_other_settings_do(tell, health, tmp_path, monkeypatch):
    monkeypatch.delenv("FEISHU_BATCH_DATA_DIR", raising=False)
    tell("beat")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".env").write_text(f'# where\nexport FEISHU_BATCH_DATA_DIR="{tmp_path}" # here\n')
    assert health("beat", folder=None, cwd=elsewhere).returncode == 0


def test_it_costs_next_to_nothing(tell, health):
    for role in ROLES:
        tell(role)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        health()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5
    assert used < MOST_CPU


def test_it_loads_nothing_of_what_commands_need():
    code = "import sys; from worker.start import main; print(sorted({'click', 'redis', 'celery', 'pydantic'} & {*sys.modules}))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_wrong_words_are_left_to_the_command_line(health):
    told = health("nobody")
    assert told.returncode == 2
    assert "nobody" in told.stderr
