"""Change sets as one thing: `sets`, `show --set`, `failures --set`, `cancel --set`; imports, intents and programs make them."""

import csv
import json
import socket
import threading

import pytest

from config.settings import Settings
from feishu_batch.intents import parse_intent
from tests.support.rows_factory import PROJECT, csv_text, row
from worker.operating.session import session_of
from worker.operating.set_items import items_of_set
from worker.pipeline.sweep import forget

PLACE = ("--space", PROJECT, "--type", "story", "--field", "note=note")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("ID,note,priority\n1,x,P0\n2,x,P1\n3,y,P0\n")
    return path


def test_an_import_is_a_change_set_under_its_id(command, ledger, table, tmp_path):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    assert {parse_intent(one.payload).change_set for one in ledger.in_inbox()} == {"sprint-7"}
    path = tmp_path / "long.csv"
    path.write_text(csv_text(row("1"), row("2")))
    told = json.loads(command("import", path, "--json").stdout)
    found = command.json("show", "--set", told["import_id"])
    assert (found["state"], found["intents"], found["total"]) == ("open", 2, 2)
    names = [one["change_set"] for one in command.json("sets")["sets"]]
    assert names == [told["import_id"], "sprint-7"]


def test_it_is_shown_with_what_became_of_its_changes(command, ledger, table):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    ledger.do_all({2: "WorkItemTerminated"})
    found = command.json("show", "--set", "sprint-7")
    assert (found["state"], found["intents"], found["ended"], found["total"]) == ("partial", 4, 4, 6)
    assert found["counts"] == {"succeeded": 4, "failed": 2}
    assert "sprint-7" in command("sets").stdout
    assert "6: 4 succeeded, 2 failed" in command("show", "--set", "sprint-7").stdout
    failed = command.json("failures", "--set", "sprint-7")["failures"]
    assert [(one["item"], one["field"], one["code"]) for one in failed] == [
        (2, "note", "WorkItemTerminated"),
        (2, "priority", "WorkItemTerminated"),
    ]
    assert "the remote said WorkItemTerminated" in command("failures", "--set", "sprint-7").stdout


def test_what_was_changed_since_is_skipped_and_not_failed(command, ledger, table, monkeypatch):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    ledger.do_all({2: "changed_meanwhile", 3: "WorkItemTerminated"})
    words = "6: 2 succeeded, 2 failed, 2 skipped: changed since"
    assert words in command("show", "--set", "sprint-7").stdout
    assert words in " ".join(command("sets").stdout.split())
    found = command.json("show", "--set", "sprint-7")
    assert (found["counts"]["failed"], found["changed_since"]) == (4, 2)
    monkeypatch.setattr("worker.operating.change_sets.LOOKED_THROUGH", 0)
    assert "6: 2 succeeded, 4 failed or skipped" in command("show", "--set", "sprint-7").stdout


