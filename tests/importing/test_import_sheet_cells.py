"""What stands in a cell of a sheet, whatever program wrote it: a text, a number, a date or nothing, or a reason why it is none."""

# ruff: noqa: DTZ001 - the dates of a spreadsheet have no time zone

from datetime import date, datetime, time

import pytest

from config.lookups import time_zone
from feishu_batch.written import Kind, Written
from tests.importing.books import book, cells, saved, with_cell, with_part
from worker.importing.cells import CellError
from worker.importing.sheet_cells import written_of
from worker.importing.sheet_xml import RawCell, SheetReader
from worker.importing.workbook import Workbook, open_workbook, unescaped

CHINA = time_zone("Asia/Shanghai")


def stands(stream, place="F2"):
    """What stands in a cell, or why it cannot be read."""
    opened = open_workbook(stream)
    with opened.archive.open(opened.sheets[0].part) as part:
        row = next(row for row in SheetReader(part).rows() if row.number == int(place[1:]))
    try:
        return written_of(row.cells.get("ABCDEFG".index(place[0])), opened, CHINA)
    except CellError as error:
        return str(error)


def text(one):
    return Written(Kind.TEXT, one)


def number(one, shown=None):
    return Written(Kind.NUMBER, one, shown)


@pytest.mark.parametrize(
    ("xml", "found"),
    [
        # texts
        ('<c r="F2" t="inlineStr"><is><t>plain</t></is></c>', text("plain")),
        (
            '<c r="F2" t="inlineStr"><is><r><t>two </t></r><r><rPr><b/></rPr><t>pieces</t></r></is></c>',
            text("two pieces"),
        ),
        (
            '<c r="F2" t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>',
            text("東京"),
        ),
        ('<c r="F2" t="inlineStr"><is><t>0012</t></is></c>', text("0012")),
        ('<c r="F2" t="str"><f>A1</f><v>told</v></c>', text("told")),
        ('<c r="F2" t="inlineStr"><is><t>a_x000D_\nb</t></is></c>', text("a\r\nb")),
        ('<c r="F2" t="str"><f>A1</f><v>a_x000A_b</v></c>', text("a\nb")),
        ('<c r="F2" t="inlineStr"><is><t>_x005F_x000D_</t></is></c>', text("_x000D_")),
        # nothing
        ('<c r="F2"/>', None),
        ('<c r="F2" s="0"></c>', None),
        ('<c r="F2"><v></v></c>', None),
        ('<c r="F2" t="inlineStr"><is><t></t></is></c>', None),
        ('<c r="F2" t="inlineStr"><is><t xml:space="preserve">  </t></is></c>', None),
        ('<c r="F2" t="inlineStr"><is><t>\u00a0</t></is></c>', None),
        ('<c r="F2" t="inlineStr"><is><t>\u200b\ufeff</t></is></c>', None),
        ('<c r="F2" t="str"><f>IF(A2="","x","")</f><v></v></c>', None),
        ('<c r="F2" t="str"><f>IF(A2="","x","")</f><v/></c>', None),
        ('<c r="F2" t="str"><f>IF(A2="","x","")</f></c>', None),
        # numbers
        ('<c r="F2"><v>5</v></c>', number("5")),
        ('<c r="F2" t="n"><v>5.0</v></c>', number("5")),
        ('<c r="F2"><v>1.1000000000000001</v></c>', number("1.1")),
        ('<c r="F2"><v>0.30000000000000004</v></c>', number("0.3")),
        ('<c r="F2"><v>1.3800138E10</v></c>', number("13800138000")),
        ('<c r="F2"><v>-2.5</v></c>', number("-2.5")),
        ('<c r="F2"><f>1+1</f><v>2</v></c>', number("2")),
        ('<c r="F2"><v>999999999999999</v></c>', number("999999999999999")),
        ('<c r="F2"><v>1000000000000000</v></c>', "the number has more digits than a spreadsheet keeps"),
        ('<c r="F2"><v>7.3E+18</v></c>', "the number has more digits than a spreadsheet keeps"),
        ('<c r="F2"><v>two</v></c>', "cannot be read: 'two' is not a number"),
        ('<c r="F2"><v>NaN</v></c>', "'NaN' is not a number"),
        # others
        ('<c r="F2" t="b"><v>1</v></c>', Written(Kind.BOOLEAN, "TRUE")),
        ('<c r="F2" t="b"><v>0</v></c>', Written(Kind.BOOLEAN, "FALSE")),
        ('<c r="F2" t="e"><v>#REF!</v></c>', Written(Kind.ERROR, "#REF!")),
        ('<c r="F2" t="e"><f>1/0</f><v>#DIV/0!</v></c>', Written(Kind.ERROR, "#DIV/0!")),
        ('<c r="F2" t="d"><v>2026-01-31</v></c>', Written(Kind.DATE, "2026-01-31")),
        ('<c r="F2" t="d"><v>2026-01-31T18:05:00</v></c>', Written(Kind.DATE, "2026-01-31T18:05:00+08:00")),
        ('<c r="F2" t="d"><v>soon</v></c>', "cannot be read: 'soon' is not a date"),
        ('<c r="F2" t="s"><v>99</v></c>', "cannot be read: the workbook has no text number '99'"),
        # formulas that nobody calculated
        ('<c r="F2"><f>1+1</f></c>', "the formula has no stored value"),
        ('<c r="F2"><f>1+1</f><v></v></c>', "the formula has no stored value"),
        ('<c r="F2"><f>1+1</f><v/></c>', "the formula has no stored value"),
        ('<c r="F2"><f>A9</f><v>0</v></c>', "the formula was never calculated"),
    ],
)
def test_a_cell_is_what_its_file_says(xml, found):
    told = stands(with_cell(xml))
    assert (told or "").startswith(found) if isinstance(found, str) else told == found


