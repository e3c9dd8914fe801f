"""The rows of a file, one by one: each is an intent, or a line number and the reason why it is none."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import chain
from typing import Any, BinaryIO, Final

from pydantic_core import from_json

from worker.importing.cells import ALIASES, CellError, intent_of
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.encoding import LONGEST_LINE
from worker.importing.lines import damage_of, read_lines
from worker.importing.row import Rejected, Row, row_of
from worker.importing.sheet import sheet_rows
from worker.importing.typed_cells import CHINA

_DELIMITERS: Final = ",;\t"
_BLANK: Final = ' \r\n",;\t'
_PLACE: Final = re.compile(r" at line (\d+) column (\d+)$")
_ONE_PER_LINE: Final = "one JSON object per line"
_UNCLOSED: Final = "a quote is opened here and never closed, so that all that follows is one cell"
# What some programs put before the header, to tell which separator they use.
_TOLD_DELIMITER: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Table:
    """How a file is to be understood. `sheet` and `zone` are about workbooks, `encoding` about all others; no `sheet`: the first."""

    sheet: str | None = None
    zone: tzinfo = CHINA
    encoding: str | None = None  # None: what the file shows to be


AS_USUAL: Final = Table()


def read_rows(stream: BinaryIO, kind: Format, import_id: str, table: Table = AS_USUAL) -> Iterator[Row | Rejected]:
    """Lines are counted from 1, the header included. Raises `ImportFileError` before the first row, or never."""
    if kind is Format.XLSX:
        return sheet_rows(stream, table.sheet, table.zone, import_id)
    if table.sheet is not None:
        raise ImportFileError("has no sheets; leave --sheet out")
    lines = read_lines(stream, table.encoding)
    return _csv_rows(lines, import_id) if kind is Format.CSV else _json_rows(lines, import_id)


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv_rows(lines: Iterator[str], import_id: str) -> Iterator[Row | Rejected]:
    csv.field_size_limit(LONGEST_LINE)
    numbered = enumerate(lines, start=1)
    number, first = next(((at, line) for at, line in numbered if line.strip(_BLANK)), (1, ""))
    delimiter = max(_DELIMITERS, key=first.count)
    if told := _TOLD_DELIMITER.fullmatch(first):
        delimiter = told[1]
        number, first = next(numbered, (number, ""))
    reader = csv.reader(chain([first], (line for _, line in numbered)), delimiter=delimiter, strict=True)
    return _csv_body(reader, number - 1, columns_of(_header_cells(reader)), import_id)


def _header_cells(reader: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise ImportFileError(f"the first line is not a CSV row: {error}") from None
    if damage := next(filter(None, map(damage_of, cells)), None):
        raise ImportFileError(f"the first line {damage}")
    return cells


def _csv_body(reader: Any, before: int, columns: Sequence[str], import_id: str) -> Iterator[Row | Rejected]:
    """`before`: how many lines stand above the header."""
    while True:
        line = before + reader.line_num + 1  # a row may span several lines
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(line, f"not a CSV row: {_UNCLOSED if 'end of data' in str(error) else error}")
            continue
        if any(cell.strip() for cell in cells):
            yield _csv_row(line, columns, cells, import_id)


def _csv_row(line: int, columns: Sequence[str], cells: Sequence[str], import_id: str) -> Row | Rejected:
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
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    try:
        return row_of(line, intent_of(dict(zip(columns, padded, strict=True))), import_id)
    except CellError as error:
        return Rejected(line, str(error))


# --- JSON Lines -----------------------------------------------------------------------------------------------------


def _json_rows(lines: Iterator[str], import_id: str) -> Iterator[Row | Rejected]:
    numbered = ((number, text) for number, text in enumerate(lines, start=1) if text.strip())
    for at, (number, text) in enumerate(numbered):
        if at == 0:
            _refuse_other_json(text)
        yield _json_row(number, text, import_id)


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


def _json_row(line: int, text: str, import_id: str) -> Row | Rejected:
    if damage := damage_of(text):
        return Rejected(line, damage)
    try:
        content = parse_object(text)
    except CellError as error:
        return Rejected(line, str(error))
    return row_of(line, content, import_id)


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
    return content
