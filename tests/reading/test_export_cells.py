"""A value as a cell: whatever it is, an import reads the same value, or the cell is left empty."""

import csv
import io
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feishu_batch.written import Written
from tests.catalogue.wish import CHINA, SPACE, demo_catalogue, keys_of
from worker.catalogue.as_written import FieldWords
from worker.catalogue.checks import Checks
from worker.importing.report_sheet import write_workbook
from worker.importing.row import Row
from worker.importing.rows import Format, read_rows
from worker.importing.table import Table
from worker.importing.wide.fields import KnownFields
from worker.importing.wide.options import TableOptions
from worker.reading.export_cells import CellWriter, template_of
from worker.writing.dates import PLAUSIBLE

EMAILS = {"7300000000000000002": "lilei@example.com"}
CATALOGUE = demo_catalogue()
FIELDS = CATALOGUE.by_key
CHECKS = Checks(CATALOGUE, keys_of, CHINA)
WRITERS = {kind: CellWriter(kind, CHECKS, template_of(SPACE, "story")) for kind in Format}
TEXT = st.text(max_size=30) | st.text("=+-@'\"#[]{},;\t\r\n 01.", max_size=12)
MOMENTS = st.integers(PLAUSIBLE.start, PLAUSIBLE.stop - 1)
OPTION = st.sampled_from(["option_0", "option_1", "option_2"]).map(lambda value: {"value": value, "label": "as it was"})
TAGS = st.sampled_from(["n8d2k5j1h", "q4w7e9r3y", "l3k6j9h2g", "gone"]).map(lambda value: {"value": value})
VALUES = st.one_of(
    st.tuples(st.sampled_from(["field_a1b2c3", "field_2d1c0b", "field_0c9d1e"]), TEXT),
    st.tuples(
        st.just("field_3f6a90"), st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
    ),
    st.tuples(st.just("priority"), OPTION),
    st.tuples(st.just("tags"), st.lists(TAGS, max_size=3)),
    st.tuples(st.just("field_d4e5f6"), MOMENTS),
    st.tuples(
        st.just("field_9e8d7c"),
        st.tuples(MOMENTS, MOMENTS).map(lambda two: dict(zip(("start_time", "end_time"), two, strict=True))),
    ),
    st.tuples(st.just("owner"), st.sampled_from(["7300000000000000002", "7300000000000000009"])),
    st.tuples(st.just("field_5a4b3c"), st.booleans()),
    st.tuples(st.just("field_6c5b4a"), st.lists(st.integers(1, 2**60), max_size=4)),
)


def read_again(kind, key, cell, tmp_path, checks=CHECKS):
    """As an import reads a table of one row: the value as it would be sent, or None if the cell is skipped."""
    name = FIELDS[key].name
    if kind is Format.XLSX:
        path = tmp_path / "one.xlsx"
        write_workbook(path, ["work_item_id", name], [[1001, cell]])
        stream = io.BytesIO(path.read_bytes())
    elif kind is Format.CSV:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([["work_item_id", name], [1001, cell]])
        stream = io.BytesIO(out.getvalue().encode("utf-8-sig", "surrogatepass"))
    else:
        stream = io.BytesIO(json.dumps({"work_item_id": 1001, name: cell}).encode())
    fields = KnownFields(lambda _place: CATALOGUE, checks.checked)
    table = Table(as_table=TableOptions(SPACE, "story"), fields=lambda: fields)
    rows = list(read_rows(stream, kind, "i", table))
    if not rows:
        return None
    [row] = rows
    assert isinstance(row, Row), row.reason
    return checks.checked(row.intent).after_field_value


@pytest.mark.parametrize("kind", list(Format))
@settings(max_examples=30)
@given(VALUES)
def test_a_cell_is_read_as_the_value_that_was_there_or_is_empty(tmp_path_factory, kind, one):
    key, value = one
    words = FieldWords(FIELDS[key], CHINA)
    exported = WRITERS[kind].written(words, value, EMAILS)
    if exported.cell is None:
        return
    read = read_again(kind, key, exported.cell, tmp_path_factory.getbasetemp())
    if not isinstance(value, float):
        assert words.text(read, EMAILS) == words.text(value, EMAILS)
    if not isinstance(value, dict | list):
        assert read == value


ELSEWHERE = [Checks(CATALOGUE, keys_of, ZoneInfo(name)) for name in ("UTC", "America/New_York", "Pacific/Kiritimati")]
DAYS = st.integers(PLAUSIBLE.start // 86_400_000 + 1, PLAUSIBLE.stop // 86_400_000 - 1).map(
    lambda day: day * 86_400_000 - 8 * 3_600_000  # as Feishu Project has days
)
SPANS = st.tuples(MOMENTS | DAYS, MOMENTS | DAYS).map(sorted)


@pytest.mark.parametrize("kind", list(Format))
@settings(max_examples=30)
@given(MOMENTS | DAYS, SPANS)
def test_a_time_is_read_as_the_same_moment_in_every_zone(tmp_path_factory, kind, moment, edges):
    span = dict(zip(("start_time", "end_time"), edges, strict=True))
    for key, value in (("field_d4e5f6", moment), ("field_9e8d7c", span)):
        cell = WRITERS[kind].written(FieldWords(FIELDS[key], CHINA), value, EMAILS).cell
        for checks in ELSEWHERE:
            assert read_again(kind, key, cell, tmp_path_factory.getbasetemp(), checks) == value


def test_ordinary_values_are_written_in_words():
    cell = lambda kind, key, value: WRITERS[kind].written(FieldWords(FIELDS[key], CHINA), value, EMAILS).cell  # noqa: E731
    assert cell(Format.CSV, "priority", {"value": "option_1"}) == "P1"
    assert cell(Format.XLSX, "field_3f6a90", 3) == 3
    assert cell(Format.XLSX, "field_3f6a90", 123456789.125) == "123456789.125"
    assert cell(Format.JSONL, "tags", [{"value": "n8d2k5j1h"}]) == ["backend"]
    assert cell(Format.JSONL, "owner", "7300000000000000002") == "lilei@example.com"
    assert cell(Format.CSV, "field_a1b2c3", '=HYPERLINK("x")') == '="=HYPERLINK(""x"")"'
    assert Written.of(cell(Format.JSONL, "field_a1b2c3", "#N/A")).text == "#N/A"
