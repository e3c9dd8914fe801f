"""Carrying a run out against a real server: files, commands, and what may go wrong with either."""

import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.schedules import ScheduleEntry
from feishu_batch import FeishuBatch
from feishu_batch.keys import InboxKeys
from feishu_batch.set_reads import read_sets
from tests.support.waiting import PATIENCE
from worker.ledger.lane import Lane
from worker.scheduling.command import CommandError, output_of
from worker.scheduling.records import Record, Run, RunState, record_of
from worker.scheduling.runner import Runner
from worker.scheduling.scheduler import Scheduler
from worker.scheduling.store import Schedules

WISH = (
    '{"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "work_item_ids": [%d],'
    ' "field_key": "priority", "update_mode": "UPDATE", "after_field_value": null}'
)
HOUR = 3600.0
NINE = 1_795_489_200.0


class Desk:
    """An entry of every hour, a clock that is set by hand, and what is remembered."""

    def __init__(self, redis, redis_url, prefix, directory: Path, **work) -> None:
        self.now = NINE + 1
        given = {"name": "x", "every": "1h", **work}
        entry = ScheduleEntry.model_validate(given)
        self.entry = entry.model_copy(update={"directory": directory}) if entry.command else entry
        self.store = Schedules(redis, prefix)
        self._client = lambda: FeishuBatch(redis_url, key_prefix=prefix)
        self.looker = self.new_looker()
        self.looker.look()

    def new_looker(self):
        runner = Runner(self.store, self._client, lambda: self.now)
        return Scheduler([self.entry], self.store, runner, lambda: self.now)

    @property
    def record(self) -> Record:
        return record_of(self.store.read(["x"])["x"])

    def tick(self) -> Run:
        """An hour later; what it started has come to its end."""
        self.now += HOUR
        self.looker.look()
        return self.await_run()

    def await_run(self) -> Run:
        deadline = time.monotonic() + PATIENCE
        while (run := self.record.run) is None or run.state is RunState.RUNNING:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return run


@pytest.fixture
def desk(redis, redis_url, prefix, tmp_path):
    return lambda **work: Desk(redis, redis_url, prefix, tmp_path, **work)


def python(code, *args):
    return [sys.executable, "-c", code, *args]


def end_all(redis, prefix, desk):
    """As if the lane had refused them: they have ended."""
    lane = Lane(redis, prefix, "default")
    for number, intent_id in enumerate(desk.store.intents("x", 0, 99), start=1):
        redis.hset(f"{prefix}:{{front}}:ids", intent_id, f"{number}:0:default")
        redis.hset(lane.keys.named(f"intent:{number}"), mapping={"tot": 1, "ok": number % 2, "fl": 1 - number % 2})


def test_a_file_is_imported_with_new_ids_each_time_and_its_end_is_noticed(desk, redis, prefix, tmp_path):
    (tmp_path / "wishes.jsonl").write_text("\n".join([WISH % 1, "no JSON", WISH % 2, WISH % 3]))
    here = desk(file=str(tmp_path / "wishes.jsonl"))
    run = here.tick()
    assert (run.state, run.intents, run.rejected, run.due) == (RunState.OPEN, 3, 1, NINE + HOUR)
    assert run.reason.startswith("1 row rejected; line 2: not valid JSON")
    ids = here.store.intents("x", 0, 99)
    assert redis.xlen(f"{prefix}:{{front}}:inbox") == len(set(ids)) == 3
    end_all(redis, prefix, here)
    here.looker.look()
    assert (here.record.run.state, here.record.run.checked, here.record.run.failed) == (RunState.ENDED, 3, 1)
    here.tick()
    assert not set(ids) & set(here.store.intents("x", 0, 99))


def test_a_file_is_read_as_its_entry_says_and_what_is_not_certain_is_refused(desk, tmp_path):
    header = "project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
    line = "5f0c1a2b3c4d5e6f70818283,story,%d,priority,UPDATE,%s\n"
    path = tmp_path / "wishes.csv"
    path.write_bytes((header + line % (1, "上线") + line % (2, "")).encode("gbk"))
    refused = desk(file=str(path)).tick()
    assert (refused.state, refused.intents) == (RunState.FAILED, 0)
    assert "looks like GB18030" in refused.reason


def test_a_file_in_gbk_with_empty_cells_is_read_as_its_entry_says(desk, tmp_path):
    header = "project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
    line = "5f0c1a2b3c4d5e6f70818283,story,%d,priority,UPDATE,%s\n"
    path = tmp_path / "wishes.csv"
    path.write_bytes((header + line % (1, "上线") + line % (2, "")).encode("gbk"))
    run = desk(file=str(path), encoding="gbk", empty="skip").tick()
    assert (run.state, run.intents, run.rejected) == (RunState.OPEN, 1, 0)


