"""Change sets as one thing: `sets`, `show --set`, `failures --set`, `cancel --set`; imports, intents and programs make them."""

import json

import pytest

from feishu_batch.intents import parse_intent
from tests.support.rows_factory import PROJECT, csv_text, row

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
    assert "no change set is called 'nosuch'" in told.stderr


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
    ledger.inbox.forget(old)
    ledger.lane.forget([number for number, _ in old])
    assert ledger.inbox.forget_sets(100) == 4
    assert [one["change_set"] for one in command.json("sets")["sets"]] == ["young"]