@pytest.mark.parametrize(
    ("value", "code", "found"),
    [
        (123, "00000", number("123", "00123")),
        (1200, "#,##0", number("1200", "1,200")),
        (0.5, "0%", number("0.5", "50%")),
        (2.25, "0.0", number("2.25", "2.3")),
        (1.1, "0.00", number("1.1", "1.10")),
        (5, "0.00", number("5", "5.00")),
        (5, "0", number("5")),
        (5, "@", number("5")),
        (1234.5, "¥#,##0.00", number("1234.5", "¥1,234.50")),
        (12345, "0.00E+00", number("12345", "1.23E+04")),
        (0.5, "# ?/?", "the number 0.5 is shown as another text, by the number format '# ?/?'"),
        (5, ";;;", "the number 5 is shown as another text, by the number format ';;;'"),
        (5, "[DBNum1]0", "the number 5 is shown as another text"),
        (date(2026, 1, 31), "yyyy-mm-dd", Written(Kind.DATE, "2026-01-31")),
        (date(2026, 1, 31), "yyyy/m/d", Written(Kind.DATE, "2026-01-31", "2026/1/31")),
        (date(2026, 1, 31), "m/d/yy", Written(Kind.DATE, "2026-01-31", "1/31/26")),
        (date(2026, 1, 31), "mm-dd-yy", Written(Kind.DATE, "2026-01-31")),  # number 14: each language has its own
        (datetime(2026, 1, 31, 18, 5), "yyyy-mm-dd hh:mm", Written(Kind.DATE, "2026-01-31T18:05:00+08:00", "2026-01-31 18:05")),
        (datetime(2026, 1, 31), "yyyy-mm-dd hh:mm", Written(Kind.DATE, "2026-01-31T00:00:00+08:00", "2026-01-31 00:00")),
        (datetime(2026, 1, 31, 18), "yyyy-mm-dd", Written(Kind.DATE, "2026-01-31T18:00:00+08:00", "2026-01-31")),
        (time(9, 5), "h:mm", Written(Kind.TIME, "09:05:00", "9:05")),
        (1.5, "[h]:mm", Written(Kind.TIME, "36:00:00")),
        (-0.5, "[h]:mm", "the cell contains a negative time"),
        (datetime(2026, 1, 31, 18), "h:mm", "the cell shows a time of day, 18:00, but also contains a day"),
        (0, "yyyy-mm-dd", "the cell has the format of a date, but its number 0 is not a date"),
        (60, "yyyy-mm-dd", "the cell has the format of a date, but its number 60 is not a date"),
        (59, "yyyy-mm-dd", Written(Kind.DATE, "1900-02-28")),
        (61, "yyyy-mm-dd", Written(Kind.DATE, "1900-03-01")),
        (3_000_000, "yyyy-mm-dd", "the cell has the format of a date, but its number 3000000 is not a date"),
        (-1, "yyyy-mm-dd", "the cell has the format of a date, but its number -1 is not a date"),
    ],
)  # fmt: skip
def test_a_number_keeps_what_is_stored_and_what_is_shown(value, code, found):
    made = book(cells(1, value))
    made.active["F2"].number_format = code
    told = stands(saved(made))
    assert told.startswith(found) if isinstance(found, str) else told == found


@pytest.mark.parametrize("day", [date(1904, 1, 1), date(1999, 12, 31), date(2026, 1, 31)])
def test_dates_that_begin_in_1904_are_the_same_dates(day):
    made = book(cells(1, day))
    made.epoch = datetime(1904, 1, 1)
    made.active["F2"].number_format = "yyyy-mm-dd"
    assert stands(saved(made)) == Written(Kind.DATE, day.isoformat())


def test_a_date_of_a_chinese_program_that_names_its_format_by_number_is_a_date():
    made = book(cells(1, date(2026, 1, 31)))
    made.active["F2"].number_format = "yyyy-mm-dd"
    stream = with_part(
        saved(made), lambda text: text.replace('numFmtId="164" fontId', 'numFmtId="31" fontId'), "xl/styles.xml"
    )
    assert stands(stream) == Written(Kind.DATE, "2026-01-31", "2026年1月31日")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain", "plain"),
        ("_x000D_", "\r"),
        ("_x000d_", "\r"),
        ("_x005F_x000D_", "_x000D_"),
        ("_x005F_x005F_", "_x005F_"),
        ("_x4E2D__x6587_", "中文"),
        ("_xD83D__xDE00_", "😀"),
        ("_xD83D_", "\ud83d"),
        ("_x12_", "_x12_"),
        ("_X000D_", "_X000D_"),
        ("my_x_file", "my_x_file"),
    ],
)
def test_characters_that_the_format_writes_as_numbers_are_undone(written, meant):
    assert unescaped(written) == meant


def test_a_style_that_the_workbook_does_not_have_is_the_usual_one():
    empty: Workbook = open_workbook(saved(book(cells())))
    assert written_of(RawCell("n", 999, "5"), empty, CHINA) == number("5")
