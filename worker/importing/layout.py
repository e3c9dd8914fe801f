"""The layout of a sheet: hidden rows and columns, merged ranges. Read before its first row is used."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from worker.importing.cells import CellError
from worker.importing.columns import ImportFileError
from worker.importing.sheet_xml import Merge, RawCell, RawRow, SheetReader, letter_of
from worker.importing.table import Hidden, LineNumbers, Noticed

MOST_MERGES: Final = 100_000  # held in memory
_SHOW_ROWS: Final = "show them, delete them, or give --hidden include, skip or reject"
_SHOW_COLUMNS: Final = "show them, or give --hidden include to read them"


@dataclass(slots=True)
class Layout:
    merges: list[Merge] = field(default_factory=list)  # from top to bottom
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    hidden_rows: LineNumbers = field(default_factory=LineNumbers)  # below the header, not empty


def layout_of(reader: SheetReader) -> Layout:
    """Reads all of the sheet. Raises `ImportFileError`."""
    layout = Layout()
    is_header = True
    for row in _rows(reader):
        if all(cell.is_blank for cell in row.cells.values()):
            continue
        if row.is_hidden and not is_header:
            layout.hidden_rows.add(row.number)
        is_header = False
        if len(reader.merges) > MOST_MERGES:
            break
    if len(reader.merges) > MOST_MERGES:
        raise ImportFileError(f"the sheet has more than {MOST_MERGES:,} merged ranges: unmerge them, or save it as CSV")
    layout.merges = sorted(reader.merges, key=attrgetter("top"))
    layout.hidden_columns = reader.hidden_columns
    return layout


def _rows(reader: SheetReader) -> Iterator[RawRow]:
    """Up to the first unreadable part, which is reported later, with the rows."""
    with suppress(ValueError, LookupError):
        yield from reader.rows()


def accept(layout: Layout, names: Sequence[str | None], hidden: Hidden | None, noticed: Noticed) -> None:
    """Raises `ImportFileError` for hidden rows and columns, unless the user has decided about them. No name: the column is not read."""
    problems = []
    if hidden is None and layout.hidden_rows.count:
        some = "row is" if layout.hidden_rows.count == 1 else "rows are"
        problems.append(f"{layout.hidden_rows.count} {some} hidden ({layout.hidden_rows.in_words()}): {_SHOW_ROWS}")
    columns = [
        f"{name} ({letter_of(at)})"
        for at, name in enumerate(names)
        if name is not None and any(first <= at <= last for first, last in layout.hidden_columns)
    ]
    if columns and hidden is not Hidden.INCLUDE:
        problems.append(f"hidden columns: {', '.join(columns)}: {_SHOW_COLUMNS}")
    if problems:
        raise ImportFileError("; ".join(problems))
    noticed.hidden_columns = tuple(columns)


class Merges:
    """Fills the cells of merged ranges below the first one. Call it with rows from top to bottom."""

    def __init__(self, merges: Sequence[Merge], columns: int) -> None:
        """`columns`: the number of named columns."""
        self._merges = merges
        self._columns = columns
        self._next = 0
        self._open: dict[Merge, RawCell | None] = {}  # with the cell that holds the value

    def own_cells(self, row: RawRow) -> Iterator[RawCell]:
        """The cells of the row that are not below the first of a merged range."""
        self._advance(row)
        covered = {at for merge in self._open if merge.top < row.number for at in range(merge.left, merge.right + 1)}
        return (cell for at, cell in row.cells.items() if at not in covered)

    def fill(self, row: RawRow, header: int) -> bool:
        """Whether the row got a value from above. Raises `CellError` if the value of a cell is not clear."""
        took = False
        for merge, cell in self._open.items():
            named = range(merge.left, min(merge.right + 1, self._columns))
            if len(named) > 1:
                where = f"{letter_of(merge.left)}{merge.top}:{letter_of(merge.right)}{merge.bottom}"
                raise CellError(
                    f"the merged range {where} covers several columns, so the value of each is unclear: unmerge it"
                )
            if not named or merge.top == row.number:
                continue
            if merge.top <= header:
                raise CellError(f"column {letter_of(merge.left)} is merged with the header: unmerge it")
            took = True
            if cell is None:
                row.cells.pop(merge.left, None)
            else:
                row.cells[merge.left] = cell
        return took

    def _advance(self, row: RawRow) -> None:
        for merge in [merge for merge in self._open if merge.bottom < row.number]:
            del self._open[merge]
        while self._next < len(self._merges) and self._merges[self._next].top <= row.number:
            merge = self._merges[self._next]
            self._next += 1
            if merge.bottom >= row.number:
                self._open[merge] = row.cells.get(merge.left) if merge.top == row.number else None
