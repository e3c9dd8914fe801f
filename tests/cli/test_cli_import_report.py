"""`import --report`: what became of every item of every row, in one file, complete or not there."""

import csv
import json

import pytest

from tests.support.rows_factory import csv_text, row

HEADER = (
    "project_key",
    "work_item_type_key",
    "work_item_ids",
    "field_key",
    "update_mode",
    "after_field_value",
    "intent_id",
)
ROWS = (
    [*row("1 2"), "a"],
    [*row("bad"), "b"],
    [*row("1 2"), "a"],
    [*row("3"), "c"],
    [*row("3", after='{"value": "option_0"}'), "d"],
)


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(*ROWS, header=HEADER))
    return path


def told(path):
    """Sorted by line, without what the row said."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{**one, "item": one["work_item_ids"]} for one in csv.DictReader(file)]
    names = ("line", "intent_id", "item", "state", "code", "reason")
    return sorted((tuple(row.get(name) for name in names) for row in rows), key=lambda row: (int(row[0]), str(row[2])))


def test_every_item_of_every_row_has_a_line(command, ledger, plan, tmp_path):
    out = tmp_path / "out.jsonl"
    assert command("import", plan, "--report", out).exit_code == 1
    queued = [(line, intent, item, "queued", None, None) for line, intent, item in [(2, "a", 1), (2, "a", 2)]]
    assert told(out)[:2] == queued
    rejected = (3, None, None, "rejected", "not_valid", "work_item_ids: 'bad' is not a work item id")
    assert told(out)[2] == rejected
    ledger.do_all({2: "WorkItemTerminated"})
    assert command("import", plan, "--wait", "--report", out).exit_code == 1
    why = ("failed", "WorkItemTerminated", "the remote said WorkItemTerminated")
    assert told(out) == [
        (2, "a", 1, "succeeded", None, None),
        (2, "a", 2, *why),
        rejected,
        (4, "a", 1, "succeeded", None, None),
        (4, "a", 2, *why),
        (5, "c", 3, "superseded", None, None),
        (6, "d", 3, "succeeded", None, None),
    ]
    before = out.read_bytes()
    again = command("import", plan, "--wait", "--report", out)
    assert (again.exit_code, out.read_bytes()) == (1, before)
    assert ledger.inbox.length() == 0


def test_as_csv_it_has_the_same(command, ledger, plan, tmp_path):
    out = tmp_path / "out.csv"
    command("import", plan)
    ledger.do_all({2: "WorkItemTerminated"})
    command("import", plan, "--wait", "--report", out, "--json")
    assert told(out)[1:3] == [
        ("2", "a", "2", "failed", "WorkItemTerminated", "the remote said WorkItemTerminated"),
        ("3", "", "bad", "rejected", "not_valid", "work_item_ids: 'bad' is not a work item id"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "plan.csv"]
    assert out.stat().st_mode & 0o777 == plan.stat().st_mode & 0o777


def test_what_is_in_progress_is_reported_as_it_is(command, ledger, tmp_path):
    path, out = tmp_path / "plan.csv", tmp_path / "out.jsonl"
    path.write_text(csv_text(row(" ".join(map(str, range(1, 61)))), row("99", "owner", after="x")))
    command("import", path)
    ledger.take_in()
    ledger.settle(ledger.claim())
    ledger.claim()
    command("import", path, "--report", out)
    states = [line[3] for line in told(out)]
    assert (states[:60].count("succeeded"), states[:60].count("in flight"), states[60]) == (50, 10, "pending")


def test_an_intent_that_was_refused_as_a_whole_fails_item_by_item(command, ledger, plan, tmp_path):
    from worker.ledger.records import Outcome

    out = tmp_path / "out.jsonl"
    command("import", plan)
    for entry in ledger.in_inbox():
        intent_id = json.loads(entry.payload)["intent_id"]
        ledger.lane.refuse(entry.number, intent_id, entry.enqueued_at_ms, [1, 2], Outcome.failed("no_lane", "no such"))
        ledger.inbox.hand_over({intent_id: (entry, "default")})
    command("import", plan, "--report", out)
    assert told(out)[:2] == [(2, "a", item, "failed", "no_lane", "no such") for item in (1, 2)]


def test_strict_tells_all_wrong_rows_there(command, ledger, plan, tmp_path):
    out = tmp_path / "out.jsonl"
    result = command("import", plan, "--strict", "--report", out)
    assert result.exit_code == 2
    assert [line[3] for line in told(out)] == ["not enqueued"] * 2 + ["rejected"] + ["not enqueued"] * 4
    assert ledger.inbox.length() == 0


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("out.txt", "the file name must end with .csv, .jsonl or .xlsx"),
        ("no/where/out.csv", "its directory does not exist"),
        ("plan.csv", "this is the imported file itself"),
    ],
)
def test_a_report_that_cannot_be_written_is_found_before_anything_is_enqueued(
    command, ledger, plan, tmp_path, name, complaint
):
    result = command("import", plan, "--report", tmp_path / name)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert ledger.inbox.length() == 0
    assert plan.read_text().startswith("project_key")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_report_that_fails_half_way_leaves_the_old_one(tmp_path, kind):
    from worker.importing.report_file import write_report

    path = tmp_path / f"out.{kind}"
    path.write_text("old")

    def rows():
        yield {"line": 1, "state": "failed"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_report(path, rows())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
