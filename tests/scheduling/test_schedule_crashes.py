"""A worker that dies at any step of a run whose file or command says other things each time: one output counts, whole."""

import json
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from config.schedules import ScheduleEntry
from feishu_batch import parse_intent
from worker.importing.row import Rejected, Row
from worker.scheduling import spool
from worker.scheduling.records import Record, RunState, record_of
from worker.scheduling.store import Schedules

HERE = Path(__file__).parent
NINE = 1_795_489_200.0
ROWS = 1300  # three steps of the import
# Prints as many rows as it was told, all with the number of times it was started.
PRINTS = """
import json, pathlib, sys
times = pathlib.Path(sys.argv[1])
number = len(times.read_bytes()) + 1 if times.exists() else 1
times.write_bytes(b"." * number)
for item in range(1, int(sys.argv[2]) + 1):
    print(json.dumps(dict(project_key="5f0c1a2b3c4d5e6f70818283", work_item_type_key="story", work_item_ids=[item],
        field_key="name", update_mode="UPDATE", after_field_value=f"output {number}")))
"""
# A step, and how many outputs there are by the time the run has ended.
STEPS = {
    "Runner.carry_out:before:1": 1,
    "RowSpool._append:after:2": 2,
    "RowSpool.keep:before:1": 2,
    "RowSpool.keep:after:1": 1,
    "FeishuBatch.enqueue_many:after:1": 1,
    "Schedules.add:after:2": 1,
    "Runner._record:before:1": 1,
}


def printing(directory, rows=ROWS):
    return {"command": [sys.executable, "-c", PRINTS, str(directory / "times"), str(rows)]}


def written(directory, number, rows=ROWS):
    """A file as another program leaves it, the `number`-th time."""
    (directory / "times").write_bytes(b"." * (number - 1))
    with (directory / "wishes.jsonl").open("wb") as out:
        subprocess.run([sys.executable, "-c", PRINTS, str(directory / "times"), str(rows)], stdout=out, check=True)
    return {"file": str(directory / "wishes.jsonl")}


class Place:
    """An entry that is due at nine, and the workers that carry its run out."""

    def __init__(self, redis, url, prefix, work):
        self.redis, self._url, self._prefix = redis, url, prefix
        self._given = json.dumps({"name": "x", "every": "1h", **work})
        entry = ScheduleEntry.model_validate_json(self._given)
        self.store = Schedules(redis, prefix)
        self.store.replace("x", None, Record(entry.times.definition, NINE - 3600).to_json())

    def killed_at(self, step):
        assert self._worker(step) == -signal.SIGKILL
        self.redis.delete(self.store.hold("x").name)  # as after 15 s without a sign of life

    def worked_on(self):
        assert self._worker("") == 0
        return record_of(self.store.read(["x"])["x"]).run

    def _worker(self, step):
        argv = [sys.executable, HERE / "run_and_crash.py", self._url, self._prefix, str(NINE + 1), self._given, step]
        return subprocess.run(argv, check=False).returncode

    def enqueued(self):
        """The ids, and the values, of everything in the inbox."""
        told = [json.loads(entry["i"]) for _, entry in self.redis.xrange(f"{self._prefix}:{{front}}:inbox")]
        return {one["intent_id"] for one in told}, [one["after_field_value"] for one in told]

    def kept_rows(self):
        """Without those that a dead worker had not all written down, which expire within the hour."""
        keys = self.redis.keys(f"{self._prefix}:*:schedule:rows:*")
        return [key for key in keys if not 0 < self.redis.ttl(key) <= spool.UNFINISHED_KEPT]


@pytest.fixture
def place(redis, redis_url, prefix):
    return lambda work: Place(redis, redis_url, prefix, work)


@pytest.mark.parametrize(("step", "outputs"), STEPS.items(), ids=STEPS)
def test_a_run_begun_again_enqueues_one_output_and_all_of_it(place, tmp_path, step, outputs):
    """The command is run again only where nothing it printed was enqueued."""
    here = place(printing(tmp_path))
    here.killed_at(step)
    run = here.worked_on()
    assert (run.state, run.attempt, run.intents, run.rejected, run.reason) == (RunState.OPEN, 2, ROWS, 0, "")
    ids, values = here.enqueued()
    assert (len(ids), values) == (ROWS, [f"output {outputs}"] * ROWS)
    assert here.store.intents("x", 0, -1) == list(dict.fromkeys(here.store.intents("x", 0, -1)))
    assert here.kept_rows() == []


