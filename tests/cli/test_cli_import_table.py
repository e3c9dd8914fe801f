"""`import`, `plan` and `cancel` of a table, and the report, which is a table again."""

import csv
import json
from datetime import date, timedelta, timezone

import openpyxl
import pytest

from feishu_batch.intents import parse_intent
from feishu_batch.written import Kind, Written
from tests.importing.books import book, saved
from tests.support.report_rows import report_rows
from tests.support.rows_factory import PROJECT
from worker.importing.report_file import text_of
from worker.importing.row import fitting_id
from worker.importing.wide.raw import TypedCells

PLACE = ("--space", PROJECT, "--type", "story", "--field", "Note=note", "--field", "Prio=priority")
TEXT = "ID,Note,Prio\n1,x,P0\n2,x,P1\n3,,P0\nbad,x,P0\n4,#REF!,P0\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(TEXT)
    return path


def intents(ledger):
    return [parse_intent(entry.payload) for entry in ledger.in_inbox()]


def test_a_table_is_enqueued_as_one_intent_per_value(command, ledger, table):
    told = command("import", table, *PLACE)
    assert told.exit_code == 1
    assert "5 rows of" in told.stdout
    assert "6 cells to write, 1 empty cell skipped; 3 intents: 3 enqueued; 2 cells rejected" in told.stdout
    assert "Note is 'note'; Prio is 'priority'" in told.stdout
    made = [(i.field_key, i.after_field_value, i.work_item_ids) for i in intents(ledger)]
    assert made == [("note", "x", (1, 2)), ("priority", "P0", (1, 3, 4)), ("priority", "P1", (2,))]


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        ("sprint 7", "sprint-7"),
        ("第7迭代", "7-"),
        ("第七迭代", ""),
        ("a/b", "a-b-"),
        ("x" * 65, "x" * 55 + "-"),
        ("", ""),
    ],
)
def test_an_import_id_that_does_not_fit_is_2_and_one_that_does_is_offered(command, table, given, offered):
    told = command("import", table, *PLACE, "--import-id", given)
    assert told.exit_code == 2
    found = told.stderr.strip().rpartition("--import-id ")[2]
    assert found.startswith(offered)
    assert command("import", table, *PLACE, "--import-id", found).exit_code == 1  # this table has wrong cells


def test_names_that_differ_are_offered_different_ids():
    assert len({fitting_id(name) for name in ("第7迭代", "第7周", "7 ", "7/", "7")}) == 5


def test_rejections_name_row_column_field_value_and_reason(command, table):
    document = json.loads(command("import", table, *PLACE, "--json").stdout)
    cell, row = sorted(document["rejected"], key=lambda one: -one["line"])
    assert {name: cell[name] for name in ("line", "column", "field", "value")} == {
        "line": 6,
        "column": "Note",
        "field": "'note'",
        "value": "#REF!",
    }
    assert row == {"line": 5, "reason": "ID: 'bad' is not a work item id"}
    assert document["table"]["cells"] == 6


@pytest.mark.parametrize("name", ["plan.csv", "plan.jsonl", "plan.xlsx"])
@pytest.mark.parametrize("verb", ["import", "plan"])
def test_an_empty_file_is_called_empty(command, tmp_path, verb, name):
    (tmp_path / name).touch()
    told = command(verb, tmp_path / name, *PLACE)
    assert (told.exit_code, f"{name}: it is empty" in told.stderr) == (2, True)


NOWHERE = {
    "FEISHU_BATCH_BASE_URL": "http://127.0.0.1:1",
    **{f"FEISHU_BATCH_{name}": "x" for name in ("PLUGIN_ID", "PLUGIN_SECRET", "USER_KEY")},
}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize("verb", ["import", "plan"])
def test_that_feishu_project_does_not_answer_is_said_first_and_is_3(command, ledger, tmp_path, verb, suffix):
    command.env |= NOWHERE
    path = tmp_path / f"plan{suffix}"
    if suffix == ".xlsx":
        path.write_bytes(saved(book([1, "x"], header=("id", "Note"))).getvalue())
    else:
        path.write_text("id,Note\n1,x\n")
    told = command(verb, path, "--space", PROJECT, "--type", "story")
    assert told.exit_code == 3
    assert "Feishu Project could not be asked which field the column 'Note' is (" in told.stderr
    assert "check FEISHU_BATCH_BASE_URL, and run `feishu-batch doctor`" in told.stderr
    assert "credentials" not in told.stderr
    assert ledger.inbox.length() == 0


