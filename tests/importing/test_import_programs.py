"""Workbooks as other libraries write them: XlsxWriter, also below pandas and many exports, and openpyxl's streaming mode."""

import io
from datetime import date, datetime, timedelta

import openpyxl
import pytest

from tests.importing.books import cells
from tests.support.rows_factory import HEADER
from worker.importing.columns import ImportFileError
from worker.importing.row import Row
from worker.importing.rows import Format, read_rows
from worker.importing.table import Hidden, Noticed, Table

xlsxwriter = pytest.importorskip("xlsxwriter")  # of the extra `dev`


def written(fill, *, options=None, name="Plan"):
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True, **(options or {})})
    sheet = made.add_worksheet(name)
    sheet.write_row(0, 0, HEADER)
    fill(made, sheet)
    made.close()
    out.seek(0)
    return out


def plain(*values):
    def fill(_made, sheet):
        for number, value in enumerate(values, start=1):
            sheet.write_row(number, 0, cells(number, value))

    return fill


def read(stream, **table):
    noticed = Noticed()
    rows = list(read_rows(stream, Format.XLSX, "x", Table(**table), noticed))
    return [row.intent.after_field_value if isinstance(row, Row) else row.reason for row in rows], noticed


@pytest.mark.parametrize("options", [{}, {"constant_memory": True}, {"in_memory": False}])
def test_texts_shared_and_inline_are_the_same(options):
    assert read(written(plain("plain", "完了", " a "), options=options))[0] == ["plain", "完了", " a "]


def test_a_merged_range_is_the_value_of_each_row():
    def fill(made, sheet):
        plain("x", "", "", "y")(made, sheet)
        sheet.merge_range("F2:F4", "wave 3")

    found, noticed = read(written(fill))
    assert (found, noticed.merged.first) == (["wave 3", "wave 3", "wave 3", "y"], [3, 4])


def by_filter(sheet):
    sheet.autofilter("A1:F4")
    sheet.filter_column("C", "x == 1")
    sheet.set_row(2, None, None, {"hidden": True})


def by_outline(sheet):
    sheet.set_row(2, None, None, {"level": 1, "hidden": True})


def by_height(sheet):
    sheet.set_row(2, 0)


@pytest.mark.parametrize("hide", [by_filter, by_outline, by_height])
def test_hidden_rows_are_found(hide):
    def fill(made, sheet):
        plain("x", "y", "z")(made, sheet)
        hide(sheet)

    with pytest.raises(ImportFileError, match=r"1 row is hidden \(line 3\)"):
        read(written(fill))
    assert read(written(fill), hidden=Hidden.SKIP)[0] == ["x", "z"]


def test_rows_that_hide_by_default_only_where_nothing_is_hide_nothing():
    def fill(made, sheet):
        plain("x", "y")(made, sheet)
        sheet.set_default_row(hide_unused_rows=True)

    assert read(written(fill))[0] == ["x", "y"]


def test_a_hidden_column_is_found():
    def fill(made, sheet):
        plain("x")(made, sheet)
        sheet.set_column("D:D", None, None, {"hidden": True})

    with pytest.raises(ImportFileError, match=r"hidden columns: field_key \(D\)"):
        read(written(fill))


def test_a_formula_that_was_never_calculated_is_refused():
    def fill(made, sheet):
        plain("x", "y", "z")(made, sheet)
        sheet.write_formula("F2", "=1+1")  # XlsxWriter stores 0 where it is not told the value
        sheet.write_formula("F3", '=IF(A2="","x","")', None, "")
        sheet.write_formula("F4", '="a"&"b"', None, "ab")

    [never, empty, text], _ = read(written(fill))
    assert "never calculated" in never
    assert "no stored value" in empty  # it writes an empty text as no value at all
    assert text == "ab"


def test_pieces_of_a_text_and_the_characters_that_the_format_forbids_are_one_text():
    def fill(made, sheet):
        plain("x", "y", "z")(made, sheet)
        sheet.write_rich_string("F2", "two ", made.add_format({"bold": True}), "pieces")
        sheet.write_string("F3", "a\r\nb")
        sheet.write_string("F4", "_x000D_")

    assert read(written(fill))[0] == ["two pieces", "a\r\nb", "_x000D_"]


def test_other_sheets_and_charts_are_distinguished():
    def fill(made, sheet):
        plain("x")(made, sheet)
        made.add_worksheet("Team B").write(0, 0, "hello")
        made.add_worksheet("Old").very_hidden()
        chart = made.add_chart({"type": "line"})
        chart.add_series({"values": "=Plan!$C$2:$C$2"})
        made.add_chartsheet("Chart").set_chart(chart)

    assert read(written(fill))[1].other_sheets == ("Team B", "Old (hidden)")


@pytest.mark.parametrize("since_1904", [False, True])
def test_dates_are_dates_whenever_their_count_begins(since_1904):
    def fill(made, sheet):
        plain("x", "y", "z")(made, sheet)
        sheet.write_datetime("F2", datetime(2026, 1, 31), made.add_format({"num_format": "yyyy-mm-dd"}))  # noqa: DTZ001
        sheet.write_datetime("F3", date(2026, 1, 31), made.add_format({"num_format": 14}))
        sheet.write_datetime("F4", timedelta(hours=30), made.add_format({"num_format": "[h]:mm"}))

    found, _ = read(written(fill, options={"date_1904": since_1904}))
    assert found[0] == found[1] != found[2]
    assert "2026-01-3" in str(found[0]) or found[0] == 1769788800000


def test_what_openpyxl_writes_row_by_row_is_read():
    made = openpyxl.Workbook(write_only=True)
    sheet = made.create_sheet("Plan")
    for one in (HEADER, cells(1, "x"), cells(2, "y")):
        sheet.append(one)
    out = io.BytesIO()
    made.save(out)
    assert read(out)[0] == ["x", "y"]
