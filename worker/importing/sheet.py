"""The rows of an XLSX workbook's sheet, one by one. Its table of texts is in memory, its rows are not."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import islice, repeat
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from worker.importing.cells import CellError
from worker.importing.columns import ImportFileError, columns_of
from worker.importing.row import Rejected, Row, row_of
from worker.importing.typed_cells import typed_intent_of

MOST_BYTES: Final = 2 * 1024**3  # unpacked; a million rows are about 400 MB
MOST_TEXT_BYTES: Final = 256 * 1024**2  # of the texts that cells share
BOMB_RATIO, BOMB_BYTES = (
    200,
    64 * 1024**2,
)  # spreadsheets shrink to a tenth or a thirtieth; deflate goes to a thousandth
_CHUNK: Final = 1024 * 1024
_STEP: Final = 200  # rows
_FORMULAS: Final = (b"<f>", b"<f ", b"<f/")
_DAMAGED: Final = "is damaged, or no XLSX workbook"


def sheet_rows(stream: BinaryIO, sheet: str | None, zone: tzinfo, import_id: str) -> Iterator[Row | Rejected]:
    """Lines are the sheet's row numbers. Raises `ImportFileError` before the first row, or never."""
    has_formulas = _inspect(stream)
    values = _sheet(stream, sheet, formulas=False)
    formulas = _sheet(stream, sheet, formulas=True) if has_formulas else None
    return _rows(values, formulas, zone, f"{import_id}\0{values.title}")


def _rows(values: Any, formulas: Any, zone: tzinfo, import_id: str) -> Iterator[Row | Rejected]:
    numbered = _numbered(values, formulas)
    first = next(numbered, (1, (), ()))
    if isinstance(first, Rejected):
        raise ImportFileError(first.reason)
    try:
        columns = columns_of(["" if cell.value is None else str(cell.value) for cell in first[1]])
    except ImportFileError as error:
        raise ImportFileError(f"sheet {values.title!r}: {error}{_other_sheets(values)}") from None
    for one in numbered:
        if isinstance(one, Rejected):
            yield one
        elif any(cell.value is not None and str(cell.value).strip() for cell in (*one[1], *one[2])):
            yield _row(*one, columns, zone, import_id)


def _other_sheets(sheet: Any) -> str:
    titles = [one.title for one in sheet.parent.worksheets if one is not sheet]
    return f". Other sheets, for --sheet: {', '.join(titles)}" if titles else ""


def _row(
    line: int, cells: Sequence[Any], formulas: Sequence[Any], columns: Sequence[str], zone: tzinfo, import_id: str
) -> Row | Rejected:
    padded = [cell.value for cell in cells] + [None] * (len(columns) - len(cells))
    try:
        _refuse_unusable(columns, cells, formulas)
        return row_of(line, typed_intent_of(dict(zip(columns, padded, strict=False)), zone), import_id)
    except CellError as error:
        return Rejected(line, str(error))


def _refuse_unusable(columns: Sequence[str], cells: Sequence[Any], formulas: Sequence[Any]) -> None:
    for name, cell in zip(columns, cells, strict=False):
        if getattr(cell, "data_type", "n") == "e":
            raise CellError(f"{name}: the cell shows the error {cell.value}")
    for name, cell, formula in zip(columns, cells, formulas, strict=False):
        # Empty would clear the field; nobody who wrote a formula means that.
        if cell.value is None and getattr(formula, "data_type", "n") == "f":
            raise CellError(
                f"{name}: the formula has no stored value; open the file in a spreadsheet program and save it"
            )
    if extra := [cell.value for cell in cells[len(columns) :] if cell.value is not None]:
        raise CellError(f"has a value in a column without a name: {extra[0]!s:.40}")


def _numbered(values: Any, formulas: Any) -> Iterator[tuple[int, Sequence[Any], Sequence[Any]] | Rejected]:
    """(row number, cells, the same cells with their formulas). What cannot be read ends the rows with a rejected one."""
    pairs = zip(values.iter_rows(), formulas.iter_rows() if formulas else repeat(()), strict=False)
    numbered = enumerate(pairs, start=1)
    line = 0
    while True:
        step: list[tuple[int, Any]] = []
        error = _fill(step, numbered)
        for line, (cells, others) in step:
            yield line, cells, others
        if error:
            yield Rejected(line + 1, f"cannot be read, nor can what follows: {error}")
        if error or len(step) < _STEP:
            return


def _fill(step: list[tuple[int, Any]], numbered: Iterator[tuple[int, Any]]) -> str:
    """The next rows; the text of the error that ended them, if one did."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what a workbook may have and nobody needs here
            step.extend(islice(numbered, _STEP))
    except Exception as error:  # noqa: BLE001 - whatever a damaged cell makes openpyxl raise
        return f"{type(error).__name__}: {error}"
    return ""


def _sheet(stream: BinaryIO, name: str | None, *, formulas: bool) -> Any:
    import openpyxl  # type: ignore[import-untyped]  # noqa: PLC0415 - 13 MB that a worker without workbooks need not have

    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(stream, read_only=True, data_only=not formulas, keep_links=False)
    except Exception as error:  # noqa: BLE001 - as above
        raise ImportFileError(f"{_DAMAGED} ({type(error).__name__})") from None
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        raise ImportFileError("the workbook has no sheet with rows")
    if name is not None and name not in sheets:
        raise ImportFileError(f"no sheet is named {name!r}; there are: {', '.join(sheets)}")
    visible = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    sheet = sheets[name] if name is not None else next(iter(visible or sheets.values()))
    sheet.reset_dimensions()  # programs write wrong ones, and openpyxl would stop there
    return sheet


# --- before anything is unpacked into memory ------------------------------------------------------------------------


def _inspect(stream: BinaryIO) -> bool:
    """Whether a sheet has formulas. Every part is unpacked once, to nowhere: damage is found before the first row counts."""
    try:
        with zipfile.ZipFile(stream) as archive:
            _refuse_bomb(archive.infolist())
            parts = [part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))]
            found = [_scan(archive, part) for part in parts]
            return any(found)
    except zipfile.BadZipFile:
        hint = "an .xls or a password-protected file has to be saved as .xlsx without a password"
        raise ImportFileError(f"{_DAMAGED}; {hint}") from None
    except (
        expat.ExpatError,
        OSError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        zlib.error,
    ) as error:
        raise ImportFileError(f"{_DAMAGED} ({error})") from None


def _refuse_bomb(parts: Sequence[zipfile.ZipInfo]) -> None:
    """By the sizes that the archive states; reading stops there, whatever it really holds."""
    unpacked, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    if unpacked > MOST_BYTES or (unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed):
        raise ImportFileError(f"the workbook would unpack to {unpacked:,} bytes, which no honest one of its size does")
    if texts > MOST_TEXT_BYTES:
        raise ImportFileError("the workbook has too many different texts for the memory; save the sheet as CSV")


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    is_sheet, found, tail = "worksheets/" in part.filename, False, b""
    with archive.open(part) as unpacked:
        while chunk := unpacked.read(_CHUNK):
            parser.Parse(chunk, False)
            if is_sheet and not found:
                found = any(mark in tail + chunk for mark in _FORMULAS)
                tail = chunk[-2:]
        parser.Parse(b"", True)
    return found


def _refuse_doctype(*_: Any) -> None:
    raise ImportFileError("the workbook defines XML entities, which no spreadsheet program does")
