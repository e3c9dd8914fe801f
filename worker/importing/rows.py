"""The rows of a file, one by one: each is an intent, or a line number with the reason for its rejection."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain, islice
from typing import Any, BinaryIO, Final

from pydantic_core import from_json

from worker.importing.cells import ALIASES, CellError, intent_of, refuse_failure, refuse_lost_digits
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.csv_reading import (
    csv_lines,
    header_cells,
    header_line,
    misplaced_cells,
    plain_cell,
    reported,
)
from worker.importing.encoding import LONGEST_LINE
from worker.importing.lines import damage_of, read_lines
from worker.importing.report_columns import is_report, unguarded
from worker.importing.row import Rejected, Row, row_of
from worker.importing.sheet import sheet_rows
from worker.importing.table import AS_USUAL, Noticed, Table, is_skipped, looks_empty
from worker.importing.wide.gathering import table_rows
from worker.importing.wide.header import is_wide, refuse_no_table, refuse_options
from worker.importing.wide.raw import RawTable, TextCells
from worker.importing.wide.readers import MOST_LOOKED_AT, csv_table_rows, first_names, json_table
from worker.writing.characters import one_line

_DELIMITERS: Final = ",;\t"
_PLACE: Final = re.compile(r" at line (\d+) column (\d+)$")
_ONE_PER_LINE: Final = "one JSON object per line"
_ABSENT: Final = object()
# The line with the separator that some programs write before the header.
_STATED_DELIMITER: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


def read_rows(
    stream: BinaryIO, kind: Format, import_id: str, table: Table = AS_USUAL, noticed: Noticed | None = None
) -> Iterator[Row | Rejected]:
    """Lines are counted from 1, including the header. `noticed` is filled while reading.

    Raises `ImportFileError` before the first row, or never.
    """
    noticed = noticed or Noticed()
    if kind is Format.XLSX:
        return sheet_rows(stream, table, import_id, noticed)
    if table.sheet is not None:
        raise ImportFileError("has no sheets; leave --sheet out")
    reading = _RowReading(read_lines(stream, table.encoding), import_id, table, noticed)
    return _csv_rows(reading) if kind is Format.CSV else _json_rows(reading)


@dataclass(frozen=True, slots=True)
class _RowReading:
    lines: Iterator[str]
    import_id: str
    table: Table
    noticed: Noticed


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv_rows(reading: _RowReading) -> Iterator[Row | Rejected]:
    csv.field_size_limit(LONGEST_LINE)
    numbered = enumerate(reading.lines, start=1)
    number, first = header_line(numbered, reading.table.header_row)
    delimiter = max(_DELIMITERS, key=first.count)
    if stated := _STATED_DELIMITER.fullmatch(first):
        delimiter = stated[1]
        number, first = next(numbered, (number, ""))
    table = csv.reader(chain([first], (line for _, line in numbered)), delimiter=delimiter, strict=True)
    header = header_cells(table)
    if is_wide(header, reading.table.as_table):
        raw = RawTable(header, csv_table_rows(table, number - 1, header, reading.table.empty), TextCells())
        return table_rows(raw, reading.table, reading.import_id, reading.noticed)
    refuse_no_table(header, reading.table.as_table)
    return _csv_body(table, number - 1, columns_of(header), reading)


def _csv_body(table: Any, before: int, columns: Sequence[str], reading: _RowReading) -> Iterator[Row | Rejected]:
    for line, cells in csv_lines(table, before):
        if isinstance(cells, Rejected):
            yield cells
        elif row := _csv_row(line, columns, cells, reading):
            yield _with_cells(row, columns, cells)


def _with_cells(row: Row | Rejected, columns: Sequence[str], cells: Sequence[str]) -> Row | Rejected:
    """The report shows a rejected row with its cells, if they can be assigned to columns."""
    if isinstance(row, Row) or len(cells) > len(columns) or any(map(damage_of, cells)):
        return row
    meant = map(unguarded, cells) if is_report(columns) else cells
    return replace(row, written=dict(zip(columns, meant, strict=False)))


def _csv_row(line: int, columns: Sequence[str], cells: Sequence[str], reading: _RowReading) -> Row | Rejected | None:
    if trouble := misplaced_cells(cells, len(columns)):
        return Rejected(line, trouble)
    if "after_field_value" in columns[len(cells) :]:
        return Rejected(
            line,
            f"ends after {len(cells)} of {len(columns)} cells, before after_field_value;"
            " to clear the field, leave that cell empty but keep its separator",
        )
    plain = reported if is_report(columns) else plain_cell
    padded = [*map(plain, cells), *[""] * (len(columns) - len(cells))]
    named = dict(zip(columns, padded, strict=True))
    try:
        if not named["after_field_value"] and is_skipped(line, reading.table.empty, reading.noticed):
            return None
        return row_of(line, intent_of(named), reading.import_id)
    except CellError as error:
        return Rejected(line, str(error))


# --- JSON Lines -----------------------------------------------------------------------------------------------------


def _json_rows(reading: _RowReading) -> Iterator[Row | Rejected]:
    if reading.table.header_row is not None:
        raise ImportFileError("JSON Lines has no header: leave --header-row out")
    numbered = ((number, text) for number, text in enumerate(reading.lines, start=1) if text.strip())
    first = list(islice(numbered, MOST_LOOKED_AT))
    if not first:
        return iter(())  # a command of a schedule may have nothing to say
    _refuse_other_json(first[0][1])
    if (names := first_names([text for _, text in first])) and is_wide(names, reading.table.as_table):
        raw = json_table(names, chain(first, numbered))
        return table_rows(raw, reading.table, reading.import_id, reading.noticed)
    refuse_options(reading.table.as_table)
    rows = (_json_row(number, text, reading) for number, text in chain(first, numbered))
    return (row for row in rows if row)


def _refuse_other_json(first: str) -> None:
    """Rejects a whole JSON document at once, which would otherwise be hundreds of unclear rejected lines."""
    start = first.strip()
    if start.startswith("["):
        raise ImportFileError(
            f"this is a JSON array, but JSON Lines has {_ONE_PER_LINE}: jq -c '.[]' FILE > FILE.jsonl"
        )
    if start == "{":
        raise ImportFileError(
            f"this JSON object spans several lines, but JSON Lines has {_ONE_PER_LINE}: jq -c . FILE > FILE.jsonl"
        )


def _json_row(line: int, text: str, reading: _RowReading) -> Row | Rejected | None:
    if damage := damage_of(text):
        return Rejected(line, damage)
    try:
        content = parse_object(text)
        if _is_empty(content) and is_skipped(line, reading.table.empty, reading.noticed):
            return None
    except CellError as error:
        return Rejected(line, str(error))
    return row_of(line, content, reading.import_id)


def _is_empty(content: Mapping[str, Any]) -> bool:
    """Like an empty cell of a table: null, or a text without a visible character."""
    value = content.get("after_field_value", _ABSENT)
    return value is None or (isinstance(value, str) and looks_empty(value))


def _place_in(text: str, why: str) -> str:
    """In a text of one line, the line number would be mistaken for that of the file."""
    if "\n" in text.strip():
        return why
    return _PLACE.sub(lambda place: " at its end" if place[1] != "1" else f" at character {place[2]}", why)


def parse_object(text: str) -> dict[str, Any]:
    """One intent's JSON text. Raises `CellError`."""
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise CellError(f"not valid JSON: {_place_in(text, str(error))}") from None
    if not isinstance(content, dict):
        raise CellError('an intent is a JSON object, like {"project_key": …}')
    for alias, name in ALIASES.items():
        if alias in content and name not in content:
            given = content.pop(alias)
            content[name] = given if isinstance(given, list) else [given]
    refuse_lost_digits(text)
    refuse_failure(content)
    if isinstance(content.get("field_key"), str):
        content["field_key"] = one_line(content["field_key"])
    return content
