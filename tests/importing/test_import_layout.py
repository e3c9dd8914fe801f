"""What a sheet merges and hides: no cell below a merge clears a field, and no hidden row is changed without a word."""

import re

import pytest

from tests.importing.books import SHEET, book, cells, saved, with_part
from tests.support.rows_factory import HEADER
from worker.importing import layout as layout_module
from worker.importing.columns import ImportFileError
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format, read_rows
from worker.importing.table import Empty, Hidden, Noticed, Table

LETTERS = dict(zip(HEADER, "ABCDEF", strict=True))
WANTED = ["project_key", "work_item_type_key", "work_item_ids", "field_key", "update_mode", "after_field_value"]


def read(made, **table):
    noticed = Noticed()
    stream = saved(made) if hasattr(made, "save") else made
    return list(read_rows(stream, Format.XLSX, "x", Table(**table), noticed)), noticed


def by_line(rows):
    return {row.line: row.intent.after_field_value if isinstance(row, Row) else row.reason for row in rows}


# --- merged ranges --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", WANTED)
def test_each_row_below_a_merge_has_its_value(column):
    made = book(*[cells(n, "x") for n in range(1, 6)])
    plain, _ = read(made)
    letter = LETTERS[column]
    made.active.merge_cells(f"{letter}3:{letter}5")
    rows, noticed = read(made)
    assert all(isinstance(row, Row) for row in rows), rows
    own = {row.line: row.intent.model_dump()[column] for row in plain if isinstance(row, Row)}
    found = {row.line: row.intent.model_dump()[column] for row in rows if isinstance(row, Row)}
    assert found == {2: own[2], 3: own[3], 4: own[3], 5: own[3], 6: own[6]}
    assert (noticed.merged.count, noticed.merged.first) == (2, [4, 5])


@pytest.mark.parametrize("column", ["before_field_value", "priority", "note"])
def test_a_merge_counts_in_columns_that_may_be_left_out_as_well(column):
    value = 7 if column == "priority" else "v"
    made = book(cells(1, "x", value), cells(2, "x", value), header=(*HEADER, column))
    made.active["E2"] = made.active["E3"] = "REPLACE" if column == "before_field_value" else "UPDATE"
    made.active.merge_cells("G2:G3")
    rows, _ = read(made)
    assert [row.intent.model_dump()[column] for row in rows] == [value, value]


def test_several_merges_stand_side_by_side_and_one_below_the_other():
    made = book(*[cells(n, f"v{n}") for n in range(1, 7)])
    for place in ("C2:C3", "F2:F4", "F5:F7", "D6:D7"):
        made.active.merge_cells(place)
    rows, noticed = read(made)
    assert by_line(rows) == {2: "v1", 3: "v1", 4: "v1", 5: "v4", 6: "v4", 7: "v4"}
    assert [row.intent.work_item_ids for row in rows[:2]] == [(1,), (1,)]
    assert noticed.merged.first == [3, 4, 6, 7]


def test_a_value_that_is_left_under_a_merge_is_not_seen_and_does_not_count():
    made = saved(book(cells(1, "seen"), cells(2, "covered")))
    merged = with_part(
        made, lambda text: text.replace("</sheetData>", '</sheetData><mergeCells><mergeCell ref="F2:F3"/></mergeCells>')
    )
    assert by_line(read(merged)[0]) == {2: "seen", 3: "seen"}


@pytest.mark.parametrize(
    ("ranges", "reasons"),
    [
        (["E2:F3"], {2: "E2:F3 covers several columns", 3: "E2:F3 covers several columns"}),
        (["F2:G3"], {2: "x", 3: "x"}),  # the second of them has no name
        (["A2:F2"], {2: "A2:F2 covers several columns", 3: "y"}),
        (["F1:F2"], {2: "column F is merged with the header", 3: "y"}),
    ],
)
def test_a_merge_that_says_nothing_for_certain_costs_its_rows(ranges, reasons):
    made = book(cells(1, "x"), cells(2, "y"))
    for place in ranges:
        made.active.merge_cells(place)
    found = by_line(read(made)[0])
    assert found.keys() == reasons.keys()
    assert all(reasons[line] in found[line] for line in reasons), found


