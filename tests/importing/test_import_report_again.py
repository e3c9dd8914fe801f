"""A report that was corrected is a file to import: what failed is sent again, what is done is not, and values stay what they were."""

import csv
import json

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feishu_batch.written import untagged
from tests.support.report_rows import report_rows
from tests.support.rows_factory import HEADER, PROJECT, csv_text, row
from worker.importing.report_columns import COLUMNS, guarded, unguarded
from worker.importing.report_file import write_report

KINDS = ["csv", "jsonl", "xlsx"]
VALUES = [
    "0012",
    "_x000D_",
    '="0012"',
    "=1+1",
    "+8613800138000",
    "-x",
    "@home",
    "'=x",
    "a,b;\tc",
    "zwei\nZeilen",
    "P0",
    "完成",
    "1.10",
]


@pytest.fixture
def failed(command, ledger, tmp_path):
    """A file of which item 2 failed and line 5 was rejected, and its report."""

    def run(kind, value="x"):
        path, out = tmp_path / "plan.csv", tmp_path / f"out.{kind}"
        rows = [[*row(item, "field_a1b2c3", after=value), "for Mia"] for item in ("1 2", "3", "4")]
        path.write_text(csv_text(*rows, [*row("bad", after=value), "wrong"], header=(*HEADER, "note")))
        command("import", path)
        ledger.do_all({2: "WorkItemTerminated"})
        assert command("import", path, "--report", out).exit_code == 1
        return out

    return run