def test_a_file_that_another_program_writes_meanwhile_does_not_change_the_run(place, tmp_path):
    here = place(written(tmp_path, 1))
    here.killed_at("Schedules.add:after:2")
    written(tmp_path, 2)
    assert here.worked_on().intents == ROWS
    assert here.enqueued()[1] == ["output 1"] * ROWS
    assert here.kept_rows() == []


def test_a_worker_that_dies_after_its_run_is_done_leaves_nothing_behind(place, tmp_path):
    here = place(printing(tmp_path))
    here.killed_at("Runner._record:after:1")
    assert here.kept_rows() == []
    assert len(here.enqueued()[0]) == ROWS


def test_rows_are_kept_no_longer_once_a_run_is_given_up(place, tmp_path):
    here = place(printing(tmp_path))
    for _ in range(3):
        here.killed_at("FeishuBatch.enqueue_many:before:1")
    run = here.worked_on()
    assert (run.state, run.reason) == (RunState.FAILED, "its worker ended 3 times while it ran")
    assert here.kept_rows() == []


# --- what is kept ---------------------------------------------------------------------------------------------------


def held(store):
    hold = store.hold("x")
    assert hold.acquire(blocking=False)
    return hold


def rows(count, value="a"):
    wish = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "field_key": "name"}
    return [
        Row(n, parse_intent({**wish, "work_item_ids": [n], "update_mode": "UPDATE", "after_field_value": value}))
        for n in range(1, count + 1)
    ]


def test_rows_come_back_as_they_were(redis, prefix):
    store = Schedules(redis, prefix)
    wanted = [*rows(1200, value={"text": "äöü 中文\n", "number": 1.5}), Rejected(7, "no JSON", is_left_out=True)]
    wanted += [Row(1201, wanted[0].intent, names_itself=True, ranged=3), Row(1202, wanted[0].intent, is_gathered=True)]
    wanted += [Rejected(8, "Priority: no option", column="Priority", field="'Priority'", value="P9")]
    kept = store.spool("x", NINE)
    assert not kept.is_kept()
    assert kept.keep(wanted, held(store))
    assert kept.is_kept()
    assert list(kept.rows()) == wanted
    assert {one.name for one in fields(Rejected)} - {"written"} == {
        "line",
        "reason",
        "is_left_out",
        "column",
        "field",
        "value",
    }
    assert not store.spool("x", NINE + 1).is_kept()
    assert list(store.spool("x", NINE + 1).rows()) == []


def test_too_many_rows_are_refused_and_nothing_stays(redis, prefix, monkeypatch):
    monkeypatch.setattr(spool, "MOST_KEPT", 1024**2)
    store = Schedules(redis, prefix)
    endless = (row for number in range(1000) for row in rows(500, value=f"{number}" + "".join(map(str, range(2000)))))
    with pytest.raises(spool.SpoolError, match="more than the 1 MiB"):
        store.spool("x", NINE).keep(endless, held(store))
    assert redis.keys(f"{prefix}:*:rows:*") == []


def test_a_file_that_ends_early_leaves_nothing(redis, prefix):
    store = Schedules(redis, prefix)

    def cut_off():
        yield from rows(600)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.spool("x", NINE).keep(cut_off(), held(store))
    assert redis.keys(f"{prefix}:*:rows:*") == []


def test_a_worker_whose_run_was_taken_over_changes_no_rows(redis, prefix):
    store = Schedules(redis, prefix)
    late = held(store)
    redis.delete(late.name)
    successor = held(store)
    assert not store.spool("x", NINE).keep(rows(3, "of the late one"), late)
    assert store.spool("x", NINE).keep(rows(3, "right"), successor)
    assert store.spool("x", NINE).keep(rows(3, "another"), successor)
    assert {row.intent.after_field_value for row in store.spool("x", NINE).rows()} == {"right"}
    assert len(redis.keys(f"{prefix}:*:rows:*")) == 1


def test_rows_of_a_run_that_nobody_finishes_expire(redis, prefix):
    store = Schedules(redis, prefix)
    kept = store.spool("x", NINE)
    kept.keep(rows(1), held(store))
    [key] = redis.keys(f"{prefix}:*:rows:*")
    assert 29 * 86_400 < redis.ttl(key) <= 30 * 86_400
