"""A table is read: which column is what, which cells agree, and what is refused, with a way on."""

import io
import json

import pytest

from tests.importing.books import book, saved
from worker.importing.columns import ImportFileError
from worker.importing.row import Rejected
from worker.importing.rows import Format, read_rows
from worker.importing.table import Empty, Noticed, Table
from worker.importing.wide.fields import UnknownFields
from worker.importing.wide.options import TableOptions

SPACE, TYPE = "demo", "story"
PLACE = {"space": SPACE, "type_key": TYPE}


def any_word(_word):
    return True


def read(text, kind=Format.CSV, *, empty=None, header_row=None, noticed=None, is_key=any_word, **options):
    """(intents as field, mode, value, items; rejected as line and reason). `is_key`: which words are fields here."""
    stream = io.BytesIO(text.encode()) if isinstance(text, str) else text
    table = Table(
        empty=empty,
        header_row=header_row,
        as_table=TableOptions(**{**PLACE, **options}),
        fields=lambda: UnknownFields("nobody knows", is_key),
    )
    rows = list(read_rows(stream, kind, "import", table, noticed))
    good = [row.intent for row in rows if not isinstance(row, Rejected)]
    told = [(i.field_key, str(i.update_mode), i.after_field_value, i.work_item_ids) for i in good]
    return told, [(row.line, row.reason) for row in rows if isinstance(row, Rejected)]


def test_cells_that_agree_are_one_intent_in_the_order_of_the_file():
    told, rejected = read("id,priority,note\n3,P0,x\n1,P1,x\n2,P0,y\n")
    assert told == [
        ("priority", "UPDATE", "P0", (2, 3)),
        ("note", "UPDATE", "x", (1, 3)),
        ("priority", "UPDATE", "P1", (1,)),
        ("note", "UPDATE", "y", (2,)),
    ]
    assert rejected == []


def test_every_intent_says_where_its_items_are_and_does_not_hold_up_single_ones():
    [row] = read_rows(io.BytesIO(b"id,priority\n1,P0\n"), Format.CSV, "x", _table())
    assert (row.intent.project_key, row.intent.work_item_type_key, row.intent.priority) == (SPACE, TYPE, 3)


def _table(**options):
    return Table(as_table=TableOptions(**{**PLACE, **options}), fields=lambda: UnknownFields("", any_word))


@pytest.mark.parametrize(
    "name", ["work_item_id", "Work Item ID", "work_item_ids", "ID", "id", "工作项ID", "工作项 ID", "工作项id", "ｉｄ"]
)
def test_the_column_of_the_ids_is_known_by_its_name(name):
    assert read(f"{name},a\n7,x\n")[0] == [("a", "UPDATE", "x", (7,))]


def test_two_columns_that_may_hold_the_ids_are_refused():
    with pytest.raises(
        ImportFileError, match="2 columns may hold the ids of the work items, 'ID', '工作项ID': say which"
    ):
        read("ID,工作项ID,a\n1,2,x\n")
    told, _ = read("ID,工作项ID,a\n1,2,x\n", id_column="工作项ID", ignore=("ID",))
    assert told == [("a", "UPDATE", "x", (2,))]
    assert read("Ticket,a\n5,x\n", id_column="ticket")[0] == [("a", "UPDATE", "x", (5,))]


def test_space_and_type_may_be_columns():
    text = "id,空间,工作项类型,a\n1,demo,story,x\n2,other,issue,x\n3,,story,x\n"
    table = Table(as_table=TableOptions(), fields=lambda: UnknownFields("", any_word))
    rows = list(read_rows(io.BytesIO(text.encode()), Format.CSV, "x", table))
    assert [(row.line, row.reason) for row in rows if isinstance(row, Rejected)] == [(4, "空间: the cell is empty")]
    places = [(row.intent.project_key, row.intent.work_item_type_key) for row in rows if not isinstance(row, Rejected)]
    assert places == [("demo", "story"), ("other", "issue")]


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("id,a\n1,x\n", {"space": None}, "needs the space of its work items: give --space, or a column 'space'"),
        ("id,a\n1,x\n", {"type_key": None}, "needs the item type of its work items: give --type, or a column 'type'"),
        ("id,project_key,a\n1,demo,x\n", {}, "--space and the column 'project_key' say the same thing"),
        ("id,a\n1,x\n", {"ignore": ("b",)}, "--ignore: no column is called 'b'; the columns are id, a"),
        (
            "id,Priority\n1,x\n",
            {"append": ("Prioritty",)},
            "--append: no column is called 'Prioritty'; the nearest is 'Priority'",
        ),
        ("id,a\n1,x\n", {"append": ("id",), "id_column": "id"}, "--append: 'id' is not a column of a field"),
        ("id,a\n1,x\n", {"fields": ("b=priority",)}, "--field: no column is called 'b'"),
        ("id,a\n1,x\n", {"fields": ("a",)}, "--field 'a': write it as COLUMN=FIELD"),
        ("id,a\n1,x\n", {"id_column": "b"}, "--id-column: no column is called 'b'"),
        ("id,a,A\n1,x,y\n", {}, "two columns are called 'a': rename one of them"),
        ("id,a,b\n1,x,y\n", {"fields": ("a=priority", "b=priority")}, "'a' and 'b' are both the field 'priority'"),
        ("id\n1\n", {}, "no column of it is a field"),
        ("id,a\n", {}, "there are no rows in it"),
        ("id,a\n1,x\n", {"space": "no space!"}, "space: must be the space's key"),
    ],
)
def test_what_the_header_and_the_options_do_not_agree_about_is_refused(text, options, complaint):
    with pytest.raises(ImportFileError) as told:
        read(text, **options)
    assert complaint in str(told.value)


