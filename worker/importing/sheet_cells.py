"""The value of a sheet's cell as it was written, and the text that the program shows. Pure functions."""

import math
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final

from feishu_batch.written import Kind, Written
from worker.importing import number_formats
from worker.importing.cells import CellError
from worker.importing.number_formats import GENERAL, general, shown_moment, shown_number
from worker.importing.sheet_xml import RawCell
from worker.importing.table import looks_empty
from worker.importing.workbook import Workbook, unescaped

# Spreadsheets keep 15 digits of a number; the ids of users have 19.
_EXACT: Final = 10**15
_ROUNDED: Final = "the number has more digits than a spreadsheet keeps: format the column as text and enter it again"
_LEAP: Final = 60  # 29 February 1900, which did not exist and which spreadsheets count
_DAYS: Final = 2_958_466  # to the end of 9999
_SAVE: Final = "open the file in a spreadsheet program and save it"


def written_of(cell: RawCell | None, book: Workbook, zone: tzinfo) -> Written | None:
    """None: the cell is empty, or a formula with an empty text as result. Raises `CellError` without the column's name."""
    if cell is None or (cell.text is None and not cell.is_formula):
        return None
    if cell.is_formula and not cell.text and cell.type != "str":
        raise CellError(f"the formula has no stored value; {_SAVE}")
    text = cell.text or ""
    match cell.type:
        case "s":
            return _text(_shared(text, book))
        case "str" | "inlineStr":
            return _text(unescaped(text))
        case "e":
            return Written(Kind.ERROR, text)
        case "b":
            return Written(Kind.BOOLEAN, "TRUE" if text.strip() in ("1", "true") else "FALSE")
        case "d":
            return _iso(text, zone)
    if cell.is_formula and book.is_to_be_calculated and text == "0":
        raise CellError(f"the formula was never calculated, and its stored 0 may be wrong; {_SAVE}")
    return _number(text, _code(cell, book), book, zone) if text.strip() else None


def _text(text: str) -> Written | None:
    return None if looks_empty(text) else Written(Kind.TEXT, text)


def _shared(text: str, book: Workbook) -> str:
    try:
        return book.texts[int(text)]
    except (ValueError, IndexError):
        raise CellError(f"cannot be read: the workbook has no text number {text!r:.40}") from None


def _code(cell: RawCell, book: Workbook) -> str:
    return book.formats[cell.style] if 0 <= cell.style < len(book.formats) else GENERAL


# --- numbers --------------------------------------------------------------------------------------------------------


def _number(text: str, code: str, book: Workbook, zone: tzinfo) -> Written:
    try:
        exact = Decimal(text.strip())
        number = float(exact)
    except (InvalidOperation, ValueError):
        raise CellError(f"cannot be read: {text!r:.40} is not a number") from None
    if not math.isfinite(number):
        raise CellError(f"{text!r:.40} is not a number")
    kind = number_formats.kind_of(code)
    if kind is not number_formats.FormatKind.NUMBER:
        return _moment(number, code, kind, book, zone)
    if abs(exact) >= _EXACT:
        raise CellError(_ROUNDED)
    text = general(Decimal(f"{number:.15g}"))
    shown = text if code == GENERAL else shown_number(number, code)
    if shown is None or not shown.strip():
        raise CellError(
            f"the number {text} is shown as another text, by the number format {code!r:.60}: "
            "give the cell a plain number format, or write the intended value as text"
        )
    return Written(Kind.NUMBER, text, None if shown == text else shown)


def _moment(number: float, code: str, kind: number_formats.FormatKind, book: Workbook, zone: tzinfo) -> Written:
    if kind is number_formats.FormatKind.ELAPSED or (kind is number_formats.FormatKind.TIME and 0 <= number < 1):
        return _duration(number, code, kind)
    moment = _since_epoch(number, is_1904=book.is_1904)
    shown = shown_moment(moment, code)
    if kind is number_formats.FormatKind.TIME:
        raise CellError(
            f"the cell shows a time of day, {shown or code}, but also contains a day: write the intended value as text"
        )
    is_day = moment.time() == time() and "h" not in code.lower()
    text = moment.date().isoformat() if is_day else moment.replace(tzinfo=zone).isoformat()
    return Written(Kind.DATE, text, None if shown == text else shown)


def _duration(number: float, code: str, kind: number_formats.FormatKind) -> Written:
    seconds = round(number * 86400)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if number < 0:
        raise CellError(
            "the cell contains a negative time, which is not a value for a field: write the intended value as text"
        )
    if kind is number_formats.FormatKind.ELAPSED:
        return Written(Kind.TIME, text)
    shown = shown_moment(datetime.combine(date(2000, 1, 1), time()) + timedelta(seconds=seconds), code)
    return Written(Kind.TIME, text, None if shown == text else shown)


def _since_epoch(number: float, *, is_1904: bool) -> datetime:
    """Rounded to milliseconds, the precision of a spreadsheet."""
    if not (0 if is_1904 else 1) <= number < _DAYS or (not is_1904 and _LEAP <= number < _LEAP + 1):
        raise CellError(f"the cell has the format of a date, but its number {number:.15g} is not a date")
    epoch = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 31 if number < _LEAP else 30)  # noqa: DTZ001
    return epoch + timedelta(milliseconds=round(number * 86_400_000))


def _iso(text: str, zone: tzinfo) -> Written:
    """A date that the file stores as text (ISO 8601)."""
    try:
        if len(text.strip()) == len("2030-01-31"):
            return Written(Kind.DATE, date.fromisoformat(text.strip()).isoformat())
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CellError(f"cannot be read: {text!r:.40} is not a date") from None
    return Written(Kind.DATE, (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat())
