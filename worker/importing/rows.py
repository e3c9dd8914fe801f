"""The rows of a file, one by one: each is an intent, or a line number and the reason why it is none."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Any, BinaryIO, Final

from pydantic_core import from_json

from worker.importing.cells import ALIASES, CellError, intent_of
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.row import Rejected, Row, row_of
from worker.importing.sheet import sheet_rows
from worker.importing.typed_cells import CHINA

# A row with 10,000 ids of 20 digits and two values of 64 KiB fits in; an unclosed quote does not swallow the whole file.
LONGEST_LINE: Final = 1024 * 1024
_DELIMITERS: Final = ",;\t"
_ONE_PER_LINE: Final = "one JSON object per line"
_TOO_LONG: Final = "\udfff"  # stands for a line that was skipped; no file can contain it


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Table:
    """What a sheet needs to be understood and other formats do not. `sheet`: its name; None: the first."""

    sheet: str | None = None
    zone: tzinfo = CHINA


FIRST_SHEET: Final = Table()


def read_rows(stream: BinaryIO, kind: Format, import_id: str, table: Table = FIRST_SHEET) -> Iterator[Row | Rejected]:
    """Lines are counted from 1, the header included. Raises `ImportFileError` before the first row, or never."""
    if kind is Format.XLSX:
        return sheet_rows(stream, table.sheet, table.zone, import_id)
    if table.sheet is not None:
        raise ImportFileError("has no sheets; leave --sheet out")
    lines = _lines(stream)
    return _csv_rows(lines, import_id) if kind is Format.CSV else _json_rows(lines, import_id)


# --- lines ----------------------------------------------------------------------------------------------------------


def _lines(stream: BinaryIO) -> Iterator[str]:
    """With their line ends. Damage becomes lone surrogates, so that a row can be told from its neighbours."""
    encoding = "utf-8-sig"  # spreadsheets put a mark in front
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            _skip_line(stream)
            yield f"{_TOO_LONG}\n"
        else:
            yield line.decode(encoding, "surrogateescape")
        encoding = "utf-8"


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _damage(text: str) -> str | None:
    """Why the text cannot be read, if it cannot."""
    if text.isascii():
        return None
    if _TOO_LONG in text:
        return f"is longer than {LONGEST_LINE} bytes"
    if any("\udc80" <= character <= "\udcff" for character in text):
        return "is not UTF-8: save the file as “CSV UTF-8”"
    return None


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv_rows(lines: Iterator[str], import_id: str) -> Iterator[Row | Rejected]:
    csv.field_size_limit(LONGEST_LINE)
    first = next(lines, "")
    delimiter = max(_DELIMITERS, key=first.count)
    columns = columns_of(_header_cells(first, delimiter))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    return _csv_body(reader, columns, import_id)


def _header_cells(line: str, delimiter: str) -> list[str]:
    if damage := _damage(line):
        raise ImportFileError(f"the first line {damage}")
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise ImportFileError(f"the first line is not a CSV row: {error}") from None


def _csv_body(reader: Any, columns: Sequence[str], import_id: str) -> Iterator[Row | Rejected]:
    while True:
        line = reader.line_num + 2  # the header is line 1; a row may span several lines
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(line, f"not a CSV row: {error}")
            continue
        if any(cell.strip() for cell in cells):
            yield _csv_row(line, columns, cells, import_id)


def _csv_row(line: int, columns: Sequence[str], cells: Sequence[str], import_id: str) -> Row | Rejected:
    if damage := next(filter(None, map(_damage, cells)), None):
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
    if damage := _damage(text):
        return Rejected(line, damage)
    try:
        content = parse_object(text)
    except CellError as error:
        return Rejected(line, str(error))
    return row_of(line, content, import_id)


def parse_object(text: str) -> dict[str, Any]:
    """One intent's JSON text. Raises `CellError`."""
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise CellError(f"not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise CellError('an intent is a JSON object, like {"project_key": …}')
    for alias, name in ALIASES.items():
        if alias in content and name not in content:
            told = content.pop(alias)
            content[name] = told if isinstance(told, list) else [told]
    return content