def test_without_a_look_up_only_keys_are_fields_and_what_the_user_says():
    with pytest.raises(ImportFileError) as told:
        read("id,priority,Due date,Owner of it\n1,x,y,z\n", is_key=str.islower)
    assert "columns 'Due date', 'Owner of it': whether a field is called so cannot be looked up (nobody knows)" in str(
        told.value
    )
    assert '--field "Due date=FIELD", or --ignore "Due date" --ignore "Owner of it"' in str(told.value)
    told, _ = read("id,Due date,c\n1,x,y\n", is_key=str.isdigit, fields=("Due date=Due date",), ignore=("c",))
    assert told == [("Due date", "UPDATE", "x", (1,))]


def test_a_column_may_have_an_equals_sign():
    assert read("id,a=b\n1,x\n", fields=("a=b=priority",))[0] == [("priority", "UPDATE", "x", (1,))]


@pytest.mark.parametrize("header", ["id,A  B=c", "id, a b=C "])
def test_its_name_is_compared_as_any(header):
    assert read(f"{header}\n1,x\n", fields=("a b=c=priority",))[0] == [("priority", "UPDATE", "x", (1,))]


@pytest.mark.parametrize("header", ["id,a,a=b", "id,a=b,A"])
def test_a_field_option_with_two_readings_is_refused(header):
    with pytest.raises(ImportFileError) as refused:
        read(f"{header}\n1,x,y\n", fields=("a=b=c",), ignore=("a",))
    said = "may mean the column 'a' with the field 'b=c', or the column 'a=b' with the field 'c': rename one of the columns"
    assert f"--field 'a=b=c' {said}" in str(refused.value)


def test_options_of_a_table_are_refused_for_a_file_of_field_changes():
    text = "project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
    with pytest.raises(ImportFileError, match="--space and --type belong to a table"):
        read(text)


BLANK = {
    "nothing": b"",
    "a mark": b"\xef\xbb\xbf",
    "blank lines": b"\n \r\n;;\n",
    "a separator": b"sep=;\n",
    "a book": None,
}


@pytest.mark.parametrize("content", BLANK.values(), ids=BLANK)
@pytest.mark.parametrize("options", [{}, {"id_column": "ID"}], ids=str)
def test_of_an_empty_file_it_is_said_that_it_is_empty(content, options):
    kind = Format.XLSX if content is None else Format.CSV
    stream = saved(book(header=())) if content is None else io.BytesIO(content)
    with pytest.raises(ImportFileError, match="it is empty; its first line must name the columns: one with the ids"):
        read(stream, kind, **options)


def test_a_command_may_print_no_row_of_a_table():
    assert read("\n", Format.JSONL) == ([], [])


# --- cells ----------------------------------------------------------------------------------------------------------


def test_an_empty_cell_is_skipped_unless_it_is_said_otherwise():
    text = "id,a,b\n1,x,\n2,,y\n"
    noticed = Noticed()
    assert [one[0] for one in read(text, noticed=noticed)[0]] == ["a", "b"]
    assert (noticed.table.skipped, noticed.table.cells, noticed.table.cleared) == (2, 2, 0)
    told, _ = read(text, empty=Empty.CLEAR, noticed=noticed)
    assert [one[1:] for one in told if one[2] is None] == [("UPDATE", None, (1,)), ("UPDATE", None, (2,))]
    told, rejected = read(text, empty=Empty.REJECT)
    assert len(told) == 2
    assert rejected[0] == (2, "b: is empty, which would clear the field, and --empty says reject")


def test_a_column_may_be_added_to_what_the_field_holds():
    told, rejected = read("id,tags\n1,a\n1,b\n2,a\n3,\n", append=("tags",), empty=Empty.CLEAR)
    assert told == [("tags", "APPEND", "a", (1, 2)), ("tags", "APPEND", "b", (1,))]
    assert rejected == []


def test_rows_that_contradict_each_other_are_both_rejected_and_agreement_is_one_change():
    told, rejected = read("id,a,b\n1,x,y\n2,x,y\n1,x,z\n1,,z\n")
    assert told == [("a", "UPDATE", "x", (1, 2)), ("b", "UPDATE", "y", (2,))]
    reason = "b: item 1 has another value here in another row of the table"
    assert rejected == [(2, reason), (4, reason), (5, reason)]