def test_the_log_tells_times_as_people_write_them_and_no_empty_reason(desk):
    here = desk(command=python("print(" + repr(WISH % 1) + ")"))
    here.now += HOUR
    with capture_logs() as lines:
        here.looker.look()
        [line] = await_lines(lines, "schedule.ran")
    assert line["due"] == "2026-11-24T04:00:00+00:00"
    assert "reason" not in line


def await_lines(lines, event):
    """It is said a moment after it was written down."""
    deadline = time.monotonic() + PATIENCE
    while not (found := [one for one in lines if one["event"] == event]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_an_intents_run_is_a_change_set(desk, redis, prefix):
    desk(intent=json.loads(WISH % 1001)).tick()
    [name] = redis.zrange(InboxKeys(prefix).sets, 0, -1)
    assert re.fullmatch(r"schedule:x:\d{10}\.000", name)
    assert read_sets(redis, prefix, [name])[0].progress.pending == 1


def test_a_run_that_was_cut_off_is_repeated_and_doubles_nothing(desk, redis, prefix):
    here = desk(command=python(f"print('''{WISH % 1}'''); print('''{WISH % 2}''')"))
    run = here.tick()
    cut_off = replace(here.record, run=Run(run.due, run.started_at))
    assert here.store.replace("x", here.store.read(["x"])["x"], cut_off.to_json())
    here.looker.look()
    again = here.await_run()
    assert (again.attempt, again.intents, again.due) == (2, 2, run.due)
    assert redis.xlen(f"{prefix}:{{front}}:inbox") == 2


def test_a_command_that_fails_enqueues_nothing_and_tells_what_it_said(desk, redis, prefix):
    code = f"import sys; print('''{WISH % 1}''', flush=True); sys.exit('password=hunter2 the tracker is away')"
    run = desk(command=python(code)).tick()
    assert (run.state, run.intents) == (RunState.FAILED, 0)
    assert run.reason == "the command failed (exit code 1): password=*** the tracker is away"
    assert redis.xlen(f"{prefix}:{{front}}:inbox") == 0


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        ({"file": "/nowhere/wishes.csv"}, "/nowhere/wishes.csv: there is no such file"),
        ({"command": ["/nowhere/command"]}, "/nowhere/command cannot be started"),
    ],
)
def test_what_is_not_there_is_reported(desk, work, reason):
    run = desk(**work).tick()
    assert run.state is RunState.FAILED
    assert reason in run.reason


def test_a_command_that_prints_nothing_has_ended_well(desk):
    run = desk(command=["true"]).tick()
    assert (run.state, run.intents, run.reason) == (RunState.ENDED, 0, "")


def test_of_two_workers_one_starts_the_run(desk, redis, prefix):
    here = desk(command=python(f"import time; time.sleep(0.3); print('''{WISH % 1}''')"))
    here.now += HOUR
    lookers = [here.new_looker() for _ in range(4)]
    threads = [threading.Thread(target=looker.look) for looker in lookers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = [looker.look() for looker in lookers]
    assert started == [{}] * 4
    assert here.await_run().attempt == 1
    assert redis.xlen(f"{prefix}:{{front}}:inbox") == 1


# --- the command itself ---------------------------------------------------------------------------------------------


def read(argv, directory, timeout=5.0):
    with output_of(argv, directory, timeout) as output:
        return output.read().decode()


def test_a_command_gets_its_arguments_as_they_are_and_nothing_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("FEISHU_BATCH_PLUGIN_SECRET", "s3cr3t")
    monkeypatch.setenv("OF_ITS_OWN", "kept")
    code = "import os, sys; print(sys.argv[1], os.getcwd(), [v for v in os.environ if 'FEISHU' in v], os.environ['OF_ITS_OWN'])"
    assert read(python(code, "$HOME; *"), tmp_path) == f"$HOME; * {tmp_path} [] kept\n"


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    child = "import subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], stdout=open('pid', 'w'))"
    with pytest.raises(CommandError, match=r"did not end within 3 s"):
        read(python(code), tmp_path, timeout=3)  # two interpreters start within it, on a busy machine too
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()[:1] not in ("", "Z"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_that_is_killed_is_reported_by_its_signal(tmp_path):
    with pytest.raises(CommandError, match=r"failed \(SIGKILL\)"):
        read(python("import os; os.kill(os.getpid(), 9)"), tmp_path)