def test_what_the_user_names_needs_no_answer(command, ledger, tmp_path):
    command.env |= NOWHERE
    (tmp_path / "plan.csv").write_text("id,Note\n1,x\n")
    told = command("import", tmp_path / "plan.csv", *PLACE[:4], "--field", "Note=note")
    assert (told.exit_code, ledger.inbox.length()) == (0, 1), told.output


def test_the_same_table_again_is_the_same_work_and_one_that_was_cut_off_goes_on(command, ledger, table, monkeypatch):
    from worker.importing import enqueue_rows

    monkeypatch.setattr(enqueue_rows, "ROWS_PER_STEP", 3)
    monkeypatch.setattr(enqueue_rows.Journal, "add", _cut_off)
    with pytest.raises(KeyError):
        command("import", table, *PLACE, "--report", table.parent / "out.csv")
    assert 0 < ledger.inbox.length() < 3
    monkeypatch.undo()
    assert "2 enqueued, 1 enqueued by an earlier run" in command("import", table, *PLACE).stdout
    again = command("import", table, *PLACE)
    assert "Nothing was sent: all 3 intents were imported before" in again.stdout
    assert "0 enqueued, 3 enqueued by an earlier run" in again.stdout
    assert ledger.inbox.length() == 3
    command("import", table, *PLACE, "--import-id", "anew")
    assert ledger.inbox.length() == 6


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ((), "enqueues no intent twice\n"),
        (("--report", "out.csv"), "The report out.csv was not written: the same command writes it later\n"),
    ],
    ids=["without a report", "with a report"],
)
def test_ctrl_c_while_waiting_counts_intents_and_says_that_there_is_no_report(
    command, table, monkeypatch, options, end
):
    from worker.cli import import_run

    monkeypatch.setattr(import_run, "_follow", _interrupted)
    told = command("import", table, *PLACE, "--wait", *options)
    assert told.exit_code == 130
    assert "Stopped. 3 intents are enqueued, and their work continues: " in told.stderr
    assert told.stderr.endswith(end)
    assert not (table.parent / "out.csv").exists()


def _interrupted(*_args):
    raise KeyboardInterrupt


def _cut_off(_journal, _notes):
    raise KeyError("cut off")


def test_plan_shows_the_same_and_needs_nobody(command, ledger, table):
    told = command("plan", table, *PLACE)
    assert told.exit_code == 1
    assert "6 cells to write, 1 empty cell skipped; 3 intents: 3 to be enqueued; 2 cells rejected" in told.stdout
    assert "changes    6: 6 to send" in told.stdout
    assert ledger.inbox.length() == 0


def test_strict_enqueues_nothing(command, ledger, table):
    told = command("import", table, *PLACE, "--strict")
    assert told.exit_code == 2
    assert "ID: 'bad' is not a work item id" in told.stderr
    assert ledger.inbox.length() == 0


def test_a_table_is_canceled_with_its_file(command, ledger, table):
    command("import", table, *PLACE)
    ledger.take_in()
    told = command("cancel", "--file", table, *PLACE, "--yes")
    assert "6 items of 3 intents canceled" in told.stdout


def test_names_that_nobody_can_look_up_are_refused_before_anything_is_enqueued(command, ledger, table):
    told = command("import", table, "--space", PROJECT, "--type", "story")
    assert told.exit_code == 2
    assert "columns 'Note', 'Prio': whether a field is called so cannot be looked up" in told.stderr
    assert ledger.inbox.length() == 0


# --- the report -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_the_report_is_the_table_with_what_needs_somebody_first(command, ledger, table, kind):
    out = table.parent / f"out.{kind}"
    command("import", table, *PLACE)
    ledger.do_all({2: "WorkItemTerminated"})
    assert command("import", table, *PLACE, "--report", out).exit_code == 1
    rows = report_rows(out)
    told = [(int(row["import_line"]), row["import_state"]) for row in rows]
    assert told == [(3, "failed"), (5, "rejected"), (6, "rejected"), (2, "succeeded"), (4, "succeeded")]
    assert rows[0]["import_code"] == "WorkItemTerminated"
    assert "Note: the remote said WorkItemTerminated; Prio: the remote" in rows[0]["import_reason"]
    assert [rows[2][name] or "" for name in ("Note", "Prio")] == ["#REF!", ""]  # what is done is not sent again


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_report_that_was_corrected_is_a_table_to_import(command, ledger, table, kind):
    out = table.parent / f"out.{kind}"
    command("import", table, *PLACE)
    ledger.do_all({2: "WorkItemTerminated"})
    command("import", table, *PLACE, "--report", out)
    before = ledger.inbox.length()
    correct(out)
    told = command("import", out, *PLACE)
    assert told.exit_code == 0, told.output
    made = [(i.field_key, i.after_field_value, i.work_item_ids) for i in intents(ledger)[before:]]
    assert made == [("note", "x", (2, 5)), ("priority", "P1", (2,)), ("priority", "P0", (5,)), ("note", "fixed", (4,))]
    assert "2 rows of the report left out" in told.stdout