def test_a_wrong_cell_does_not_keep_the_others_of_its_row_back():
    rows = list(read_rows(io.BytesIO(b"id,a,b\n1,#REF!,y\nx,1,2\n"), Format.CSV, "x", _table()))
    cell, row, good = rows
    assert (cell.line, cell.column, cell.field, cell.value) == (2, "a", "'a'", "#REF!")
    assert cell.reason.startswith("a: '#REF!' is an error of a spreadsheet")
    assert (row.line, row.column, row.reason) == (3, None, "id: 'x' is not a work item id")
    assert good.intent.field_key == "b"


def test_a_row_may_name_several_items():
    assert read('id,a\n"1, 2",x\n5-7,x\n')[0] == [("a", "UPDATE", "x", (1, 2, 5, 6, 7))]


def test_values_without_a_name_in_the_header_are_rejected():
    told, rejected = read("id,,a,\n1,,x,\n2,stray,x,\n3,,x,,,late\n")
    assert told == [("a", "UPDATE", "x", (1,))]
    assert rejected[0] == (3, "has a value in column 2, which has no name in the header")
    assert rejected[1][0] == 4


def test_the_header_may_stand_further_down():
    assert read("Weekly plan,\n\nid,a\n1,x\n", header_row=3)[0] == [("a", "UPDATE", "x", (1,))]
    with pytest.raises(ImportFileError, match="line 9 \\(--header-row\\) is behind its end"):
        read("id,a\n1,x\n", header_row=9)


def test_an_intent_has_ten_thousand_items_at_most():
    told, _ = read("id,a\n" + "".join(f"{item},x\n" for item in range(25_000, 0, -1)))
    assert [len(items) for *_, items in told] == [10_000, 10_000, 5_000]
    assert told[0][3][0] == 1


def test_the_same_table_gives_the_same_intents_whatever_the_order_of_its_rows():
    def ids(text):
        return {row.intent.intent_id for row in read_rows(io.BytesIO(text.encode()), Format.CSV, "x", _table())}

    first = ids("id,a,b\n1,x,y\n2,x,z\n")
    assert ids("id,b,a\n2,z,x\n1,y,x\n") == first
    assert ids("id,a,b\n1,x,y\n2,x,w\n") & first


# --- formats --------------------------------------------------------------------------------------------------------


def test_json_lines_may_name_other_fields_in_each_row():
    lines = [
        {"work_item_id": 1, "a": "x", "n": 1},
        {"work_item_id": 2, "b": ["u"], "n": True},
        {"work_item_id": [3, 4], "a": "x", "b": None},
        {"a": "x"},
        {"work_item_id": 5, "b": []},
    ]
    told, rejected = read("\n".join(map(json.dumps, lines)), Format.JSONL)
    assert told == [
        ("a", "UPDATE", "x", (1, 3, 4)),
        ("n", "UPDATE", 1, (1,)),
        ("b", "UPDATE", ["u"], (2,)),
        ("n", "UPDATE", True, (2,)),
        ("b", "UPDATE", [], (5,)),
    ]
    assert rejected == [(4, "work_item_id: the cell is empty")]


def test_json_lines_refuse_a_column_that_comes_late_and_is_no_field():
    with pytest.raises(ImportFileError, match="column 'Late': whether"):
        read('{"id": 1, "a": 1}\n{"id": 2, "Late": 1}\n', Format.JSONL, is_key=str.islower)


def test_a_workbook_keeps_the_types_of_its_cells():
    made = book((1, 2.5, True), (2, 2.5, "2.5"), header=("ID", "number", "flag"))
    told, rejected = read(saved(made), Format.XLSX)
    assert told == [
        ("number", "UPDATE", {"$number": "2.5"}, (1, 2)),
        ("flag", "UPDATE", {"$boolean": "TRUE"}, (1,)),
        ("flag", "UPDATE", {"$text": "2.5"}, (2,)),
    ]
    assert rejected == []


def test_a_workbook_may_have_a_title_above_and_a_hidden_column_that_is_ignored():
    made = book((None, None, None), ("ID", "secret", "a"), (1, "s", "x"), header=("Weekly plan", None, None))
    made.active.column_dimensions["B"].hidden = True
    told, _ = read(saved(made), Format.XLSX, header_row=3, ignore=("secret",))
    assert told == [("a", "UPDATE", "x", (1,))]


def test_a_cell_of_a_workbook_that_shows_an_error_is_rejected_alone():
    made = book((1, "#N/A", "y"), header=("ID", "a", "b"))
    made.active["B2"].data_type = "e"
    told, rejected = read(saved(made), Format.XLSX)
    assert [one[0] for one in told] == ["b"]
    assert rejected == [(2, "a: the cell shows the error #N/A")]
