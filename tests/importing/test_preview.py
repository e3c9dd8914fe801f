"""The columns of a table that a user matches with fields, before its space is known."""

import pytest

from tests.support.rows_factory import csv_text, row
from worker.importing.columns import ImportFileError
from worker.importing.table import Table
from worker.importing.wide.options import TableOptions
from worker.importing.wide.preview import TablePreview, preview


@pytest.mark.parametrize(
    ("text", "columns", "has_place"),
    [
        ("ID,优先级,发布说明,备注\n1001,P0,x,\n", ("优先级", "发布说明", "备注"), False),
        ("ID,priority\n1001,\n1002,\n", ("priority",), False),  # no cell holds anything
        ("ID,space,type,priority\n1001,demo,story,P0\n", ("priority",), True),
        ("ID,space,priority\n1001,demo,P0\n", ("space", "priority"), False),  # the type is missing
    ],
)
def test_the_columns_of_fields_are_listed(tmp_path, text, columns, has_place):
    path = tmp_path / "plan.csv"
    path.write_text(text)
    assert preview(path, Table()) == TablePreview(columns, has_place)


def test_only_the_first_cell_is_read(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("ID,priority\n1001,P0\n" + "no id at all,P0\n" * 100)
    assert preview(path, Table()) == TablePreview(("priority",), has_place=False)


def test_a_file_of_field_changes_has_nothing_to_match(tmp_path):
    path = tmp_path / "changes.csv"
    path.write_text(csv_text(row("1"), row("2")))
    assert preview(path, Table()) is None


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("plan.csv", "name,priority\nx,P0\n", "project_key"),
        ("plan.csv", "ID,工作项ID,priority\n1,2,P0\n", "say which with --id-column"),
        ("plan.csv", "", "empty"),
        ("plan.xls", "x", "this is a text file"),
        ("plan.xlsx", "not a workbook", "workbook"),
    ],
)
def test_what_cannot_be_read_has_the_reason_of_an_import(tmp_path, name, text, why):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ImportFileError, match=why):
        preview(path, Table())


def test_the_column_of_the_ids_may_be_named(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("number,priority\n1001,P0\n")
    found = preview(path, Table(as_table=TableOptions(id_column="number")))
    assert found == TablePreview(("priority",), has_place=False)