def test_rows_that_are_one_in_every_column_are_one():
    made = book(cells(1, "x"), cells(2, "y"), cells(3, "z"))
    for letter in "ABCDEF":
        made.active.merge_cells(f"{letter}2:{letter}3")
    assert by_line(read(made)[0]) == {2: "x", 4: "z"}


def test_a_header_of_two_lines_is_one_header():
    made = book(header=HEADER)
    for number, one in enumerate(cells(1, "x"), start=1):
        made.active.cell(3, number, one)
    for letter in "ABCDEF":
        made.active.merge_cells(f"{letter}1:{letter}2")
    assert by_line(read(made)[0]) == {3: "x"}


def test_an_empty_merge_is_an_empty_cell_of_each_row():
    made = book(cells(1, None), cells(2, None), cells(3, "z"))
    made.active.merge_cells("F2:F3")
    assert by_line(read(made)[0]) == {2: None, 3: None, 4: "z"}
    rows, noticed = read(made, empty=Empty.SKIP)
    assert (by_line(rows), noticed.empty_skipped.first) == ({4: "z"}, [2, 3])


def test_a_merge_below_the_last_row_makes_no_rows():
    made = book(cells(1, "x"))
    made.active.merge_cells("F2:F200")
    assert by_line(read(made)[0]) == {2: "x"}


def test_a_hidden_row_that_holds_the_value_of_a_merge_gives_it_to_the_rows_that_are_seen():
    made = book(cells(1, "x"), cells(2, None), cells(3, None))
    made.active.merge_cells("F2:F4")
    made.active.row_dimensions[2].hidden = True
    rows, _ = read(made, hidden=Hidden.SKIP)
    assert by_line(rows) == {3: "x", 4: "x"}


def test_too_many_merges_for_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(layout_module, "MOST_MERGES", 1)
    made = book(*[cells(n, "x") for n in range(1, 6)])
    made.active.merge_cells("F2:F3")
    made.active.merge_cells("F4:F5")
    with pytest.raises(ImportFileError, match="more than 1 merged ranges"):
        read(made)


# --- hidden rows ----------------------------------------------------------------------------------------------------


def by_hand(sheet):
    sheet.row_dimensions[3].hidden = True
    sheet.row_dimensions[4].hidden = True


def by_filter(sheet):
    sheet.auto_filter.ref = "A1:F6"
    sheet.auto_filter.add_filter_column(2, ["1"])
    by_hand(sheet)


def by_outline(sheet):
    sheet.row_dimensions.group(3, 4, hidden=True)


def by_height(sheet):
    """openpyxl does not write it."""
    sheet.title = "flat"


HIDERS = (by_hand, by_filter, by_outline, by_height)


def with_hidden_rows(hide):
    made = book(*[cells(n, f"v{n}") for n in range(1, 5)])
    hide(made.active)
    if hide is by_height:
        return with_part(
            saved(made), lambda text: re.sub(r'<row r="([34])"', r'<row r="\1" ht="0" customHeight="1"', text)
        )
    return made


@pytest.mark.parametrize("hide", HIDERS)
def test_hidden_rows_without_a_choice_refuse_the_file_before_its_first_row(hide):
    with pytest.raises(ImportFileError, match=r"2 rows are hidden \(lines 3–4\): .* --hidden include, skip or reject"):
        read(with_hidden_rows(hide))


@pytest.mark.parametrize("hide", HIDERS)
@pytest.mark.parametrize(
    ("choice", "found", "noticed"),
    [
        (Hidden.INCLUDE, {2: "v1", 3: "v2", 4: "v3", 5: "v4"}, ([3, 4], [])),
        (Hidden.SKIP, {2: "v1", 5: "v4"}, ([], [3, 4])),
        (Hidden.REJECT, {2: "v1", 3: "the row is hidden", 4: "the row is hidden", 5: "v4"}, ([], [])),
    ],
)
def test_hidden_rows_are_what_the_user_chose(hide, choice, found, noticed):
    rows, told = read(with_hidden_rows(hide), hidden=choice)
    assert {line: text.partition(",")[0] for line, text in by_line(rows).items()} == found
    assert (told.hidden_read.first, told.hidden_skipped.first) == noticed