def correct(path, **columns):
    """Give the rejected row an item, and whatever else."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        for cells in book.active.iter_rows(min_row=2):
            if cells[1].value == "rejected":
                for name, value in columns.items():
                    cells[COLUMNS.index(name)].value = value
        book.save(path)
        return
    rows = report_rows(path)
    for one in rows:
        if one["state"] == "rejected":
            one.update(columns)
    if path.suffix == ".jsonl":
        ids = [
            {**one, "work_item_ids": [int(one["work_item_ids"])]} if one["state"] == "rejected" else one for one in rows
        ]
        path.write_text("".join(json.dumps(one) + "\n" for one in ids))
        return
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_what_failed_stands_first_with_all_that_a_person_needs(failed, kind):
    rows = report_rows(failed(kind))
    assert [one["state"] for one in rows] == ["failed", "rejected", "succeeded", "succeeded", "succeeded"]
    assert [one["line"] for one in rows] == ([2, 5, 2, 3, 4] if kind != "csv" else ["2", "5", "2", "3", "4"])
    first = rows[0]
    assert first["reason"] == "the remote said WorkItemTerminated"
    assert (first["field_key"], first["after_field_value"], first["note"]) == ("field_a1b2c3", "x", "for Mia")
    assert rows[1]["reason"] == "work_item_ids: 'bad' is not a work item id"
    assert (rows[1]["work_item_ids"], rows[1]["note"]) == ("bad", "wrong")


@pytest.mark.parametrize("kind", KINDS)
def test_import_correct_import_the_report(command, ledger, failed, kind):
    out = failed(kind)
    correct(out, work_item_ids="9")
    before = ledger.inbox.length()
    told = json.loads(command("import", out, "--json").stdout)
    assert (told["enqueued"], told["left_out"], told["rejected_count"]) == (2, 3, 0)
    assert ledger.inbox.length() == before + 2
    contents = [json.loads(entry.payload) for entry in ledger.in_inbox()]
    assert [one["work_item_ids"] for one in contents] == [[2], [9]]
    assert {one["note"] for one in contents} == {"for Mia", "wrong"}
    text = command("import", out).stdout
    assert "3 left out, because the report says that they succeeded, are in progress or were superseded" in text
    assert command("plan", out).exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_corrected_is_rejected_again(command, failed, kind):
    told = json.loads(command("import", failed(kind), "--json").stdout)
    assert (told["enqueued"], told["left_out"], told["rejected_count"]) == (1, 3, 1)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_values_read_back_to_the_same_value(command, ledger, failed, kind, value):
    out = failed(kind, value)
    [was] = {
        json.dumps(untagged(json.loads(entry)["after_field_value"])) for entry in payloads_of(command, ledger, out)
    }
    assert was


def payloads_of(command, ledger, out):
    """What stood in the ledger for the item that failed, and what the report makes of it."""
    [shown] = [command.json("show", one["intent_id"]) for one in report_rows(out) if one["state"] == "failed"]
    command("import", out)
    return [json.dumps(shown["group"]), *(entry.payload for entry in ledger.in_inbox())]


@pytest.mark.parametrize("value", VALUES)
def test_no_cell_of_a_workbook_is_a_formula_or_a_number(failed, value):
    book = openpyxl.load_workbook(failed("xlsx", value))
    cells = [cell for cells in book.active.iter_rows(min_row=2) for cell in cells[1:] if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}


@pytest.mark.parametrize("value", VALUES)
def test_no_cell_of_a_csv_begins_like_a_formula(failed, value):
    with failed("csv", value).open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for cells in csv.reader(file) for cell in cells]
    assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}] == []


def test_a_csv_begins_with_the_mark_that_spreadsheets_know(failed):
    assert failed("csv").read_bytes().startswith(b"\xef\xbb\xbfline,state,")


@given(st.text())
def test_a_guard_is_taken_off_as_it_was_put_on(text):
    assert unguarded(guarded(text)) == text


def test_a_row_that_had_no_value_does_not_clear_the_field_when_it_comes_back(command, ledger, tmp_path):
    path = tmp_path / "plan.jsonl"
    one = {"project_key": PROJECT, "work_item_type_key": "story", "work_item_ids": [1], "field_key": "priority"}
    path.write_text(json.dumps({**one, "update_mode": "UPDATE"}))
    for kind in KINDS:
        out = tmp_path / f"out.{kind}"
        command("import", path, "--report", out)
        told = json.loads(command("import", out, "--json").stdout)
        assert (told["enqueued"], told["rejected_count"]) == (0, 1), kind
    assert ledger.inbox.length() == 0
    [line] = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8-sig")))
    assert (line["update_mode"], line["after_field_value"]) == ("UPDATE", "#VALUE!")


def test_a_value_that_no_cell_can_hold_is_not_cut(command, ledger, tmp_path):
    path, out = tmp_path / "plan.csv", tmp_path / "out.xlsx"
    path.write_text(csv_text(row("1", after="x" * 40_000)))
    command("import", path)
    ledger.do_all({1: "Terminated"})
    command("import", path, "--report", out)
    result = command("import", out)
    assert "the cell shows the error #VALUE!" in result.stdout
    assert ledger.inbox.length() == 0


def test_the_field_stands_there_by_its_name_where_it_was_looked_up(tmp_path):
    out = tmp_path / "out.csv"
    write_report(
        out,
        [{"line": 2, "state": "failed", "field_name": "优先级", "field_key": "priority", "after_field_value": "P0"}],
    )
    [one] = report_rows(out)
    assert (one["field_name"], one["field_key"]) == ("优先级", "priority")


@pytest.mark.parametrize("missing", ["state", "reason", "line"])
def test_columns_of_a_report_may_be_deleted(command, failed, missing):
    out = failed("csv")
    rows = report_rows(out)
    names = [name for name in COLUMNS if name not in (missing, "intent_id")]
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    told = json.loads(command("import", out, "--json").stdout)
    assert told["rejected_count"] == 1
    assert told["left_out"] == (0 if missing == "state" else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rejected_row_of_a_workbook_is_in_the_report_as_it_is(command, tmp_path, kind):
    path, out = tmp_path / "plan.xlsx", tmp_path / f"out.{kind}"
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active.append([PROJECT, "story", "bad", "field_a1b2c3", "UPDATE", "0012"])
    book.save(path)
    command("import", path, "--report", out)
    [one] = report_rows(out)
    assert (one["state"], one["work_item_ids"]) == ("rejected", "bad")
    correct(out, work_item_ids="9")
    told = json.loads(command("import", out, "--json").stdout)
    assert told["enqueued"] == 1, told["rejected"]


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_what_a_field_did_not_take_as_a_date_does_not_come_back_as_a_text(tmp_path, kind):
    row = {"state": "failed", "reason": "takes a text, not the date", "work_item_ids": [1], "update_mode": "UPDATE"}
    rows = [
        {**row, "code": code, "after_field_value": value}
        for code in ("bad_value", "outcome_unknown")
        for value in ({"$date": "2026-01-10"}, {"$time": "09:30:00"}, {"$number": "0.5", "shown": "50%"}, "a text")
    ]
    write_report(tmp_path / f"r{kind}", rows)
    if kind == ".csv":
        written = (tmp_path / "r.csv").read_text(encoding="utf-8-sig")
    else:
        book = openpyxl.load_workbook(tmp_path / "r.xlsx")
        written = "\n".join(str([cell.value for cell in line]) for line in book.active.rows)
    assert written.count("#VALUE!") == 3
    assert written.count("2026-01-10") == written.count("09:30:00") == 1
    assert written.count("a text") >= 2
