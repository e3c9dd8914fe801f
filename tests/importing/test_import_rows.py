"""Files, row by row: no file makes it stumble, and a wrong row never costs its neighbours."""

import io
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feishu_batch.written import untagged
from tests.support.rows_factory import HEADER, PROJECT, csv_text, row
from worker.importing.columns import ImportFileError
from worker.importing.encoding import LONGEST_LINE
from worker.importing.row import Rejected, Row
from worker.importing.row_ids import each_with_its_id
from worker.importing.rows import Format, Table, read_rows
from worker.importing.table import looks_empty
from worker.writing.failures import failure_in

WISH = {
    "project_key": PROJECT,
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "f",
    "update_mode": "UPDATE",
}


def rows_of(data, kind=Format.CSV, import_id="x"):
    return list(read_rows(io.BytesIO(data if isinstance(data, bytes) else data.encode()), kind, import_id))


def items(rows):
    return [r.intent.work_item_ids for r in rows if isinstance(r, Row)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("lineterminator", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(encoding, lineterminator, delimiter):
    text = csv_text(
        row("1 2", after="完了"), row("3", after="a\nb"), lineterminator=lineterminator, delimiter=delimiter
    )
    [first, second] = rows_of(text.encode(encoding))
    assert first.intent.work_item_ids == (1, 2)
    assert first.intent.after_field_value == "完了"
    assert second.intent.after_field_value == "a\nb"


def test_columns_come_in_any_order_and_any_case():
    header = ["Update_Mode", "after_field_value", "WORK_ITEM_ID", "field_key", "work_item_type_key", " project_key "]
    [only] = rows_of(csv_text(["UPDATE", "5", "7", "f", "story", PROJECT], header=header))
    assert only.intent.work_item_ids == (7,)


def test_what_stands_before_the_header_is_passed_over_and_lines_count_on():
    text = "\r\n" + "sep=;\r\n" + csv_text(row("1"), row("abc"), delimiter=";")
    [good, bad] = rows_of(text)
    assert (good.line, bad.line) == (4, 5)
    assert "abc" in bad.reason


def test_columns_may_be_named_as_people_write_them():
    header = [name.replace("_", " ").title() for name in HEADER]
    assert items(rows_of(csv_text(row("1", mode="update"), header=header))) == [(1,)]


def test_ids_that_a_program_took_for_numbers_are_ids():
    assert items(rows_of(csv_text(row("1001.0"), row("1002.00 1003")))) == [(1001,), (1002, 1003)]
    assert all(isinstance(r, Rejected) for r in rows_of(csv_text(row("1001.5"), row("1e9"), row("7" * 16 + ".0"))))


def test_wrong_rows_have_their_line_and_reason_and_the_others_continue():
    text = csv_text(
        row("1"),
        row("abc"),
        row("2", mode="OVERWRITE"),
        row("3", after="a\nb"),
        row("4", "f", "UPDATE", "5", "extra"),
        row("5"),
    )
    found = rows_of(text)
    assert items(found) == [(1,), (3,), (5,)]
    rejected = {r.line: r.reason for r in found if isinstance(r, Rejected)}
    assert rejected.keys() == {3, 4, 7}
    assert "'abc' is not a work item id" in rejected[3]
    assert "update_mode" in rejected[4]
    assert "7 cells" in rejected[7]


def test_an_endless_line_costs_one_row_only():
    found = rows_of(csv_text(row("1"), row("2", after="x" * (LONGEST_LINE + 10)), row("3")))
    assert items(found) == [(1,), (3,)]
    assert "longer than" in found[1].reason


def test_an_unclosed_quote_is_rejected():
    [good, bad] = rows_of(csv_text(row("1")) + ",".join(row("2")[:-1]) + ',"open')
    assert isinstance(good, Row)
    assert isinstance(bad, Rejected)
    assert "never closed" in bad.reason


def test_short_rows_and_empty_rows_are_read_as_spreadsheets_write_them():
    [only] = rows_of(csv_text(row("1"), ["", ""], header=(*HEADER, "note", "priority", "")))
    assert only.intent.note is None


def test_json_lines_are_intents():
    lines = [
        json.dumps(dict(zip(HEADER, [PROJECT, "story", [1, 2], "f", "UPDATE", {"value": "x"}], strict=True))),
        "",
        json.dumps(dict(zip(HEADER, [PROJECT, "story", [3], "f", "UPDATE", None], strict=True))).replace(
            "work_item_ids", "work_item_id"
        ),
        "[]",
        "{",
    ]
    found = rows_of("\n".join(lines), Format.JSONL)
    assert items(found) == [(1, 2), (3,)]
    assert [r.line for r in found if isinstance(r, Rejected)] == [4, 5]


def test_the_same_file_gives_the_same_ids_and_equal_rows_have_ids_of_their_own():
    text = csv_text(row("1"), row("1"), row("2"))
    ids = [r.intent.intent_id for r in each_with_its_id(rows_of(text))]
    assert len(set(ids)) == 3
    assert ids == [r.intent.intent_id for r in each_with_its_id(rows_of(text))]
    assert not set(ids) & {r.intent.intent_id for r in rows_of(text, import_id="another")}


def test_a_row_keeps_an_id_of_its_own():
    [only] = rows_of(csv_text([*row("1"), "mine"], header=(*HEADER, "intent_id")))
    assert only.intent.intent_id == "mine"


WEIRD = st.text(st.sampled_from([*'",;\t\n\r 1a{}[]\\完\ufeff']), max_size=12)


@given(st.lists(st.lists(WEIRD, max_size=8), max_size=6))
def test_weird_csv_gives_rows_or_reasons(body):
    found = rows_of(csv_text(*body, lineterminator="\r\n"))
    assert all(isinstance(r, Row) or r.reason for r in found)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_after_the_header_give_rows_reasons_or_one_error(data):
    with suppress(ImportFileError):
        assert all(r.line >= 2 for r in rows_of(csv_text().encode() + data))


@given(st.binary(max_size=300), st.sampled_from(list(Format)))
def test_any_bytes_give_rows_reasons_or_one_error(data, kind):
    with suppress(ImportFileError):
        assert all(isinstance(r, Row) or r.reason for r in rows_of(data, kind))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_texts_survive_the_way_through_csv(texts):
    values = [text for text in texts if not looks_empty(text) and not {"\r", "\0"} & {*text} and not failure_in(text)]
    data = io.BytesIO(csv_text(*[row("1", after=text) for text in values]).encode())
    found = list(read_rows(data, Format.CSV, "x", Table(encoding="utf-8")))
    assert [untagged(r.intent.after_field_value) for r in found] == values


def test_the_same_table_is_refused_alike_as_csv_and_as_json_lines():
    wrong = ["#N/A", "#REF!", "########", "NaN", "None", "null"]
    csv = rows_of(csv_text(*[row("1", after=text) for text in wrong]))
    texts = [json.dumps({**WISH, "after_field_value": text}) for text in wrong]
    jsonl = rows_of("\n".join(texts), Format.JSONL)
    assert all(isinstance(one, Rejected) and "after_field_value" in one.reason for one in [*csv, *jsonl])
    [meant] = rows_of(json.dumps({**WISH, "after_field_value": {"$text": "#N/A"}}), Format.JSONL)
    assert meant.intent.after_field_value == {"$text": "#N/A"}


@pytest.mark.parametrize("number", ["12345678901234567.25", "9007199254740993.0", "[1, 12345678901234567.25]"])
def test_a_number_of_a_json_line_that_would_lose_digits_is_rejected(number):
    text = json.dumps({**WISH, "after_field_value": 0}).replace(": 0}", f": {number}}}")
    [only] = rows_of(text, Format.JSONL)
    assert "more digits" in only.reason


def test_ranges_are_counted():
    found = rows_of(csv_text(row("1001-1020, 7"), row("7"), row("1001-99999")))
    assert [one.ranged for one in found[:2]] == [20, 0]
    assert "at most 10,000 are allowed" in found[2].reason


def test_a_row_that_ends_before_its_value_is_rejected_and_clears_nothing():
    header = [
        "project_key",
        "work_item_type_key",
        "work_item_ids",
        "field_key",
        "update_mode",
        "after_field_value",
        "note",
    ]
    whole = [PROJECT, "story", "7", "f", "UPDATE", "", "cleared on purpose"]
    cut, kept = rows_of(csv_text(whole[:5], whole, header=header))
    assert isinstance(cut, Rejected)
    assert "before after_field_value" in cut.reason
    assert kept.intent.after_field_value is None


def test_a_row_may_leave_out_what_its_end_would_leave_empty():
    header = [
        "project_key",
        "work_item_type_key",
        "work_item_ids",
        "field_key",
        "update_mode",
        "after_field_value",
        "note",
    ]
    [only] = rows_of(csv_text([PROJECT, "story", "7", "f", "UPDATE", "5"], header=header))
    assert only.intent.note is None
