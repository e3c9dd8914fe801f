"""How a CSV file is taken apart into the cells of its lines."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from worker.importing.columns import ImportFileError
from worker.importing.lines import damage_of
from worker.importing.report_columns import unguarded
from worker.importing.row import Rejected
from worker.importing.table import looks_empty

BLANK: Final = ' \r\n",;\t'
_UNCLOSED: Final = "a quote is opened here and never closed, so the rest of the file is one cell"
_KEPT_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')


def header_line(numbered: Iterator[tuple[int, str]], header_row: int | None) -> tuple[int, str]:
    if header_row is None:
        return next(((at, line) for at, line in numbered if line.strip(BLANK)), (1, ""))
    found = next(((at, line) for at, line in numbered if at == header_row), None)
    if found is None or not found[1].strip(BLANK):
        raise ImportFileError(f"line {header_row} (--header-row) is {'blank' if found else 'behind its end'}")
    return found


def header_cells(table: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(table, [])
    except csv.Error as error:
        raise ImportFileError(f"the first line is not a CSV row: {error}") from None
    if damage := next(filter(None, map(damage_of, cells)), None):
        raise ImportFileError(f"the first line {damage}")
    return cells


def csv_lines(table: Any, before: int) -> Iterator[tuple[int, list[str] | Rejected]]:
    """Without blank ones. `before`: the number of lines above the header."""
    while True:
        line = before + table.line_num + 1  # a row may span several lines
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Rejected(line, f"not a CSV row: {_UNCLOSED if 'end of data' in str(error) else error}")
            continue
        if not all(map(looks_empty, cells)):
            yield line, cells


def misplaced_cells(cells: Sequence[str], columns: int) -> str | None:
    """Why it is not clear which cell is in which column; None if it is clear."""
    if damage := next(filter(None, map(damage_of, cells)), None):
        return damage
    if len(cells) <= columns:
        return None
    return f"has {len(cells)} cells, but the header names {columns} columns; put quotes around a value that contains a comma"


def plain_cell(cell: str) -> str:
    """``="0012"`` is a common way to make a spreadsheet program keep a text: it means 0012."""
    if looks_empty(cell):
        return ""
    found = _KEPT_TEXT.fullmatch(cell.strip()) if cell.lstrip().startswith('="') else None
    return found[1].replace('""', '"') if found else cell


def reported(cell: str) -> str:
    """A cell that a report guards with an apostrophe is a literal text."""
    own = unguarded(cell)
    return own if own != cell else plain_cell(cell)