def correct(path):
    changes = {"5": ("ID", "5"), "6": ("Note", "fixed")}
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        names = [cell.value for cell in book.active[1]]
        for cells in book.active.iter_rows(min_row=2):
            if change := changes.get(str(cells[0].value)):
                cells[names.index(change[0])].value = change[1]
        book.save(path)
        return
    rows = report_rows(path)
    for row in rows:
        if change := changes.get(str(row["import_line"])):
            row[change[0]] = change[1]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


# --- the report of a workbook ---------------------------------------------------------------------------------------

TYPED = ("ID", "Points", "Due", "Done", "Note")


@pytest.fixture
def workbook(tmp_path):
    book = openpyxl.Workbook()
    for row in (TYPED, (1, 2.5, date(2030, 1, 31), True, "x"), (2, 3, date(2030, 2, 1), False, "y")):
        book.active.append(row)
    path = tmp_path / "plan.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_failed_cell_of_a_workbook_is_sent_again_as_it_was(command, ledger, workbook, kind):
    """A number, a date, a truth value: a permission was missing, or nothing could be looked up; the value is good."""
    out, fields = workbook.parent / f"out.{kind}", [f"--field={name}={name.lower()}" for name in TYPED[1:]]
    place = ("--space", PROJECT, "--type", "story", *fields)
    worker = ledger.do_all_when_it_comes({1: "NoPermission"})
    told = command("import", workbook, *place, "--wait", "--report", out)
    worker.join()
    assert told.exit_code == 1
    failed, other = report_rows(out)
    assert (failed["import_state"], other["import_code"]) == ("failed", "cannot_resolve")  # of the second row its date
    assert "#VALUE!" not in map(str, [*failed.values(), *other.values()])
    again = command("import", out, *place)
    assert "5 cells to write, 3 empty cells skipped; 5 intents: 5 enqueued\n" in again.stdout
    meant = {(i.field_key, plain(i.after_field_value)) for i in intents(ledger)}
    assert meant == {
        ("points", "2.5"),
        *(("due", f"2030-{day}T00:00:00+08:00") for day in ("01-31", "02-01")),
        ("done", "TRUE"),
        ("note", "x"),
    }


def plain(value):
    written = Written.of(value)
    return written.text if written else str(value).upper() if isinstance(value, bool) else str(value)


def test_every_cell_that_did_not_succeed_has_its_reason(command, ledger, table):
    table.write_text("ID,Note,Prio\n1,#REF!,P0\n")
    out = table.parent / "out.csv"
    worker = ledger.do_all_when_it_comes({1: "NoPermission"})
    command("import", table, *PLACE, "--wait", "--report", out)
    worker.join()
    [row] = report_rows(out)
    assert row["import_state"] == "rejected"
    note, prio = row["import_reason"].split("; ")
    assert note.startswith("Note: ")
    assert "#REF!" in note
    assert prio == "Prio: failed: the remote said NoPermission"


def test_what_begins_like_a_formula_comes_back_from_a_report_as_it_was(command, ledger, table):
    table.write_text("ID,Note,State,Reason\n1,=1+1,'=a,x\n2,'=lit,b,'=y\n")
    out, names = table.parent / "out.csv", ("--field", "State=state", "--field", "Reason=reason")
    place = ("--space", PROJECT, "--type", "story", "--field", "Note=note", *names)
    worker = ledger.do_all_when_it_comes({1: "NoPermission", 2: "NoPermission"})
    command("import", table, *place, "--wait", "--report", out)
    worker.join()
    command("import", out, *place)
    assert {i.after_field_value for i in intents(ledger)} == {"=1+1", "'=lit", "'=a", "b", "x", "'=y"}


def test_a_number_that_is_shown_as_another_text_comes_back_as_that_text():
    assert text_of({"$number": "1.1", "shown": "1.10"}) == "1.10"
    assert text_of({"$number": "123", "shown": "00123"}) == "00123"
    assert text_of({"$number": "2.5"}) == "2.5"


def test_a_date_of_a_workbook_keeps_its_zone_in_the_report():
    cell = Written(Kind.DATE, "2026-01-31T18:00:00")
    assert TypedCells(timezone(timedelta(hours=-5))).written(cell)["$date"] == "2026-01-31T18:00:00-05:00"
