"""What a cell of a CSV file means."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.importing.cells import CellError, field_value, intent_of, item_ids


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5", 5),
        ("true", True),
        ('{"value": "x"}', {"value": "x"}),
        ('["a"]', ["a"]),
        ('"5"', "5"),
        ("null", None),
        ("", None),
        ("  ", None),
        ("plain text", "plain text"),
        ("NaN", "NaN"),
        ("{broken", "{broken"),
        ("007", "007"),
        ("9223372036854775807", 9223372036854775807),
        ("12345678901234567890123", "12345678901234567890123"),
    ],
)
def test_a_value_is_json_or_text(cell, value):
    assert field_value(cell) == value
    assert type(field_value(cell)) is type(value)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(), st.lists, max_leaves=8)
)
def test_every_json_value_can_be_written_into_a_cell(value):
    assert field_value(json.dumps(value)) == value


def test_a_value_that_is_nested_too_deeply_is_refused():
    with pytest.raises(CellError, match="nested"):
        field_value("[" * 200_000)


@pytest.mark.parametrize("cell", ["1 2 3", "1,2,3", "1;2;3", " 1, 2 ;3 ", "[1, 2, 3]", "1\n2\n3"])
def test_several_ids_may_stand_in_one_cell(cell):
    assert item_ids(cell) == [1, 2, 3]


@pytest.mark.parametrize("cell", ["", " ", "abc", "1.5", "-1", "1 x", "²", "１"])
def test_what_is_no_id_is_named(cell):
    with pytest.raises(CellError, match="work_item_ids"):
        item_ids(cell)


def test_a_rounded_id_is_explained():
    with pytest.raises(CellError, match="format the column as text"):
        item_ids("7.3E+18")


@given(st.text())
def test_any_ids_cell_gives_ids_or_a_reason(cell):
    with suppress(CellError):
        assert all(isinstance(item, int) for item in item_ids(cell))


def test_empty_cells_are_absent_except_the_target_value():
    row = {"work_item_ids": "1", "after_field_value": "", "note": " ", "priority": "", "before_field_value": ""}
    assert intent_of(row) == {"work_item_ids": [1], "after_field_value": None}


@pytest.mark.parametrize(("cell", "value"), [("TRUE", True), ("yes", True), ("0", False)])
def test_truth_may_be_written_as_spreadsheets_do(cell, value):
    assert (
        intent_of({"work_item_ids": "1", "after_field_value": "x", "keep_every_change": cell})["keep_every_change"]
        is value
    )


@pytest.mark.parametrize(
    ("column", "cell"), [("keep_every_change", "perhaps"), ("priority", "high"), ("priority", "10")]
)
def test_wrong_cells_name_their_column(column, cell):
    with pytest.raises(CellError, match=column):
        intent_of({"work_item_ids": "1", "after_field_value": "x", column: cell})
