"""The rows of a file, one by one: each is an intent, or a line number and the reason why it is none."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any, BinaryIO, Final

from pydantic_core import from_json

from worker.importing.cells import ALIASES, CellError, intent_of, refuse_failure, refuse_lost_digits
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.encoding import LONGEST_LINE
from worker.importing.lines import damage_of, read_lines
from worker.importing.report_columns import is_report, unguarded
from worker.importing.row import Rejected, Row, row_of
from worker.importing.sheet import sheet_rows
from worker.importing.table import AS_USUAL, Empty, Noticed, Table, is_skipped, looks_empty
from worker.writing.characters import one_line

_DELIMITERS: Final = ",;\t"
_BLANK: Final = ' \r\n",;\t'
_PLACE: Final = re.compile(r" at line (\d+) column (\d+)$")
_ONE_PER_LINE: Final = "one JSON object per line"
_UNCLOSED: Final = "a quote is opened here and never closed, so that all that follows is one cell"
_KEPT_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')
_ABSENT: Final = object()
# What some programs put before the header, to tell which separator they use.
_TOLD_DELIMITER: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


def read_rows(
    stream: BinaryIO, kind: Format, import_id: str, table: Table = AS_USUAL, noticed: Noticed | None = None
) -> Iterator[Row | Rejected]:
    """Lines are counted from 1, the header included. `noticed` is filled on the way.

    Raises `ImportFileError` before the first row, or never.
    """
    noticed = noticed or Noticed()
    if kind is Format.XLSX:
        return sheet_rows(stream, table, import_id, noticed)
    if table.sheet is not None:
        raise ImportFileError("has no sheets; leave --sheet out")
    reading = _Reading(read_lines(stream, table.encoding), import_id, table.empty, noticed)
    return _csv_rows(reading) if kind is Format.CSV else _json_rows(reading)


@dataclass(frozen=True, slots=True)
class _Reading:
    lines: Iterator[str]
    import_id: str
    empty: Empty
    noticed: Noticed


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv_rows(reading: _Reading) -> Iterator[Row | Rejected]:
    csv.field_size_limit(LONGEST_LINE)
    numbered = enumerate(reading.lines, start=1)
    number, first = next(((at, line) for at, line in numbered if line.strip(_BLANK)), (1, ""))
    delimiter = max(_DELIMITERS, key=first.count)
    if told := _TOLD_DELIMITER.fullmatch(first):
        delimiter = told[1]
        number, first = next(numbered, (number, ""))
    table = csv.reader(chain([first], (line for _, line in numbered)), delimiter=delimiter, strict=True)
    return _csv_body(table, number - 1, columns_of(_header_cells(table)), reading)


def _header_cells(table: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(table, [])
    except csv.Error as error:
        raise ImportFileError(f"the first line is not a CSV row: {error}") from None
    if damage := next(filter(None, map(damage_of, cells)), None):
        raise ImportFileError(f"the first line {damage}")
    return cells


def _csv_body(table: Any, before: int, columns: Sequence[str], reading: _Reading) -> Iterator[Row | Rejected]:
    """`before`: how many lines stand above the header."""
    while True:
        line = before + table.line_num + 1  # a row may span several lines
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(line, f"not a CSV row: {_UNCLOSED if 'end of data' in str(error) else error}")
            continue
        if not all(map(looks_empty, cells)) and (row := _csv_row(line, columns, cells, reading)):
            yield _with_cells(row, columns, cells)


def _with_cells(row: Row | Rejected, columns: Sequence[str], cells: Sequence[str]) -> Row | Rejected:
    """A rejected row goes into the report as it stands, if it can be told which cell is which."""
    if isinstance(row, Row) or len(cells) > len(columns) or any(map(damage_of, cells)):
        return row
    meant = map(unguarded, cells) if is_report(columns) else cells
    return replace(row, written=dict(zip(columns, meant, strict=False)))


def _csv_row(line: int, columns: Sequence[str], cells: Sequence[str], reading: _Reading) -> Row | Rejected | None:
    if damage := next(filter(None, map(damage_of, cells)), None):
        return Rejected(line, damage)
    if len(cells) > len(columns):
        return Rejected(
            line,
            f"has {len(cells)} cells, but the header names {len(columns)} columns;"
            " a value with a comma in it needs quotes around it",
        )
    if "after_field_value" in columns[len(cells) :]:
        return Rejected(
            line,
            f"ends after {len(cells)} of {len(columns)} cells, before after_field_value;"
            " to clear the field, leave that cell empty but keep its separator",
        )
    plain = _reported if is_report(columns) else _plain
    padded = [*map(plain, cells), *[""] * (len(columns) - len(cells))]
    named = dict(zip(columns, padded, strict=True))
    try:
        if not named["after_field_value"] and is_skipped(line, reading.empty, reading.noticed):
            return None
        return row_of(line, intent_of(named), reading.import_id)
    except CellError as error:
        return Rejected(line, str(error))


def _plain(cell: str) -> str:
    """``="0012"`` is how people keep a spreadsheet program from taking a text for a number: it means 0012."""
    if looks_empty(cell):
        return ""
    found = _KEPT_TEXT.fullmatch(cell.strip()) if cell.lstrip().startswith('="') else None
    return found[1].replace('""', '"') if found else cell


def _reported(cell: str) -> str:
    """What a report guards is a text to the letter."""
    own = unguarded(cell)
    return own if own != cell else _plain(cell)


# --- JSON Lines -----------------------------------------------------------------------------------------------------


def _json_rows(reading: _Reading) -> Iterator[Row | Rejected]:
    numbered = ((number, text) for number, text in enumerate(reading.lines, start=1) if text.strip())
    for at, (number, text) in enumerate(numbered):
        if at == 0:
            _refuse_other_json(text)
        if row := _json_row(number, text, reading):
            yield row


def _refuse_other_json(first: str) -> None:
    """A whole JSON document would be hundreds of rejected lines, none of which says what is wrong."""
    start = first.strip()
    if start.startswith("["):
        raise ImportFileError(
            f"this is a JSON array, and JSON Lines has {_ONE_PER_LINE}: jq -c '.[]' FILE > FILE.jsonl"
        )
    if start == "{":
        raise ImportFileError(
            f"this JSON object spans lines, and JSON Lines has {_ONE_PER_LINE}: jq -c . FILE > FILE.jsonl"
        )


def _json_row(line: int, text: str, reading: _Reading) -> Row | Rejected | None:
    if damage := damage_of(text):
        return Rejected(line, damage)
    try:
        content = parse_object(text)
        if _is_empty(content) and is_skipped(line, reading.empty, reading.noticed):
            return None
    except CellError as error:
        return Rejected(line, str(error))
    return row_of(line, content, reading.import_id)


def _is_empty(content: Mapping[str, Any]) -> bool:
    """As a table would have it: null, or a text without a character that can be seen."""
    value = content.get("after_field_value", _ABSENT)
    return value is None or (isinstance(value, str) and looks_empty(value))


def _place_told(text: str, why: str) -> str:
    """In a text of one line, its number would only be taken for that of the file."""
    if "\n" in text.strip():
        return why
    return _PLACE.sub(lambda place: " at its end" if place[1] != "1" else f" at character {place[2]}", why)


def parse_object(text: str) -> dict[str, Any]:
    """One intent's JSON text. Raises `CellError`."""
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise CellError(f"not valid JSON: {_place_told(text, str(error))}") from None
    if not isinstance(content, dict):
        raise CellError('an intent is a JSON object, like {"project_key": …}')
    for alias, name in ALIASES.items():
        if alias in content and name not in content:
            told = content.pop(alias)
            content[name] = told if isinstance(told, list) else [told]
    refuse_lost_digits(text)
    refuse_failure(content)
    if isinstance(content.get("field_key"), str):
        content["field_key"] = one_line(content["field_key"])
    return content