def test_its_failures_are_a_report_that_is_imported_again(command, ledger, table, tmp_path):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    ledger.do_all({2: "WorkItemTerminated"})
    report = tmp_path / "failed.csv"
    command("failures", "--set", "sprint-7", "--report", report)
    [note, priority] = list(csv.DictReader(report.read_text("utf-8-sig").splitlines()))
    assert (note["work_item_ids"], note["field_key"], note["after_field_value"], note["state"]) == (
        "2",
        "note",
        "x",
        "failed",
    )
    assert (priority["field_key"], priority["after_field_value"]) == ("priority", "P1")
    told = command.json("import", report, "--import-id", "corrected")
    assert (told["enqueued"], told["rejected_count"]) == (2, 0)
    again = [parse_intent(one.payload) for one in ledger.in_inbox()]
    assert [(one.work_item_ids, one.after_field_value) for one in again] == [((2,), "x"), ((2,), "P1")]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--report", "f.csv"), "give --set"),
        (("--set", "sprint-7", "--report", "f.txt"), "must end with"),
        (("--set", "sprint-7", "--report", "nowhere/f.csv"), "does not exist"),
        (("--set", "nothing-of-that-name", "--report", "f.csv"), "no change set is called"),
    ],
)
def test_a_report_that_cannot_be_is_refused(command, ledger, args, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("failures", *args)
    assert done.exit_code == 2
    assert why in done.stderr
    assert list(tmp_path.glob("f.*")) == []


def test_it_is_said_whether_a_set_can_be_undone(command, ledger, table):
    command("import", table, *PLACE, "--import-id", "sprint-7", "--keep-before")
    ledger.take_in()
    ledger.look_at_all()
    assert "undo" not in command("show", "--set", "sprint-7").stdout
    batch = ledger.claim()
    ledger.lane.keep_before(batch, dict.fromkeys(batch.cells, '["text","old"]'))
    kept = len(batch.items)
    assert command.json("show", "--set", "sprint-7")["kept_values"] == kept
    values = f"{kept} value{'s' if kept > 1 else ''} from before"
    told = command("show", "--set", "sprint-7").stdout
    assert f"{values}; to put them back, once it has ended: feishu-batch undo sprint-7" in told


def test_its_items_are_known_wherever_its_intents_are(command, ledger, table, redis_url, prefix):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    ledger.do_all({2: "WorkItemTerminated"})
    command.enqueue(7, change_set="sprint-7")
    session = session_of(Settings(redis_url=redis_url, key_prefix=prefix))
    assert set(items_of_set(session, "sprint-7", {PROJECT}, "story")) == {1, 2, 3, 7}
    assert list(items_of_set(session, "sprint-7", {PROJECT}, "issue")) == []


def test_it_is_canceled_as_one(command, ledger, table):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    other = command.enqueue(9)
    ledger.take_in()
    told = command("cancel", "--set", "sprint-7", "--yes")
    assert "6 items of 4 intents canceled" in told.stdout
    assert command.json("show", "--set", "sprint-7")["state"] == "canceled"
    assert command.json("show", other)["state"] == "open"


def test_an_intent_may_name_its_change_set(command, ledger):
    command.enqueue(1, change_set="release:1.0")
    assert command.json("show", "--set", "release:1.0")["total"] == 1
    wrong = command("import", "x.csv", "--import-id", "no blanks")
    assert (wrong.exit_code, "--import-id 'no blanks': use 1 to 64 letters" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    "args",
    [("show", "--set", "nosuch"), ("failures", "--set", "nosuch"), ("cancel", "--set", "nosuch", "--yes")],
    ids=lambda args: args[0],
)
def test_a_set_that_nobody_knows_is_2(command, args):
    told = command(*args)
    assert told.exit_code == 2
    assert "no change set is called 'nosuch'; `feishu-batch sets` lists" in told.stderr


@pytest.mark.parametrize(
    "args", [("show",), ("failures",), ("cancel", "--yes"), ("retry", "--yes")], ids=lambda a: a[0]
)
def test_the_error_names_the_nearest_set(command, args):
    command.enqueue(1, change_set="sprint-17")
    told = command(*args, "--set", "sprint-7")
    assert told.exit_code == 2
    assert "no change set is called 'sprint-7'; did you mean sprint-17?" in told.stderr


def test_without_any_set_the_command_says_how_to_make_one(command):
    told = command("sets")
    assert (told.exit_code, told.stdout.startswith("No change sets. Import a file, or name a change_set")) == (0, True)
    assert command.json("sets") == {"sets": []}


def test_failures_of_a_set_are_retried_within_it(command, ledger, table):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    other = command.enqueue(9)
    ledger.do_all({2: "WorkItemTerminated", 9: "WorkItemTerminated"})
    assert len(command.json("failures", "--set", "sprint-7")["failures"]) == 2
    told = command.json("retry", "--set", "sprint-7", "--yes")
    assert [one["items"] for one in told["intents"]] == [[2], [2]]
    assert other not in {one["retry_of"] for one in told["intents"]}
    found = command.json("show", "--set", "sprint-7")
    assert (found["state"], found["intents"], found["pending"]) == ("open", 6, 2)
    ledger.do_all()
    found = command.json("show", "--set", "sprint-7")
    assert (found["state"], found["counts"]) == ("partial", {"succeeded": 6, "failed": 2})
    assert command.json("failures", "--set", "sprint-7")["failures"] == []
    assert "No failed changes." in command("failures", "--set", "sprint-7").stdout
    wrong = command("retry", "--set", "sprint-7", "--intent", other, "--yes")
    assert (wrong.exit_code, "not both" in wrong.stderr) == (2, True)


def test_requests_are_those_with_changes_of_the_set(command, ledger, table):
    """A request for two sets counts for both, one for a stranger for none."""
    command("import", table, *PLACE, "--import-id", "sprint-7")
    shared = command.enqueue(1, 9, field="field_x", change_set="other")
    command.enqueue(2, field="field_x", change_set="sprint-7")
    command.enqueue(10, field="field_y")
    ledger.take_in()
    requests = 0
    while ledger.lane.counts().ready_groups:
        batch = ledger.claim()
        requests += 1
        ledger.settle(batch)
    by_set = {name: command.json("show", "--set", name)["requests"] for name in ("sprint-7", "other")}
    assert by_set == {"sprint-7": requests - 1, "other": 1}
    assert f"requests   {requests - 1}" in command("show", "--set", "sprint-7").stdout
    assert command.json("show", shared)["requests"] == 1


def test_an_import_counts_its_own_requests(command, ledger, table):
    for item in range(100, 105):
        command.enqueue(item, field="field_x", after=f'"{item}"')
    stop = threading.Event()

    def work():
        while not stop.wait(0.05):
            ledger.do_all()

    worker = threading.Thread(target=work)
    worker.start()
    told = json.loads(
        command("import", table, *PLACE, "--import-id", "sprint-7", "--timeout", "60", "--wait", "--json").stdout
    )
    stop.set()
    worker.join()
    assert told["requests"] == command.json("show", "--set", "sprint-7")["requests"] < 5


def test_an_intent_names_its_set_and_a_set_its_note(command, ledger):
    queued = command.enqueue(1, change_set="release-1", note="ship it")
    assert command.json("show", queued)["change_set"] == "release-1"
    ledger.take_in()
    assert command.json("show", queued)["change_set"] == "release-1"
    assert command.json("show", "--set", "release-1")["note"] == "ship it"
    assert "ship it" in command("sets").stdout


@pytest.mark.parametrize(
    "args",
    [
        ("show",),
        ("show", "x", "--set", "y"),
        ("failures", "--set", "x", "--since", "1h"),
        ("cancel", "x", "--set", "y"),
    ],
)
def test_a_set_stands_alone(command, args):
    assert command(*args).exit_code == 2


def test_a_set_is_forgotten_with_its_intents(command, ledger, table):
    command("import", table, *PLACE, "--import-id", "sprint-7")
    ledger.do_all()
    command.enqueue(1, change_set="young")
    ledger.take_in()
    old = [
        (number, intent_id)
        for name in ("succeeded", "failed")
        for number, intent_id in ledger.lane.forgettable(name, -1, 4)
    ]
    forget(ledger.inbox, ledger.lane, old)
    assert [one["change_set"] for one in command.json("sets")["sets"]] == ["young"]


def test_show_and_sets_say_who_enqueued(command, ledger):
    own = command.enqueue(1, change_set="release-1")
    ledger.take_in()
    name = command.json("show", own)["producer"]
    assert name.endswith(f"@{socket.gethostname()}, feishu-batch")
    assert command.json("sets")["sets"][0]["producer"] == name
    assert name in command("show", own).stdout
    assert name in command("show", "--set", "release-1").stdout
