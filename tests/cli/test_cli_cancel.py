"""`cancel` of several intents, and of a whole import by its file."""

import json

import openpyxl
import pytest

from tests.support.rows_factory import HEADER, csv_text, row


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(*[row(str(item)) for item in range(1, 6)]))
    return path


def states(command, *intents):
    return [command.json("show", intent)["state"] for intent in intents]


def test_several_intents_are_canceled_after_a_question(command, ledger):
    intents = [command.enqueue(item) for item in (1, 2, 3)]
    ledger.take_in()
    refused = command("cancel", *intents[:2], input="n\n")
    assert (refused.exit_code, states(command, *intents)) == (2, ["open"] * 3)
    done = command("cancel", *intents[:2], input="y\n")
    assert done.exit_code == 0
    assert done.stdout.endswith("2 items of 2 intents canceled, 0 already in requests and not affected\n")
    assert states(command, *intents) == ["canceled", "canceled", "open"]


def test_all_intents_of_an_import_are_canceled_by_its_file(command, ledger, file):
    other = command.enqueue(77)
    command("import", file)
    ledger.take_in()
    batch = ledger.claim()  # 50 places, so all that was imported, and the other one
    ledger.settle(batch)
    command("import", file, "--import-id", "again")
    ledger.take_in()
    told = command("cancel", "--file", file, "--import-id", "again", "--yes")
    assert told.stdout == "5 items of 5 intents canceled, 0 already in requests and not affected\n"
    told = command("cancel", "--file", file, "--yes")
    assert (
        told.stdout
        == "0 items of 0 intents canceled, 0 already in requests and not affected, 5 intents had ended before\n"
    )
    assert states(command, other) == ["succeeded"]


def test_more_intents_than_one_step_are_all_canceled(command, ledger, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(csv_text(*[row(str(item)) for item in range(1, 1203)]))
    command("import", path)
    ledger.take_in()
    ledger.claim()
    told = command.json("cancel", "--file", path, "--yes")
    assert told == {"intents": 1152, "items": 1152, "in_flight": 50, "ended": 0, "unknown": 0, "dry_run": False}


@pytest.mark.parametrize("choice", ["skip", "include"])
def test_an_import_with_hidden_rows_is_canceled_without_that_option(command, ledger, tmp_path, choice):
    path, book = tmp_path / "plan.xlsx", openpyxl.Workbook()
    for cells in (HEADER, row("1"), row("2"), row("1"), row("3")):
        book.active.append(cells)
    book.active.row_dimensions[2].hidden = True  # the same change as in a row that is shown
    book.save(path)
    command("import", path, "--hidden", choice)
    ledger.take_in()
    enqueued = {"skip": 3, "include": 4}[choice]
    told = command.json("cancel", "--file", path, "--yes")
    assert (told["items"], told["unknown"]) == (enqueued, 4 - enqueued)


def test_rows_that_were_changed_since_are_not_meant(command, ledger, file):
    command("import", file)
    ledger.take_in()
    file.write_text(file.read_text().replace("option_1", "option_2"))
    result = command("cancel", "--file", file, "--yes")
    assert result.exit_code == 2
    assert "no row of this file was enqueued here" in result.stderr


def test_an_unknown_id_among_several_cancels_none(command, ledger):
    known = command.enqueue(1)
    ledger.take_in()
    result = command("cancel", known, "nothing", "--yes")
    assert (result.exit_code, "no intent nothing" in result.stderr) == (2, True)
    assert states(command, known) == ["open"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nothing to cancel"),
        (("some-id", "--file", "plan.csv"), "nothing to cancel"),
        (("some-id", "--import-id", "x"), "need --file"),
        (("--file", "nowhere.csv"), "there is no such file. Nothing was canceled."),
    ],
)
def test_wrong_use_is_reported(command, args, said):
    result = command("cancel", *args)
    assert (result.exit_code, said in result.stderr) == (2, True), result.output


def test_json_asks_no_person(command, ledger, file):
    command("import", file)
    ledger.take_in()
    assert "--json cannot ask for confirmation; add --yes" in command("cancel", "--file", file, "--json").stderr
    intent = command.enqueue(9)
    ledger.take_in()
    assert json.loads(command("cancel", intent, "--json").stdout)["items"] == 1


@pytest.mark.parametrize("how", ["a set", "ids", "one id", "a file"])
def test_a_dry_run_says_what_would_be_canceled_and_cancels_nothing(command, ledger, tmp_path, how):
    first = command.enqueue(1, 2, change_set="sprint")
    ledger.take_in()
    ledger.accept(ledger.claim())
    path = tmp_path / "changes.csv"
    path.write_text(csv_text(row("3")))
    command("import", path)
    ledger.take_in()
    second = command.enqueue(4, 5, change_set="sprint", field="description", after='"in the inbox"')
    asked, intents, items, in_flight = {
        "a set": (("--set", "sprint"), 2, 2, 2),
        "ids": ((first, second), 2, 2, 2),
        "one id": ((second,), 1, 2, 0),
        "a file": (("--file", path), 1, 1, 0),
    }[how]
    found = command.json("cancel", *asked, "--dry-run")
    assert found == {
        "intents": intents, "items": items, "in_flight": in_flight, "ended": 0, "unknown": 0, "dry_run": True,
    }  # fmt: skip
    said = command("cancel", *asked, "--dry-run").stdout
    assert (
        f"{items} item{'s' if items > 1 else ''} of {intents} intent{'s' if intents > 1 else ''} would be canceled"
        in said
    )
    assert len(ledger.in_inbox()) == 1
    assert ledger.lane.counts().owned_cells == 3
