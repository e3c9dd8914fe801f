"""A table of 2,000 rows and 5 columns through real workers: every item holds what its cells say, and a save does not wait for it."""

import csv
import json
import math
from collections import Counter

import pytest
from click.testing import CliRunner

from tests.support.waiting import PATIENCE, wait_until
from worker.cli.main import cli

REFUSED = {1013, 1777, 1042, 2042, 5013, 5042}
COLUMNS = ("Priority", "Release note", "Story points", "Due date", "Watchers")
DAY_MS = 86_400_000
NEW_YEAR_MS = 1_893_427_200_000  # 2030-01-01 in China
PEOPLE = {"lilei@example.com": "7300000000000000002", "": None}


def cells(item):
    """What a person writes, and what the sandbox is to store."""
    day = item % 10
    person = "lilei@example.com" if item % 3 else ""
    written = (f"P{item % 2}", f"note {item % 7}", item % 5, f"2030-01-{day + 1:02}", person)
    stored = {
        "priority": {"value": f"option_{item % 2}"},
        "field_a1b2c3": f"note {item % 7}",
        "field_3f6a90": item % 5,
        "field_d4e5f6": NEW_YEAR_MS + day * DAY_MS,
    }
    return written, stored | ({"watchers": [PEOPLE[person]]} if person else {})


@pytest.fixture
def command(stack):
    env = stack.environment() | {"FEISHU_BATCH_SLOT_SECONDS": str(stack.settings.slot_seconds)}

    def run(*args):
        return CliRunner(env=env).invoke(cli, [str(arg) for arg in args], catch_exceptions=False)

    return run


@pytest.mark.timeout(400)
def test_every_item_holds_what_its_cells_say(stack, command, tmp_path):
    stories = [item for item in range(1001, 2501) if item not in REFUSED][:1300]
    issues = [item for item in range(5001, 6001) if item not in REFUSED][:700]
    rows = [(item, "story", *cells(item)[0]) for item in stories] + [
        (item, "issue", *cells(item)[0]) for item in issues
    ]
    path = tmp_path / "sync.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("ID", "type", *COLUMNS), *rows])
    before = len(stack.batches())
    done = command("import", path, "--space", "demo", "--write-all", "--wait", "--timeout", 300, "--json")
    assert done.exit_code == 0, all_of(done)
    document = json.loads(done.stdout)
    assert document["table"]["rows"] == 2000
    assert document["counts"]["succeeded"] == document["table"]["cells"]
    values = stack.sandbox.values()
    assert {item: values[item] for item in (*stories, *issues)} == {
        item: cells(item)[1] for item in (*stories, *issues)
    }
    assert len(stack.batches()) - before <= fewest(rows) + 2  # those that left before all was recorded
    assert document["enqueued"] == len(groups(rows))
    stack.assert_rules_kept()


def groups(rows):
    return Counter((kind, at, cell) for _, kind, *row in rows for at, cell in enumerate(row) if cell != "")


def fewest(rows):
    return sum(math.ceil(count / 50) for count in groups(rows).values())


@pytest.mark.timeout(300)
def test_a_save_during_a_sync_of_many_distinct_values_leaves_within_five_slots(stack, command, tmp_path):
    path = tmp_path / "sync.csv"
    rows = "".join(f"{item},distinct {item},{item}\n" for item in range(1001, 1501) if item not in REFUSED)
    path.write_text(f"ID,Release note,Story points\n{rows}")
    stack.lane.pause("the table is recorded first", polling=True)
    done = command("import", path, "--space", "demo", "--type", "story", "--import-id", "distinct")
    assert done.exit_code == 0, all_of(done)
    wait_until(lambda: not stack.inbox.length(), 30, "the table is recorded")
    before = len(stack.batches())
    stack.lane.resume()
    wait_until(lambda: len(stack.batches()) >= before + 3, 30, "the sync is under way")
    sent = len(stack.batches())
    save = stack.client.enqueue(
        project_key="demo",
        work_item_type_key="story",
        work_item_ids=[2100],
        field_key="Priority",
        update_mode="UPDATE",
        after_field_value="P1",
    )
    save.wait(PATIENCE)
    order = [2100 in batch["item_ids"] for batch in stack.batches()]
    assert order.index(True) - sent <= 5
    command("cancel", "--file", path, "--space", "demo", "--type", "story", "--import-id", "distinct", "--yes")


@pytest.mark.timeout(200)
def test_after_an_import_the_same_table_and_its_export_change_nothing(stack, command, tmp_path):
    """Diff, import, diff again; then the export of what is there, as each kind of file."""
    items = [item for item in range(1001, 1101) if item not in REFUSED]
    path = tmp_path / "sync.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("ID", *COLUMNS), *((item, *cells(item)[0]) for item in items)])
    place = ("--space", "demo", "--type", "story")
    first = diff_of(command, path, *place)
    assert (first["unchanged"], first["read"]["requests"]) == (0, 2), first
    done = command("import", path, *place, "--wait", "--timeout", 150)
    assert done.exit_code == 0, all_of(done)
    again = diff_of(command, path, *place, "--import-id", "again")
    assert again["unchanged"] == again["cells"] == first["cells"] > 400, again
    assert [one["requests_without_unchanged"] for one in again["write"]] == [0], again
    (tmp_path / "ids.txt").write_text("\n".join(map(str, items)))
    for kind in ("csv", "jsonl", "xlsx"):
        out = tmp_path / f"out.{kind}"
        args = ("--ids", tmp_path / "ids.txt", "--fields", ",".join(COLUMNS), "--output", out)
        done = command("export", *place, *args)
        assert done.exit_code == 0, all_of(done)
        exported = diff_of(command, out, *place)
        assert exported["unchanged"] == exported["cells"] == first["cells"], exported
    stack.assert_rules_kept()


def diff_of(command, *args):
    done = command("plan", *args, "--diff", "--json")
    assert done.exit_code == 0, all_of(done)
    return json.loads(done.stdout)["diff"]


def all_of(done):
    """What is shown where it failed."""
    return f"exit code {done.exit_code}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
