"""`feishu-batch schedule`, and what `up` and `doctor` say of a file that cannot be used."""

import json
import threading
import time

import pytest
from click.testing import CliRunner

from tests.scheduling.pages_of_schedules import uncommented
from worker.cli.main import cli
from worker.scheduling.records import Record, Run, RunState, record_of
from worker.scheduling.store import Schedules

WISH = (
    '{"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "work_item_ids": [%d],'
    ' "field_key": "priority", "update_mode": "UPDATE", "after_field_value": null}'
)


@pytest.fixture
def command(redis_url, prefix, nothing_set, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/schedule.toml").write_text(
        '[[schedule]]\nname = "wishes"\ncron = "0 9 * * *"\ntimezone = "Asia/Shanghai"\nfile = "../wishes.jsonl"\n'
    )
    env = {"FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix}

    def run(*args, **more):
        return CliRunner(env={**env, **more}).invoke(cli, ["schedule", *args], catch_exceptions=False)

    return run


@pytest.fixture
def store(redis, prefix):
    return Schedules(redis, prefix)


def listed(command):
    result = command("list", "--json")
    assert result.exit_code == 0, result.output
    [one] = json.loads(result.stdout)["schedules"]
    return one


def test_without_entries_it_says_how_to_begin(command, tmp_path):
    (tmp_path / "config/schedule.toml").write_text("# nothing\n")
    result = command("list")
    assert result.exit_code == 0
    assert "has no entry. Copy the examples" in result.stdout
    assert json.loads(command("list", "--json", FEISHU_BATCH_REDIS_URL="redis://127.0.0.1:1/0").stdout) == {
        "schedules": []
    }
    result = command("run", "wishes")
    assert result.exit_code == 2
    assert "no schedule is named 'wishes'" in result.stderr
    assert "has no entry. Copy the examples" in result.stderr


def test_the_list_tells_times_and_the_result_of_the_last_run(command, store):
    told = command("list").stdout
    assert "0 9 * * * (Asia/Shanghai)" in told
    assert "09:00:00 CST" in told
    assert "none yet" in told
    run = Run(1_795_489_200.0, 1_795_489_201.0, state=RunState.OPEN, intents=7, checked=2, reason="3 rows rejected")
    record = Record("d", 1_795_489_200.0, run=run, skipped=1_795_492_800.0, reason="it has not ended")
    store.replace("wishes", None, record.to_json())
    told = command("list").stdout
    assert "2026-11-24 11:00:00 CST: open, 2 of 7 intents ended" in told
    assert "3 rows rejected; 2026-11-24 12:00:00 CST was skipped: it has not ended" in told
    one = listed(command)
    assert (one["last_run"]["state"], one["last_run"]["intents"], one["last_run"]["ended"]) == ("open", 7, 2)
    assert one["skipped"] == {"due": "2026-11-24T04:00:00.000+00:00", "reason": "it has not ended"}
    assert one["next_run"].endswith("T01:00:00.000+00:00")


def test_run_enqueues_now_and_refuses_a_second_run_until_the_first_has_ended(command, store, tmp_path):
    (tmp_path / "wishes.jsonl").write_text(f"{WISH % 1}\n{WISH % 2}\n")
    first = command("run", "wishes")
    assert (first.exit_code, first.stdout) == (0, "2 intents enqueued.\n")
    second = command("run", "wishes")
    assert second.exit_code == 2
    assert "has not ended: 2 of its 2 intents are open" in second.stderr
    assert command("run", "wishes", "--even-if-open").exit_code == 0
    assert len(store.intents("wishes", 0, 9)) == 2
    assert listed(command)["last_run"]["state"] == "open"


def test_run_waits_for_the_end(command, store, tmp_path, redis, prefix):
    (tmp_path / "wishes.jsonl").write_text(f"{WISH % 1}\n{WISH % 2}\n")

    def end_them():
        """As the workers would have recorded it: one succeeded, one failed."""
        while len(ids := store.intents("wishes", 0, 9)) < 2:
            time.sleep(0.02)
        for number, intent_id in enumerate(ids, start=1):
            counts = {"tot": 1, "ok": number % 2, "fl": 1 - number % 2}
            redis.hset(f"{prefix}:{{default}}:intent:{number}", mapping=counts)
            redis.hset(f"{prefix}:{{front}}:ids", intent_id, f"{number}:0:default")

    workers = threading.Thread(target=end_them)
    workers.start()
    waited = command("run", "wishes", "--wait")
    workers.join()
    assert waited.stdout.endswith("All 2 intents have ended; 1 of them has items that failed.\n")
    assert waited.exit_code == 1
    assert listed(command)["last_run"]["state"] == "ended"


def test_a_run_that_enqueues_nothing_is_1_and_tells_why(command, store):
    result = command("run", "wishes")
    assert result.exit_code == 1
    assert "wishes.jsonl: there is no such file" in result.stderr.removeprefix("Nothing was enqueued: ")
    assert record_of(store.read(["wishes"])["wishes"]).run.state is RunState.FAILED


def test_a_run_that_is_being_carried_out_is_skipped_items(command, store):
    hold = store.hold("wishes")
    assert hold.acquire(blocking=False)
    result = command("run", "wishes")
    assert result.exit_code == 2
    assert "is already running" in result.stderr


def test_an_unknown_name_is_2_and_the_names_are_reported(command):
    result = command("run", "wish")
    assert result.exit_code == 2
    assert "no schedule is named 'wish'; there are: wishes" in result.stderr


@pytest.mark.parametrize("args", [("schedule", "list"), ("schedule", "run", "wishes"), ("up",)])
def test_a_file_that_cannot_be_used_is_2(command, tmp_path, args):
    (tmp_path / "config/schedule.toml").write_text('[[schedule]]\nname = "wishes"\ncron = "0 25 * * *"\n')
    env = {f"FEISHU_BATCH_{name}": "x" for name in ("PLUGIN_ID", "PLUGIN_SECRET", "USER_KEY")}
    result = CliRunner(env=env).invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == 2
    assert "schedule 'wishes' (line 1): cron: '25' is not a valid hour" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_doctor_names_what_is_wrong_with_the_file(command, tmp_path, redis_url, prefix, monkeypatch):
    monkeypatch.setattr("worker.cli.doctor.PING_SECONDS", 0.1)
    env = {"FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix}

    def mark():
        told = CliRunner(env=env).invoke(cli, ["doctor", "--json"], catch_exceptions=False)
        [check] = [one for one in json.loads(told.stdout)["checks"] if one["name"] == "schedules"]
        return check["mark"], check["what"]

    assert mark() == ("ok", "1 entries, all valid")
    (tmp_path / "config/schedule.toml").write_text(uncommented().replace("30 2 * * *", "30 2 * *"))
    assert mark()[0] == "fail"
    assert "schedule 'nightly-file' (line 17): cron: '30 2 * *' has 4 fields" in mark()[1]
