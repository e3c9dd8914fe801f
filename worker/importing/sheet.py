"""The rows of a sheet of an XLSX workbook, one by one. The shared texts are in memory, the rows are not."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from feishu_batch.written import Kind, Written
from worker.importing.cells import CellError
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.layout import Layout, Merges, accept, layout_of
from worker.importing.report_columns import VALUES
from worker.importing.row import Rejected, Row, row_of
from worker.importing.sheet_cells import written_of
from worker.importing.sheet_xml import RawRow, SheetReader, letter_of
from worker.importing.table import Hidden, Noticed, Table, is_skipped
from worker.importing.typed_cells import typed_intent_of
from worker.importing.wide.gathering import table_rows
from worker.importing.wide.header import is_wide, refuse_no_table
from worker.importing.wide.options import is_ignored
from worker.importing.wide.raw import RawTable, TypedCells, WideRow
from worker.importing.workbook import Sheet, Workbook, open_workbook

_HIDDEN = "the row is hidden, and --hidden reject was given"


def sheet_rows(stream: BinaryIO, table: Table, import_id: str, noticed: Noticed) -> Iterator[Row | Rejected]:
    """Lines are the sheet's row numbers. Raises `ImportFileError` before the first row, or never."""
    book = open_workbook(stream)
    sheet = book.chosen(table.sheet)
    noticed.sheet = sheet.title
    noticed.other_sheets = tuple(other.in_words() for other in book.sheets if other is not sheet)
    try:
        return _reading(book, sheet, table, import_id, noticed)
    except ImportFileError as error:
        others = f". Other sheets, for --sheet: {', '.join(noticed.other_sheets)}" if noticed.other_sheets else ""
        raise type(error)(f"sheet {sheet.title!r}: {error}{others}") from None


def _reading(book: Workbook, sheet: Sheet, table: Table, import_id: str, noticed: Noticed) -> Iterator[Row | Rejected]:
    layout = Layout()
    if sheet.part in book.has_layout:
        with book.archive.open(sheet.part) as part:
            layout = layout_of(SheetReader(part))
    raw = _raw_rows(book, sheet)
    first = _first(raw, table.header_row)
    header, own_id = _header(first, book, table), f"{import_id}\0{sheet.title}"
    wide = is_wide(header, table.as_table)
    if not wide:
        refuse_no_table(header, table.as_table)
    columns = _without_end(header) if wide else columns_of(header)
    read = [None if wide and (not name or is_ignored(name, table.as_table)) else name for name in columns]
    accept(layout, read, table.hidden, noticed)
    reading = _SheetReading(
        book, table, own_id, noticed, raw, first.number, columns, Merges(layout.merges, len(columns))
    )
    if not wide:
        return reading.rows()
    return table_rows(RawTable(columns, reading.table_rows(), TypedCells(table.zone)), table, own_id, noticed)


def _first(raw: Iterator[RawRow | Rejected], header_row: int | None) -> RawRow:
    """The row of the header. Raises `ImportFileError`."""
    for row in raw:
        if isinstance(row, Rejected):
            raise ImportFileError(f"row {row.line}: {row.reason}")
        if row.number == header_row or (header_row is None and not _is_blank(row)):
            return row
    if header_row is not None:
        raise ImportFileError(f"row {header_row} (--header-row) is blank or behind its end")
    return RawRow(1, is_hidden=False)


def _without_end(header: Sequence[str]) -> list[str]:
    """Spreadsheets leave empty columns at the end."""
    names = list(header)
    while names and not names[-1].strip():
        names.pop()
    return names


def _raw_rows(book: Workbook, sheet: Sheet) -> Iterator[RawRow | Rejected]:
    """An unreadable part ends the rows with a rejected one."""
    line = 0
    try:
        with book.archive.open(sheet.part) as part:
            for row in SheetReader(part).rows():
                line = row.number
                yield row
    except (ValueError, LookupError) as error:
        yield Rejected(line + 1, f"this row and the following ones cannot be read: {type(error).__name__}: {error}")


def _is_blank(row: RawRow) -> bool:
    return all(cell.is_blank for cell in row.cells.values())


