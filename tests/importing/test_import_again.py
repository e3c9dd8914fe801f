"""A file that was imported before: nothing is sent, which is said first, and what came over it since."""

import json

import pytest

from tests.support.rows_factory import HEADER, PROJECT, csv_text, row


@pytest.fixture
def file(tmp_path):
    def write(name, value, *items, header=HEADER, more=()):
        path = tmp_path / f"{name}.csv"
        path.write_text(csv_text(*([*row(str(item), after=value), *more] for item in items), header=header))
        return path

    return write


@pytest.fixture
def a_b_a(command, ledger, file):
    """File A, then B, both done."""
    a, b = file("A", '{"value": "option_0"}', 1, 2, 3), file("B", '{"value": "option_1"}', 1, 2)
    for one in (a, b):
        assert command("import", one).exit_code == 0
        ledger.do_all()
    return a, b


def test_the_third_import_says_first_that_nothing_was_sent_and_why(command, ledger, a_b_a):
    a, _ = a_b_a
    result = command("import", a)
    assert result.exit_code == 1
    first, why, *_ = result.stdout.splitlines()
    assert first.startswith("Nothing was sent: all 3 rows were imported before, on 20")
    assert first.endswith(" +08:00.")
    assert why == "Later intents changed the same fields: 2 cells hold another value now, or will:"
    assert '{"value": "option_1"}' in result.stdout
    assert "use a new --import-id" in result.stdout
    assert ledger.inbox.length() == 0


def test_the_later_change_is_named(command, ledger, a_b_a):
    a, b = a_b_a
    told = json.loads(command("import", a, "--json").stdout)
    later = {one["intent_id"] for one in told["before"]["changed_by"]}
    assert later == {one["intent_id"] for one in report_of(command, b)}
    assert told["before"]["changed_since"] == 2
    assert told["before"]["in_effect"] is False
    [one, two] = told["before"]["changed_by"]
    assert sorted([*one["lines"], *two["lines"]]) == [2, 3]
    assert one["field_key"] == "priority"
    assert one["value"] == {"value": "option_1"}


def report_of(command, path):
    out = path.with_suffix(".jsonl")
    command("import", path, "--report", out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_an_import_again_that_changes_nothing_is_successful(command, ledger, file):
    a = file("A", "x", 1, 2)
    command("import", a)
    ledger.do_all()
    result = command("import", a)
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing was sent: all 2 rows were imported before")
    assert "Later intents changed" not in result.stdout


@pytest.mark.parametrize("args", [(), ("--wait",)])
def test_waiting_or_not_the_exit_code_tells(command, a_b_a, args):
    result = command("import", a_b_a[0], *args)
    assert result.exit_code == 1
    assert result.stdout.startswith("Nothing was sent")


@pytest.mark.parametrize("args", [("--against-backlog",)])
def test_plan_says_so_too(command, a_b_a, args):
    result = command("plan", a_b_a[0], *args)
    assert result.exit_code == 1
    assert result.stdout.startswith("Nothing would be sent: all 3 rows were imported before")
    assert json.loads(command("plan", a_b_a[0], *args, "--json").stdout)["before"]["changed_since"] == 2
    assert "--against-backlog shows which rows were imported before" in command("plan", a_b_a[0]).stdout


def test_a_new_import_id_sends_it_again_and_then_it_holds(command, ledger, a_b_a):
    a, _ = a_b_a
    assert command("import", a, "--import-id", "again").exit_code == 0
    ledger.do_all()
    result = command("import", a)
    assert result.exit_code == 0, "the newest change of each cell says the same"
    assert "Later intents changed" not in result.stdout


def test_a_part_that_was_imported_before_is_counted(command, ledger, file):
    command("import", file("A", "x", 1, 2), "--import-id", "weekly")
    ledger.do_all()
    result = command("import", file("A", "x", 1, 2, 3), "--import-id", "weekly")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 of 3 rows were imported before")
    assert "1 enqueued, 2 enqueued by an earlier run" in result.stdout


@pytest.mark.parametrize("end", ["canceled", "waiting", "superseded"])
def test_only_what_stands_counts_as_a_later_change(command, ledger, file, end):
    a = file("A", '{"value": "option_0"}', 1)
    command("import", a)
    ledger.do_all()
    later = command.enqueue(1, note="of the night")
    if end == "canceled":
        ledger.take_in()
        command("cancel", later)
    if end == "superseded":
        command.enqueue(1, after='{"value": "option_0"}')
        ledger.do_all()
    result = command("import", a)
    assert result.exit_code == (1 if end == "waiting" else 0), result.stdout
    assert ("of the night" in result.stdout) == (end == "waiting")


def test_what_never_arrived_is_no_success(command, ledger, file):
    a = file("A", "x", 1, 2, 3)
    command("import", a)
    ledger.take_in()
    assert command("cancel", "--file", a, "--yes").exit_code == 0
    result = command("import", a)
    assert result.exit_code == 1
    assert "Of their changes, 3 were canceled, and are not sent again." in result.stdout


def test_what_failed_and_succeeded_on_a_retry_is_in_effect(command, ledger, file):
    a = file("A", "x", 1)
    command("import", a)
    ledger.do_all({1: "Terminated"})
    assert "Of their changes, 1 failed" in command("import", a).stdout
    command("retry", "--all", "--yes")
    ledger.do_all()
    assert command("import", a).exit_code == 0


def test_a_later_row_of_the_same_file_is_no_other_change(command, ledger, tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text(csv_text(row("1", after="x"), row("1", after="y")))
    command("import", path)
    ledger.do_all()
    assert command("import", path).exit_code == 0


def test_ids_of_the_file_must_be_changed_in_the_file(command, ledger, file):
    a = file("A", "x", 1, header=(*HEADER, "intent_id"), more=("mine",))
    command("import", a)
    assert "give them other ids in the column intent_id" in command("import", a).stdout


def test_what_is_forgotten_is_not_taken_for_unchanged(command, ledger, a_b_a):
    a, _ = a_b_a
    ledger.lane.forget([4, 5])
    result = command("import", a)
    assert result.exit_code == 1
    assert "Of 2 later intents it is not known whether they changed the same cells" in result.stdout


def test_work_is_bounded_and_the_bound_is_reported(command, ledger, a_b_a, monkeypatch):
    monkeypatch.setattr("worker.operating.duplicates.MOST_LOOKED_AT", 1)
    result = command("import", a_b_a[0])
    assert "1 cell holds another value now" in result.stdout
    assert "Of 1 later intent it is not known" in result.stdout


def test_enqueue_of_a_known_id_says_so_and_tells_the_later_change(command, ledger):
    command.enqueue(1, intent_id="mine", after="x")
    ledger.do_all()
    args = ("enqueue", "--space", PROJECT, "--type", "story", "--field", "priority", "--item", "1")
    again = command(*args, "--after", "x", "--intent-id", "mine")
    assert (again.exit_code, again.stdout) == (0, "mine\n")
    assert "Nothing was enqueued: this intent was enqueued before, on " in again.stderr
    command.enqueue(1, intent_id="other", after="y", note="of the night")
    ledger.do_all()
    again = command(*args, "--after", "x", "--intent-id", "mine")
    assert (again.exit_code, again.stdout) == (1, "mine\n")
    assert "of the night" in again.stderr
    assert "other" in again.stderr
