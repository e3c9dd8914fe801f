"""What a whole `up` writes where its logs are JSON: read line by line, as whoever collects them does."""

import json
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from feishu_batch import FeishuBatch
from sandbox.process import SandboxProcess
from tests.support.waiting import PATIENCE
from tests.support.zygote import start_command

SECRET, VALUE = "a-secret-of-the-plugin-in-the-tests", "a value that nobody may read"
STORY = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "update_mode": "UPDATE"}
IDS = {"lane", "intent_id", "process", "address", "number"}  # of which each line of ours has one


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def environment(tmp_path, sandbox):
    ours = {
        "plugin_id": "x",
        "plugin_secret": SECRET,
        "user_key": "7300000000000000001",
        "base_url": sandbox.base_url,
        "data_dir": tmp_path / "data",
        "dashboard_port": 0,
        "log_format": "json",
        "slot_seconds": 0.1,
        "sweep_seconds": 0.5,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FEISHU_BATCH_", "CELERY_"))}
    return inherited | {f"FEISHU_BATCH_{name.upper()}": str(value) for name, value in ours.items()}


def work(data: Path):
    """Two intents that succeed, one with an item that is refused, one that is refused at intake."""
    with FeishuBatch((data / "redis-url").read_text().strip()) as client:
        text, option = {"field_key": "field_a1b2c3"}, {"field_key": "priority"}
        wishes = [
            {**STORY, **text, "work_item_ids": list(range(1101, 1221)), "after_field_value": VALUE},
            {**STORY, **text, "work_item_ids": [1013, 1301], "after_field_value": VALUE + "!"},
            {**STORY, **option, "work_item_ids": [1302], "after_field_value": {"value": VALUE}},
        ]
        return [handle.wait(PATIENCE) for handle in client.enqueue_many(wishes)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("up")
    log = tmp_path / "up.log"
    with SandboxProcess(window=0.1, job_median=0.05, seed=3) as sandbox, log.open("wb") as output:
        up = start_command(["up"], env=environment(tmp_path, sandbox), cwd=tmp_path, output=output)
        try:
            until(lambda: "up.ready" in log.read_text(), "the workers are ready")
            results = work(tmp_path / "data")
            os.kill(int(re.search(r'"submit", "pid": (\d+)', log.read_text())[1]), signal.SIGKILL)
            until(lambda: log.read_text().count('"process": "submit"') > 2, "it is started again")
        finally:
            up.terminate()
            up.wait(PATIENCE)
        accepted = len(sandbox.report()["batches"])
    return log.read_text(), results, accepted


def test_every_line_is_an_event_with_ids(told):
    lines = [json.loads(line) for line in told[0].splitlines()]
    assert all({"timestamp", "level", "event"} <= set(line) for line in lines)
    ours = [line for line in lines if line["logger"].startswith("feishu_batch.")]
    assert [line["event"] for line in ours if not re.fullmatch(r"[a-z_]+\.[a-z_]+", line["event"])] == []
    whole = {"up.redis", "up.ready", "up.ended", "beat.ticks", "beat.stands_by"}  # of no single lane or process
    assert [line for line in ours if not IDS & set(line) and line["event"] not in whole] == []
    assert {"process.started", "process.died", "process.stopped", "up.ready", "up.page"} <= {
        one["event"] for one in ours
    }


def test_there_is_at_most_one_line_for_a_batch_and_one_for_a_poll(told):
    text, _, accepted = told
    lines = [json.loads(line) for line in text.splitlines()]
    seen = Counter((line["event"], line["batch"]) for line in lines if line["level"] == "info" and "batch" in line)
    assert set(seen.values()) == {1}
    assert sum(event == "batch.accepted" for event, _ in seen) == accepted
    assert {event for event, _ in seen} == {"batch.accepted", "job.ended"}


def test_a_refusal_is_said_with_its_code_and_no_line_holds_a_value_or_a_secret(told):
    text, results, _ = told
    assert [result.counts["failed"] for result in results] == [0, 1, 1]
    [refused] = [json.loads(line) for line in text.splitlines() if "intent.refused" in line]
    assert (refused["code"], refused["lane"], refused["intent_id"]) == (
        "unknown_option",
        "default",
        results[2].intent_id,
    )
    assert "a value that" in results[2].failed["1302"]["reason"]  # its producer is told
    assert "a value that" not in text
    assert SECRET not in text