def _header(row: RawRow, book: Workbook, table: Table) -> list[str]:
    try:
        cells = [
            written_of(row.cells.get(at), book, table.zone) for at in range(max(row.cells) + 1 if row.cells else 0)
        ]
    except CellError as error:
        raise ImportFileError(f"the header cannot be read: {error}") from None
    return [cell.as_seen if cell else "" for cell in cells]


@dataclass(frozen=True, slots=True)
class _SheetReading:
    book: Workbook
    table: Table
    import_id: str
    noticed: Noticed
    raw: Iterator[RawRow | Rejected]
    header: int  # its line
    columns: Sequence[str]
    merges: Merges

    def rows(self) -> Iterator[Row | Rejected]:
        for raw in self._filled_in():
            row = raw if isinstance(raw, Rejected) else self._row(raw)
            if row is not None:
                yield row

    def table_rows(self) -> Iterator[WideRow | Rejected]:
        for raw in self._filled_in():
            yield raw if isinstance(raw, Rejected) else self._table_row(raw)

    def _filled_in(self) -> Iterator[RawRow | Rejected]:
        for raw in self.raw:
            if isinstance(raw, Rejected) or (
                any(not cell.is_blank for cell in self.merges.own_cells(raw)) and not self._is_left_out(raw)
            ):
                yield raw

    def _table_row(self, raw: RawRow) -> WideRow | Rejected:
        if raw.is_hidden and self.table.hidden is Hidden.REJECT:
            return Rejected(raw.number, _HIDDEN)
        try:
            took = self.merges.fill(raw, self.header)
        except CellError as error:
            return Rejected(raw.number, str(error))
        self._notice(raw, took=took)
        width = max(len(self.columns), max(raw.cells, default=-1) + 1)
        return WideRow(raw.number, {at: self._cell(raw, at) for at in range(width)})

    def _cell(self, raw: RawRow, at: int) -> Written | CellError | None:
        name = self.columns[at] if at < len(self.columns) else letter_of(at)
        try:
            return written_of(raw.cells.get(at), self.book, self.table.zone)
        except CellError as error:
            return CellError(f"{name}: {error}")

    def _is_left_out(self, raw: RawRow) -> bool:
        if raw.is_hidden and self.table.hidden is Hidden.SKIP:
            self.noticed.hidden_skipped.add(raw.number)
            return True
        return False

    def _row(self, raw: RawRow) -> Row | Rejected | None:
        line = raw.number
        if raw.is_hidden and self.table.hidden is Hidden.REJECT:
            return Rejected(line, _HIDDEN, self._as_seen(raw))
        try:
            took = self.merges.fill(raw, self.header)
            cells = self._cells(raw)
            if cells["after_field_value"] is None and is_skipped(line, self.table.empty, self.noticed):
                return None
            made = row_of(line, typed_intent_of(cells, self.table.zone), self.import_id)
        except CellError as error:
            return Rejected(line, str(error), self._as_seen(raw))
        self._notice(raw, took=took)
        return made

    def _notice(self, raw: RawRow, *, took: bool) -> None:
        if took:
            self.noticed.merged.add(raw.number)
        if raw.is_hidden:
            self.noticed.hidden_read.add(raw.number)

    def _as_seen(self, raw: RawRow) -> dict[str, Any]:
        """For the report of a rejected row; without cells that cannot be read."""
        found: dict[str, Any] = {}
        for at, name in enumerate(self.columns):
            with suppress(CellError):
                if cell := written_of(raw.cells.get(at), self.book, self.table.zone):
                    is_value = name in VALUES and cell.kind is not Kind.ERROR
                    found[name] = cell.to_json() if is_value else cell.as_seen
        return found

    def _cells(self, raw: RawRow) -> dict[str, Written | None]:
        found = {}
        for at, name in enumerate(self.columns):
            try:
                found[name] = written_of(raw.cells.get(at), self.book, self.table.zone)
            except CellError as error:
                raise CellError(f"{name}: {error}") from None
        for at, cell in raw.cells.items():
            if at >= len(self.columns) and not cell.is_blank:
                raise CellError(f"has a value in column {letter_of(at)}, which has no name in the header")
        return found
