"""The rows of an XLSX workbook's sheet, one by one. Its table of texts is in memory, its rows are not."""

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
from worker.importing.workbook import Sheet, Workbook, open_workbook

_HIDDEN = "the row is hidden, and --hidden says reject"


def sheet_rows(stream: BinaryIO, table: Table, import_id: str, noticed: Noticed) -> Iterator[Row | Rejected]:
    """Lines are the sheet's row numbers. Raises `ImportFileError` before the first row, or never."""
    book = open_workbook(stream)
    sheet = book.chosen(table.sheet)
    noticed.sheet = sheet.title
    noticed.other_sheets = tuple(other.told() for other in book.sheets if other is not sheet)
    try:
        reading = _reading(book, sheet, table, import_id, noticed)
    except ImportFileError as error:
        others = f". Other sheets, for --sheet: {', '.join(noticed.other_sheets)}" if noticed.other_sheets else ""
        raise ImportFileError(f"sheet {sheet.title!r}: {error}{others}") from None
    return reading.rows()


def _reading(book: Workbook, sheet: Sheet, table: Table, import_id: str, noticed: Noticed) -> "_Reading":
    layout = Layout()
    if sheet.part in book.has_layout:
        with book.archive.open(sheet.part) as part:
            layout = layout_of(SheetReader(part))
    raw = _raw_rows(book, sheet)
    first = next((row for row in raw if isinstance(row, Rejected) or not _is_blank(row)), RawRow(1, is_hidden=False))
    if isinstance(first, Rejected):
        raise ImportFileError(first.reason)
    columns = columns_of(_header(first, book, table))
    accept(layout, columns, table.hidden, noticed)
    merges = Merges(layout.merges, len(columns))
    return _Reading(book, table, f"{import_id}\0{sheet.title}", noticed, raw, first.number, columns, merges)


def _raw_rows(book: Workbook, sheet: Sheet) -> Iterator[RawRow | Rejected]:
    """What cannot be read ends the rows with a rejected one."""
    line = 0
    try:
        with book.archive.open(sheet.part) as part:
            for row in SheetReader(part).rows():
                line = row.number
                yield row
    except (ValueError, LookupError) as error:
        yield Rejected(line + 1, f"cannot be read, nor can what follows: {type(error).__name__}: {error}")


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
class _Reading:
    book: Workbook
    table: Table
    import_id: str
    noticed: Noticed
    raw: Iterator[RawRow | Rejected]
    header: int  # its line
    columns: Sequence[str]
    merges: Merges

    def rows(self) -> Iterator[Row | Rejected]:
        for raw in self.raw:
            if isinstance(raw, Rejected):
                yield raw
            elif any(not cell.is_blank for cell in self.merges.own_cells(raw)) and not self._is_left_out(raw):
                row = self._row(raw)
                if row is not None:
                    yield row

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
        if took:
            self.noticed.merged.add(line)
        if raw.is_hidden:
            self.noticed.hidden_read.add(line)
        return made

    def _as_seen(self, raw: RawRow) -> dict[str, Any]:
        """For the report of a row that is rejected; a cell that cannot be read is left out."""
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
