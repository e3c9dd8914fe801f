"""A report as a workbook. Texts stay texts: they never become formulas or numbers."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

MOST_ROWS: Final = 1_048_576  # of a sheet, including the header
LONGEST_TEXT: Final = 32_767  # characters of a cell
WIDTHS: Final = {
    "old": 30,
    "new": 30,
    "name": 30,
    "field": 20,
    "reason": 60,
    "field_name": 20,
    "project_key": 26,
    "after_field_value": 30,
    "before_field_value": 20,
}
_TITLE: Final = "report"
# Characters that XML cannot contain, and texts that look like their escapes.
_ESCAPED: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

Cell = str | int | float | bool | None


# The colours (RRGGBB) of a row's cells, by their places.
Colours = Callable[[Sequence[Cell]], Mapping[int, str]]


def write_workbook(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]], colours: Colours | None = None
) -> None:
    import openpyxl  # type: ignore[import-untyped]  # noqa: PLC0415 - uses 13 MB that few commands need

    book = openpyxl.Workbook(write_only=True)
    sheet, left = _sheet(book, columns), MOST_ROWS - 1
    for row in rows:
        if left == 0:
            sheet, left = _sheet(book, columns), MOST_ROWS - 1
        cells = [_typed(sheet, cell) for cell in row]
        for at, colour in colours(row).items() if colours else ():
            cells[at] = _coloured(sheet, cells[at], colour)
        sheet.append(cells)
        left -= 1
    book.save(path)


def _sheet(book: Any, columns: Sequence[str]) -> Any:
    from openpyxl.styles import Font  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]  # noqa: PLC0415

    number = len(book.worksheets) + 1
    sheet = book.create_sheet(_TITLE if number == 1 else f"{_TITLE} {number}")
    sheet.freeze_panes = "A2"
    for at, name in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = WIDTHS.get(name, 14)
    header = [_typed(sheet, name) for name in columns]
    for cell in header:
        cell.font = Font(bold=True)
    sheet.append(header)
    return sheet


def _coloured(sheet: Any, cell: Any, colour: str) -> Any:
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from openpyxl.styles import PatternFill  # noqa: PLC0415 - as above

    own = cell if hasattr(cell, "fill") else WriteOnlyCell(sheet, cell)
    own.fill = PatternFill("solid", fgColor=colour)
    return own


def _typed(sheet: Any, value: Cell) -> Any:
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - as above

    if not isinstance(value, str):
        return value
    text = _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", value)
    if len(text) > LONGEST_TEXT:  # truncated, it would be another value: an import rejects a cell with an error
        cell = WriteOnlyCell(sheet, "#VALUE!")
        cell.data_type = "e"
        return cell
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # also for texts that begin like a formula
    cell.number_format = "@"  # a text typed into the cell keeps its leading zeros
    return cell
