"""`feishu-batch probe` as it is used: consent, what it refuses, what it leaves behind, and Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from redis import Redis

from sandbox.process import SandboxProcess
from tests.cli.test_cli_json import SHAPES, conforms
from tests.support.command import PROJECT
from tests.support.waiting import PATIENCE, wait_until
from worker.ledger.lane import Lane
from worker.ledger.probed import load_probe

POINTS, OTHER_USER = "field_3f6a90", "7300000000000000002"
PLACE = ["--space", "demo", "--type", "story", "--items", "1001,1002,1003", "--field", "Story points"]
BEFORE = {1001: {POINTS: 7}, 1002: {POINTS: 8}}
FEISHU_BATCH = Path(sys.executable).parent / "feishu-batch"


@pytest.fixture(scope="module")
def shared():
    with SandboxProcess(job_median=0.05, seed=2) as running:
        yield running


@pytest.fixture
def sandbox(shared):
    """Item 1003 has no value, so it is not used."""
    shared.clear_faults()
    shared.reset()
    for item, fields in BEFORE.items():
        shared.edit(item, POINTS, fields[POINTS])
    return shared


@pytest.fixture
def probe(command, sandbox, tmp_path):
    command.env |= {
        "FEISHU_BATCH_BASE_URL": sandbox.base_url,
        "FEISHU_BATCH_PLUGIN_ID": "p",
        "FEISHU_BATCH_PLUGIN_SECRET": "very secret",
        "FEISHU_BATCH_USER_KEY": "7300000000000000001",
        "FEISHU_BATCH_DATA_DIR": str(tmp_path),
        "FEISHU_BATCH_GRACE_SECONDS": "6",
    }

    def run(*args, only="same_value", **more):
        return command("probe", *PLACE, "--only", only, *args, **more)

    run.env = command.env
    return run


def writes(sandbox):
    return sandbox.report()["single_updates"]["accepted"]


def test_it_says_what_it_will_do_and_starts_only_when_it_is_told_to(probe, sandbox):
    for answer in ("n\n", ""):
        refused = probe(input=answer)
        assert refused.exit_code == 2, refused.output
        assert "nothing was sent" in refused.output
        assert "writes test values to field_3f6a90 of 2 work items" in refused.output
        assert "Not used: 1003: field_3f6a90 is not shown" in refused.output
        assert "  1002 field_3f6a90: 8\n" in refused.output
    assert writes(sandbox) == 0
    done = probe(input="y\n")
    assert done.exit_code == 0, done.output
    assert "writing the present value moves updated_at: likely (2 of 2)" in done.output
    assert "All values are as they were before" in done.output
    assert writes(sandbox) > 0
    assert sandbox.values() == BEFORE


def test_it_prints_what_the_page_says_and_doctor_names_it(
    probe, sandbox, redis, prefix, command, monkeypatch, tmp_path
):
    env_file = tmp_path / "probed.env"
    done = probe("--yes", "--json", "--write-env", env_file)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert conforms(printed, SHAPES["probe"], "probe") <= {"probe.not_restored"}
    assert {one["name"]: one["finding"] for one in printed["readings"]} == {
        "single_updates": "allowed",
        "reads": "current",
        "same_value": "moves",
    }
    assert printed["restored"]
    assert printed["items"] == [1001, 1002]
    assert "FEISHU_BATCH_READS_BEHIND_SECONDS=10\n" in env_file.read_text()
    assert "very secret" not in done.output + env_file.read_text()
    kept = load_probe(redis, Lane(redis, prefix, "default").keys)
    assert kept["readings"]["reads"]["finding"] == "current"
    assert abs(kept["at"] - time.time()) < 60
    monkeypatch.setattr("worker.cli.doctor.PING_SECONDS", 0.1)
    [check] = [one for one in json.loads(command("doctor", "--json").stdout)["checks"] if one["name"] == "probe"]
    assert re.fullmatch(
        r"default: probed 20\d\d-\S+ \S+ \+08:00 with story in demo at 127\.0\.0\.1:\d+ "
        r"\(single_updates: allowed, reads: current, .*same_value: moves.*\)",
        check["what"],
    )


def test_a_file_that_exists_is_replaced_only_when_that_is_asked_for(probe, sandbox, tmp_path):
    env_file = tmp_path / "mine.env"
    env_file.write_text("mine\n")
    refused = probe("--yes", "--write-env", env_file)
    assert (refused.exit_code, "the file exists" in refused.output) == (2, True)
    assert (env_file.read_text(), writes(sandbox)) == ("mine\n", 0)
    assert probe("--yes", "--write-env", env_file, "--replace").exit_code == 0
    assert env_file.read_text().startswith("# Found by feishu-batch probe in demo, story on 20")


def test_a_file_that_cannot_be_written_is_a_failure_and_the_readings_are_printed(probe, sandbox, tmp_path):
    done = probe("--yes", "--write-env", tmp_path / "nowhere" / "probed.env", only="single_updates")
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    assert "single updates are allowed" in done.output
    assert sandbox.values() == BEFORE


def test_a_lane_that_has_work_or_is_paused_is_left_alone(probe, sandbox, ledger, command):
    command.enqueue(5)
    ledger.take_in()
    refused = probe("--yes")
    assert (refused.exit_code, "the lane default has work" in refused.output) == (2, True)
    ledger.do_all()
    ledger.lane.pause("for a while", polling=True)
    refused = probe("--yes")
    assert (refused.exit_code, "is paused" in refused.output) == (2, True)
    assert writes(sandbox) == 0


def test_another_lane_of_the_same_plugin_counts_too(probe, sandbox, redis, prefix, tmp_path):
    lanes = tmp_path / "lanes.toml"
    of_one_plugin = 'plugin_id = "p"\nplugin_secret = {env = "FEISHU_BATCH_PLUGIN_SECRET"}\n'
    lanes.write_text(
        f'[lanes.one]\n{of_one_plugin}project_keys = ["{PROJECT}"]\n[lanes.two]\n{of_one_plugin}user_key = "{OTHER_USER}"\n'
    )
    probe.env["FEISHU_BATCH_LANES_FILE"] = str(lanes)
    Lane(redis, prefix, "two").pause("for a while", polling=True)
    refused = probe("--yes")
    assert (refused.exit_code, "the lane two is paused" in refused.output) == (2, True), refused.output
    Lane(redis, prefix, "two").resume()
    assert probe("--yes", only="single_updates").exit_code == 0
    assert not redis.exists(Lane(redis, prefix, "two").keys.hold)


def test_while_values_are_put_back_it_takes_two_to_stop_it(probe, sandbox):
    env = {**os.environ, **probe.env, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [FEISHU_BATCH, "probe", *PLACE, "--yes"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: writes(sandbox) >= 3, PATIENCE, "something was written")
    process.send_signal(signal.SIGINT)
    printed = ""
    while "Putting the values back" not in printed:
        printed += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, rest
    assert sandbox.values() == BEFORE


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--json"], "add --yes"),
        (["--yes", "--items", "5001"], "it is not there, or has another type"),
        (["--yes", "--items", "1,234,567"], "--items"),
        (["--yes", "--items", "1001-1011"], "two or three are enough"),
        (["--yes", "--field", "Timetable"], "cannot be used"),
        (["--yes", "--field", "Pointz"], "has no field"),
        (["--yes", "--field2", POINTS], "the same field"),
        (["--yes", "--only", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_probed_is_refused_before_anything_is_written(probe, sandbox, args, words):
    refused = probe(*args)
    assert refused.exit_code == 2, refused.output
    assert words in refused.output
    assert writes(sandbox) == 0


def test_the_workers_compose_no_batch_meanwhile_and_go_on_afterwards(probe, redis, prefix):
    lane, held = Lane(redis, prefix, "default"), []

    def watch():
        wait_until(lambda: redis.exists(lane.keys.hold), PATIENCE, "the lane is held")
        held.append(True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert probe("--yes").exit_code == 0
    watcher.join()
    assert held
    assert not redis.exists(lane.keys.hold)


def test_what_fails_ends_it_and_the_values_are_put_back(probe, sandbox):
    sandbox.set_faults("update_item:drop_after=1x,skip=3", "work_item_query:refuse=1x,skip=9,code=99991403")
    ended = probe("--yes")
    assert ended.exit_code == 1, ended.output
    assert "Ended early: " in ended.output
    assert "All values are as they were before" in ended.output
    assert sandbox.values() == BEFORE


def test_a_write_that_is_executed_late_does_not_come_after_the_values_are_put_back(probe, sandbox):
    sandbox.set_faults("update_item:error_late=1x,skip=6,seconds=4")
    done = probe("--yes")
    assert done.exit_code == 0, done.output
    assert sandbox.report()["faults"] == {"update_item:error_late": 1}
    assert sandbox.values() == BEFORE
    time.sleep(4)
    assert sandbox.values() == BEFORE


def test_a_value_that_cannot_be_put_back_is_printed_with_what_it_was(probe, sandbox):
    sandbox.set_faults("update_item:refuse=99x,skip=6,code=20007")
    ended = probe("--yes")
    assert ended.exit_code == 1, ended.output
    assert "NOT put back: work item 1001, field_3f6a90 was 7: " in ended.output
    assert "code 20007" in ended.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_puts_the_values_back(probe, sandbox, number):
    env = {**os.environ, **probe.env, "PYTHONUNBUFFERED": "1"}
    command = [FEISHU_BATCH, "probe", *PLACE, "--yes"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: writes(sandbox) >= 3, PATIENCE, "something was written")
    assert sandbox.values() != BEFORE
    process.send_signal(number)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, printed
    assert "Ended by Ctrl-C" in printed
    assert "All values are as they were before" in printed
    assert sandbox.values() == BEFORE


def test_it_puts_the_values_back_also_when_redis_goes_away(sandbox, own_redis_url, tmp_path):
    env = {
        **os.environ,
        "FEISHU_BATCH_REDIS_URL": own_redis_url,
        "FEISHU_BATCH_BASE_URL": sandbox.base_url,
        "FEISHU_BATCH_PLUGIN_ID": "p",
        "FEISHU_BATCH_PLUGIN_SECRET": "s",
        "FEISHU_BATCH_USER_KEY": "7300000000000000001",
        "FEISHU_BATCH_DATA_DIR": str(tmp_path),
        "FEISHU_BATCH_REDIS_TIMEOUT_SECONDS": "0.5",
        "FEISHU_BATCH_REDIS_CONNECT_TIMEOUT_SECONDS": "0.5",
    }
    command = [FEISHU_BATCH, "probe", *PLACE, "--yes"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: writes(sandbox) >= 3, PATIENCE, "something was written")
    with Redis.from_url(own_redis_url) as server:
        server.shutdown(nosave=True)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, printed
    assert "All values are as they were before" in printed
    assert sandbox.values() == BEFORE
