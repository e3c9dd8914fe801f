"""What a cell of a CSV file means."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feishu_batch.written import Kind, Written, untagged
from worker.importing.cells import CellError, field_value, intent_of, item_ids
from worker.writing.failures import failure_in


def read(cell):
    return field_value("after_field_value", cell)


@pytest.mark.parametrize("cell", ["", "  ", "\u3000", None])
def test_an_empty_cell_clears(cell):
    assert read(cell) is None


@pytest.mark.parametrize("cell", ["plain text", " P1 ", "完了", "https://example.com/1"])
def test_words_travel_as_they_stand(cell):
    assert read(cell) == cell


@given(st.text().filter(lambda text: text.strip() and not failure_in(text)))
def test_whatever_stands_in_a_cell_is_kept_to_the_letter(text):
    assert untagged(read(text)) == text


@pytest.mark.parametrize("cell", ["5", "1.10", "-0", "true", '{"value": "x"}', '"5"', "007", "{broken", "[" * 20_000])
def test_what_may_be_read_in_two_ways_is_not_read_here(cell):
    assert read(cell) == {"$text": cell}


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "########", "NaN", "None", "null", "NULL", " #DIV/0! ", "Infinity"])
def test_errors_and_nothings_are_refused_with_what_to_write(cell):
    with pytest.raises(CellError) as refused:
        read(cell)
    assert "after_field_value" in str(refused.value)
    assert "give an empty value" in str(refused.value)
    assert '{"$text": "…"}' in str(refused.value)


def test_an_error_of_a_workbook_is_refused_by_what_it_is_and_not_by_its_text():
    with pytest.raises(CellError, match="shows the error"):
        read(Written(Kind.ERROR, "something new"))


@pytest.mark.parametrize("cell", ["1 2 3", "1,2,3", "1;2;3", " 1, 2 ;3 ", "[1, 2, 3]", "1\n2\n3"])
def test_several_ids_may_stand_in_one_cell(cell):
    assert item_ids(cell).ids == [1, 2, 3]


@pytest.mark.parametrize("cell", ["", " ", "abc", "1.5", "-1", "1 x", "²", "0", ";"])
def test_what_is_no_id_is_named(cell):
    with pytest.raises(CellError, match="work_item_ids"):
        item_ids(cell)


def test_a_rounded_id_is_explained():
    with pytest.raises(CellError, match="format the column as text"):
        item_ids("7.3E+18")


@given(st.text())
def test_any_ids_cell_gives_ids_or_a_reason(cell):
    with suppress(CellError):
        assert all(isinstance(item, int) for item in item_ids(cell).ids)


def test_empty_cells_are_absent_except_the_target_value():
    row = {"work_item_ids": "1", "after_field_value": "", "note": " ", "priority": "", "before_field_value": ""}
    assert intent_of(row).intent == {"work_item_ids": [1], "after_field_value": None}


@pytest.mark.parametrize(("cell", "value"), [("TRUE", True), ("yes", True), ("0", False)])
def test_truth_may_be_written_as_spreadsheets_do(cell, value):
    assert (
        intent_of({"work_item_ids": "1", "after_field_value": "x", "keep_every_change": cell}).intent[
            "keep_every_change"
        ]
        is value
    )


def test_a_wrong_truth_is_told_what_is_taken():
    with pytest.raises(CellError, match="'perhaps' is none of true, yes, 1, false, no and 0"):
        intent_of({"work_item_ids": "1", "after_field_value": "x", "keep_every_change": "perhaps"})


@pytest.mark.parametrize(
    ("column", "cell"), [("keep_every_change", "perhaps"), ("priority", "high"), ("priority", "10")]
)
def test_wrong_cells_name_their_column(column, cell):
    with pytest.raises(CellError, match=column):
        intent_of({"work_item_ids": "1", "after_field_value": "x", column: cell})


@pytest.mark.parametrize(
    ("space", "type_key", "reason"),
    [
        ("demo", "story", None),
        ("5f0c1a2b3c4d5e6f70818283", "story", None),  # whether that is demo is not known here
        ("demo", "6a1d2b3c4d5e6f7081928374", None),
        ("other", "story", "the link is to demo, but project_key is other"),
        ("demo", "issue", "the link is to story, but work_item_type_key is issue"),
    ],
)
def test_a_link_does_not_contradict_its_row(space, type_key, reason):
    link = "https://project.feishu.cn/demo/story/detail/1243"
    row = {"project_key": space, "work_item_type_key": type_key, "work_item_ids": link, "after_field_value": "x"}
    if reason is None:
        assert intent_of(row).intent["work_item_ids"] == [1243]
        return
    with pytest.raises(CellError, match=reason):
        intent_of(row)


def test_names_are_read_without_what_nobody_sees():
    row = {"field_key": "Story\u00a0points\u200b\n", "work_item_ids": "1380\u00a0", "after_field_value": "5"}
    assert intent_of(row).intent["field_key"] == "Story points"
    assert intent_of(row).intent["work_item_ids"] == [1380]
