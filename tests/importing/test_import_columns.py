"""The header of a table: what is meant is found, and what is not is quoted as it was written, with a way on."""

import io

import pytest

from tests.support.rows_factory import HEADER, csv_text, row
from worker.importing.cells import OPTIONAL
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.rows import Format, read_rows


@pytest.mark.parametrize(
    "written",
    [
        "Field Key",
        " field_key ",
        "FIELD-KEY",
        "field\u00a0key",
        "field\u3000key",
        "field\u202fkey",
        "\ufefffield_key",
        "field_key\u200b",
        "fie\u00adld_key",
        "ｆｉｅｌｄ＿ｋｅｙ",
        "field\nkey",
        "field__key",
        "_field_key_",
    ],
    ids=ascii,
)
def test_a_name_is_known_however_it_is_spelt(written):
    assert columns_of([*HEADER[:3], written, *HEADER[4:]]) == list(HEADER)


@pytest.mark.parametrize(
    ("header", "complaints"),
    [
        (HEADER[:-1], ["the header lacks after_field_value. A long file has one row per field change"]),
        ((*HEADER, "prioritty"), ["has the unknown column 'prioritty' (perhaps priority)"]),
        ((*HEADER, "Prioritty "), ["has the unknown column 'Prioritty ' (perhaps priority)"]),
        ((*HEADER, "Zeit", "Notes"), ["has the unknown columns 'Zeit', 'Notes' (perhaps note)"]),
        ((*HEADER[:-1], "值"), ["lacks after_field_value; it has", "'值' (perhaps after_field_value)"]),
        ((*HEADER[:2], "工作项ID", *HEADER[3:]), ["'工作项ID' (perhaps work_item_ids)"]),
        ((*HEADER, "x\u00a0y"), [r"'x\xa0y'"]),
        ((*HEADER, "", "note"), ["the unknown column without a name"]),
        ((*HEADER, "work_item_id", "WORK ITEM ID"), ["names work_item_ids twice ('work_item_ids' and 'work_item_id'"]),
        ((*HEADER, "x" * 500), ["'" + "x" * 40 + "…'"]),
        (("", ""), ["it is empty; its first line must name the columns: project_key"]),
        (
            ("work_item_id", "优先级", "负责人"),
            ["'优先级'", "'负责人'", "call the column with the ids work_item_id"],
        ),
        ((*HEADER, *(f"c{n}" for n in range(300))), ["'c0'", "'c99', and 200 more"]),
        ((",".join(HEADER).replace(",", "，"),), ["lacks project_key"]),
    ],
    ids=range(14),
)
def test_a_wrong_header_is_quoted_as_written_with_advice(header, complaints):
    with pytest.raises(ImportFileError) as told:
        columns_of(header)
    assert all(complaint in str(told.value) for complaint in complaints), str(told.value)


def test_a_long_file_is_not_advised_how_to_rearrange_a_wide_one():
    with pytest.raises(ImportFileError) as told:
        columns_of((*HEADER, "prioritty"))
    assert "rearranged" not in str(told.value)
    assert all(name in str(told.value) for name in OPTIONAL)


@pytest.mark.parametrize("above", ["", "\r\n", ",,,,,\n", '"","",""\n', "\n\nsep=,\n"])
def test_a_header_may_have_empty_lines_above_it_and_a_line_end_within(above):
    header = ("project\nkey", *HEADER[1:])
    text = above + csv_text(row("1"), row("2", after="a\nb"), row("3"), header=header)
    lines = [one.line for one in read_rows(io.BytesIO(text.encode()), Format.CSV, "x")]
    first = above.count("\n") + 3
    assert lines == [first, first + 1, first + 3]


def test_a_quote_that_is_never_closed_in_the_header_is_one_error():
    text = csv_text(row("1")).replace("work_item_ids", '"work_item_ids', 1)
    with pytest.raises(ImportFileError, match="first line is not a CSV row"):
        list(read_rows(io.BytesIO(text.encode()), Format.CSV, "x"))