def test_a_single_hidden_row_far_down_is_found():
    made = book(*[cells(n, "x") for n in range(1, 3000)])
    made.active.row_dimensions[2990].hidden = True
    with pytest.raises(ImportFileError, match=r"1 row is hidden \(line 2990\)"):
        read(made)


@pytest.mark.parametrize("line", [1, 4, 9])
def test_hidden_rows_without_a_cell_and_a_hidden_header_hide_nothing(line):
    made = book(cells(1, "x"), cells(2, "y"))
    made.active.row_dimensions[line].hidden = True
    assert by_line(read(made)[0]) == {2: "x", 3: "y"}


def test_what_is_hidden_as_a_word_of_another_program_counts():
    made = with_part(
        saved(book(cells(1, "x"), cells(2, "y"))), lambda text: text.replace('<row r="3"', "<row r='3' hidden = 'true'")
    )
    with pytest.raises(ImportFileError, match="1 row is hidden"):
        read(made)


# --- hidden columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hide", ["hidden", "width", "outline"])
@pytest.mark.parametrize("letter", ["A", "F", "G"])
def test_a_hidden_column_that_has_a_name_is_read_by_choice_only(hide, letter):
    made = book(cells(1, "x", "n"), header=(*HEADER, "note"))
    if hide == "outline":
        made.active.column_dimensions.group(letter, letter, hidden=True)
    elif hide == "hidden":
        made.active.column_dimensions[letter].hidden = True
    else:
        at = "ABCDEFG".index(letter) + 1
        cols = f'<cols><col min="{at}" max="{at}" width="0" customWidth="1"/></cols><sheetData>'
        made = with_part(saved(made), lambda text: text.replace("<sheetData>", cols))
    name = (*HEADER, "note")["ABCDEFG".index(letter)]
    for choice in (None, Hidden.SKIP, Hidden.REJECT):
        with pytest.raises(ImportFileError, match=rf"hidden columns: {name} \({letter}\): .* --hidden include"):
            read(made, hidden=choice)
    rows, noticed = read(made, hidden=Hidden.INCLUDE)
    assert (by_line(rows), noticed.hidden_columns) == ({2: "x"}, (f"{name} ({letter})",))


def test_hidden_columns_beside_the_table_hide_nothing():
    made = book(cells(1, "x"))
    made.active.column_dimensions["K"].hidden = True
    assert by_line(read(made)[0]) == {2: "x"}


# --- sheets ---------------------------------------------------------------------------------------------------------


def test_other_sheets_are_named_with_what_they_are():
    made = book(cells(1, "x"))
    made.create_sheet("Second").append(HEADER)
    made.create_sheet("Third").sheet_state = "hidden"
    made.create_sheet("Fourth").sheet_state = "veryHidden"
    _, noticed = read(made)
    assert (noticed.sheet, noticed.other_sheets) == ("Plan", ("Second", "Third (hidden)", "Fourth (hidden)"))


def test_a_workbook_whose_sheets_are_all_hidden_is_read_by_name_only():
    made = with_part(
        saved(book(cells(1, "x"))),
        lambda text: text.replace('state="visible"', 'state="veryHidden"'),
        "xl/workbook.xml",
    )
    with pytest.raises(ImportFileError, match=r"every sheet .* is hidden; name one with --sheet: Plan \(hidden\)"):
        read(made)
    assert by_line(read(made, sheet="Plan")[0]) == {2: "x"}


def test_a_table_may_begin_below_empty_rows():
    made = book(header=())
    for one in ((), HEADER, cells(1, "x")):
        made.active.append(one)
    assert list(by_line(read(made)[0]).values()) == ["x"]


@pytest.mark.parametrize("rows", [["x"], [*"abc"]])
def test_a_value_beside_the_table_costs_its_row(rows):
    made = book(cells(1, "x", *rows))
    [only], _ = read(made)
    assert isinstance(only, Rejected)
    assert "column G, which has no name" in only.reason


def test_rows_and_cells_may_be_without_places_and_with_a_prefix():
    """As some libraries write them."""

    def change(text):
        text = text.replace(' r="', ' x="').replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?xml", "<?xml")
        return text.replace("xmlns=", "xmlns:x=")

    assert by_line(read(with_part(saved(book(cells(1, "x"), cells(2, "y"))), change, SHEET))[0]) == {2: "x", 3: "y"}
