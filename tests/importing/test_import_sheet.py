"""XLSX workbooks: cells as one expects them, and one clear error for what is none."""

# ruff: noqa: DTZ001 - the dates of a spreadsheet have no time zone
import io
import json
import zipfile
from datetime import date, datetime

import openpyxl
import pytest

from config.lookups import time_zone
from tests.support.rows_factory import HEADER, PROJECT
from tests.support.waiting import fair_now
from worker.importing import workbook as workbook_module
from worker.importing.columns import ImportFileError
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format, read_rows
from worker.importing.table import Table


def workbook(*rows, header=HEADER, title="Plan", others=()):
    book = openpyxl.Workbook()
    book.active.title = title
    for one in (header, *rows):
        book.active.append(one)
    for name, more in others:
        extra = book.create_sheet(name)
        for one in (header, *more):
            extra.append(one)
    out = io.BytesIO()
    book.save(out)
    return out


def rows_of(stream, **table):
    return list(read_rows(stream, Format.XLSX, "x", Table(**table)))


def cells(items, after, *more):
    return [PROJECT, "story", items, "field", "UPDATE", after, *more]


def value(after, **table):
    [only] = rows_of(workbook(cells(1, after), cells(2, "x")), **table)[:1]
    return only.intent.after_field_value if isinstance(only, Row) else only.reason


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (5, {"$number": "5"}),
        (5.0, {"$number": "5"}),
        (2.5, {"$number": "2.5"}),
        (True, {"$boolean": "TRUE"}),
        (False, {"$boolean": "FALSE"}),
        (None, None),
        ("", None),
        ("plain", "plain"),
        ("7300000000000000001", {"$text": "7300000000000000001"}),
        ("true", {"$text": "true"}),
        ('{"value": "option_1"}', {"$text": '{"value": "option_1"}'}),
    ],
)
def test_a_cell_is_what_one_expects(cell, told):
    assert value(cell) == told


def test_dates_are_in_the_named_time_zone():
    assert value(datetime(2026, 1, 31, 9, 30))["$date"] == "2026-01-31T09:30:00+08:00"
    assert value(date(2026, 1, 31), zone=time_zone("-01:30"))["$date"] == "2026-01-31T00:00:00-01:30"


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (7300000000000000001, "more digits than a spreadsheet keeps: format the column as text"),
        ("#N/A", "the cell shows the error #N/A"),
        ("=1+1", "the formula has no stored value"),
    ],
)
def test_a_cell_that_would_be_misunderstood_is_rejected(cell, why):
    assert why in value(cell)


def test_formulas_count_by_their_stored_value():
    """As a spreadsheet program writes them: the formula and its value."""
    plain = workbook(cells(1, "HERE"), cells(2, "=1+1"))
    stored = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(stored, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            new.writestr(
                part,
                text.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
                    b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>"
                ),
            )
    _, formula = rows_of(stored)
    assert isinstance(formula, Row), formula
    assert formula.intent.after_field_value == {"$number": "2"}


def test_ids_and_options_may_be_numbers_texts_and_dates():
    header = (*HEADER, "priority", "keep_every_change", "expires_at", "user_key", "note")
    more = (9, True, datetime(2030, 1, 31, 18), "7300000000000000001", 42)
    one, two = rows_of(workbook(cells(1001, "x", *more), cells("1001, 1002", "x"), header=header))
    assert one.intent.work_item_ids == (1001,)
    assert two.intent.work_item_ids == (1001, 1002)
    assert (one.intent.priority, one.intent.keep_every_change, one.intent.note) == (9, True, "42")
    assert one.intent.expires_at.isoformat() == "2030-01-31T10:00:00+00:00"
    assert one.intent.user_key == "7300000000000000001"


@pytest.mark.parametrize("items", [None, 1.5, True, "abc", 10**17, datetime(2026, 1, 1)])
def test_what_is_no_id_is_rejected(items):
    [only] = rows_of(workbook(cells(items, "x")))
    assert isinstance(only, Rejected)
    assert only.reason.startswith("work_item_ids")


def test_lines_are_row_numbers_and_empty_rows_are_none():
    found = rows_of(workbook(cells(1, "x"), [], [None, " "], cells(2, "y")))
    assert [row.line for row in found] == [2, 5]


def test_the_first_sheet_or_the_named_one():
    book = workbook(cells(1, "x"), others=[("Second", [cells(2, "x")])])
    [first] = rows_of(book)
    [named] = rows_of(book, sheet="Plan")
    [second] = rows_of(book, sheet="Second")
    assert (first.intent.work_item_ids, second.intent.work_item_ids) == ((1,), (2,))
    assert first.intent.intent_id == named.intent.intent_id
    with pytest.raises(ImportFileError, match="no sheet is named 'Third'; there are: Plan, Second"):
        rows_of(book, sheet="Third")


def test_a_hidden_sheet_is_read_when_it_is_named_only():
    book = openpyxl.load_workbook(workbook(cells(1, "x"), others=[("Second", [cells(2, "x")])]))
    book["Plan"].sheet_state = "hidden"
    book.active = 1
    out = io.BytesIO()
    book.save(out)
    assert [row.intent.work_item_ids for row in rows_of(out)] == [(2,)]
    assert [row.intent.work_item_ids for row in rows_of(out, sheet="Plan")] == [(1,)]


def test_a_sheet_that_is_no_table_is_named_with_the_others():
    book = openpyxl.load_workbook(workbook(cells(1, "x")))
    book.create_sheet("Notes", 0).append(["hello"])
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(ImportFileError, match=r"sheet 'Notes': the header lacks .* Other sheets, for --sheet: Plan"):
        rows_of(out)


def test_equal_rows_of_two_sheets_are_two_intents():
    book = workbook(cells(1, "x"), others=[("Second", [cells(1, "x")])])
    assert rows_of(book)[0].intent.intent_id != rows_of(book, sheet="Second")[0].intent.intent_id


def repacked(change):
    """A workbook with some parts changed or added: `change`: name → bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(workbook(cells(1, "x"))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, change.get(part, old.read(part)))
        for part in change.keys() - set(old.namelist()):
            new.writestr(part, change[part])
    return out


STRICT = b'<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"><sheets/></workbook>'
STRICT_SHEET = b'<worksheet xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>'
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (lambda: io.BytesIO(b"a,b\n"), "is damaged, or not an XLSX workbook"),
        (lambda: io.BytesIO(workbook(cells(1, "x")).getvalue()[:-200]), "is damaged, or not an XLSX workbook"),
        (lambda: repacked({SHEET: b"<worksheet><sheetData><row"}), "is damaged, or not an XLSX workbook"),
        (lambda: repacked({SHEET: LAUGHS}), "defines XML entities"),
        (lambda: repacked({"xl/bomb.xml": b"\0" * 100_000_000}), "would unpack to 100,"),
        (lambda: repacked({"_rels/.rels": b"<x/>"}), "is damaged, or not an XLSX workbook"),
        (lambda: repacked({"xl/workbook.xml": b"<x/>"}), "no sheet with rows"),
        (lambda: repacked({SHEET: STRICT_SHEET, "xl/workbook.xml": STRICT}), "Strict Open XML.* the usual kind"),
    ],
)
def test_what_is_no_workbook_is_one_clear_error_at_once(stream, complaint):
    made, began = stream(), fair_now()
    with pytest.raises(ImportFileError, match=complaint):
        rows_of(made)
    assert fair_now() - began < 3


def test_a_changed_byte_is_found_before_the_first_row():
    content = bytearray(workbook(*[cells(n, f"text {n}") for n in range(1, 500)]).getvalue())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        place = archive.getinfo(SHEET).header_offset + 500
    content[place] ^= 0xFF
    with pytest.raises(ImportFileError, match="is damaged"):
        rows_of(io.BytesIO(content))


def test_texts_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(workbook_module, "MOST_TEXT_BYTES", 100)
    with pytest.raises(ImportFileError, match="too many different texts"):
        rows_of(repacked({"xl/sharedStrings.xml": b"<sst>" + b" " * 100 + b"</sst>"}))


def test_a_cell_that_cannot_be_read_costs_its_row_only():
    text = zipfile.ZipFile(workbook(cells(1, "x"), cells(2, "y"), cells(3, "z"))).read(SHEET)
    changed = text.replace(b"<v>2</v>", b"<v>two</v>", 1)
    assert changed != text
    found = rows_of(repacked({SHEET: changed}))
    assert [type(one) for one in found] == [Row, Rejected, Row]
    assert found[1].reason == "work_item_ids: cannot be read: 'two' is not a number"


def test_a_row_without_a_number_is_one_error():
    text = zipfile.ZipFile(workbook(cells(1, "x"), cells(2, "y"), cells(3, "z"))).read(SHEET)
    with pytest.raises(
        ImportFileError, match=r"sheet 'Plan': row 1: this row and the following ones cannot be read: .*'three'"
    ):
        rows_of(repacked({SHEET: text.replace(b'<row r="3"', b'<row r="three"', 1)}))


def test_a_workbook_is_imported_and_known_again(command, ledger, tmp_path):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(workbook(cells(1, 5), cells("2 3", None), cells("bad", 1)).getvalue())
    result = command("import", path, "--sheet", "Plan", "--time-zone", "+01:00")
    assert result.exit_code == 1
    assert "3 rows of" in result.stdout
    assert "2 enqueued, 1 rejected" in result.stdout
    assert "2 enqueued by an earlier run and not again" in command("import", path).stdout
    assert ledger.inbox.length() == 2
    assert "2 to be enqueued" in command("plan", path).stdout
    assert command("import", path, "--time-zone", "nowhere").exit_code == 2
    piped = command("import", "-", "--format", "xlsx", input=path.read_bytes())
    assert "2 enqueued by an earlier run and not again" in piped.stdout


def test_dates_of_a_workbook_are_in_the_time_zone_of_the_settings_unless_another_is_named(command, ledger, tmp_path):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(workbook(cells(1, date(2026, 1, 31))).getvalue())
    command.env["FEISHU_BATCH_TIME_ZONE"] = "UTC"

    def imported(*args):
        command("import", path, *args)
        return json.loads(ledger.in_inbox()[-1].payload)["after_field_value"]["$date"]

    assert imported() == "2026-01-31T00:00:00+00:00"
    assert imported("--time-zone", "+08:00") == "2026-01-31T00:00:00+08:00"


def test_a_text_file_has_no_sheets(command):
    assert command("import", "-", "--format", "csv", "--sheet", "Plan", input="a").exit_code == 2
