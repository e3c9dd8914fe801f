"""Dates as people and programs write them. A number is accepted only if it can only be milliseconds of a plausible year."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from worker.writing.characters import plain

PLAUSIBLE: Final = range(631_152_000_000, 7_258_118_400_000)  # milliseconds of the years 1990 to 2199
_FIRST_YEAR: Final = 1901  # before that, a spreadsheet shows the numbers 0 and 1 as dates
_DAY_0: Final = date(1899, 12, 30)  # of spreadsheets
_SERIALS: Final = range(10_000, 110_000)  # the years 1927 to 2201
_YEARS: Final = range(1900, 2200)
_WRITTEN: Final = re.compile(
    r"(?P<year>[0-9]{4})\s?(?:[/.-]|年)\s?(?P<month>[0-9]{1,2})\s?(?:[/.-]|月)\s?(?P<day>[0-9]{1,2})\s?日?"
    r"(?:[ T]\s*(?P<hour>[0-9]{1,2}):(?P<rest>[0-9]{2}(?::[0-9]{2})?))?"
)
_YEAR_LAST: Final = re.compile(
    r"(?P<one>[0-9]{1,2})\s?([/.-])\s?(?P<other>[0-9]{1,2})\s?\2\s?(?P<year>[0-9]{4})(?:[ ,T]\s*[0-9]{1,2}:.{1,20})?"
)
_TWO_DIGITS: Final = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1[0-9]{2}(?:[ ,T].{1,20})?")
_YEAR_FIRST: Final = "write the year first, with four digits"
_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]*)?")


class DateError(ValueError):
    """The text is not a date; the message is a clause of its own, or empty."""


def milliseconds_in(text: str, zone: tzinfo) -> int:
    """Unix milliseconds of a date or time with the year first; without an offset it is in `zone`. Raises `DateError`."""
    word = plain(text).strip()
    if _DIGITS.fullmatch(word):
        return milliseconds_of(word)
    try:
        moment = datetime.fromisoformat(_iso(word))
        aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=zone)
        result = round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise DateError(_year_last(word)) from None
    if moment.year < _FIRST_YEAR:
        raise DateError(f"a date in the year {moment.year} is usually the number 0 of a spreadsheet, shown as a date")
    return result


def _year_last(text: str) -> str:
    """What ``12/24/2026`` may be: people write the month first, or the day."""
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return _YEAR_FIRST if _TWO_DIGITS.fullmatch(text) else ""
    year, (one, other) = int(found["year"]), (int(found["one"]), int(found["other"]))
    days = sorted({day.isoformat() for day in (_day(year, one, other), _day(year, other, one)) if day})
    meant = " or ".join(days)
    return f"it may be {meant}: write {'that' if len(days) == 1 else 'the intended one'}" if days else ""


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def milliseconds_of(number: str) -> int:
    """From a bare number, by its digits. Raises `DateError` that says what the number looks like."""
    whole, _, fraction = number.lstrip("+").partition(".")
    if not fraction.strip("0") and int(whole) in PLAUSIBLE:
        return int(whole)
    raise DateError(_looks_like(int(whole), fraction))


def _looks_like(number: int, fraction: str) -> str:
    for read in (_serial, _year, *_AS_DATE, _instant):
        if meant := read(number, fraction):
            return f"as milliseconds it would be {_as_milliseconds(number)}; it looks like {meant}"
    return f"as milliseconds it would be {_as_milliseconds(number)}"


def _as_milliseconds(number: int) -> str:
    try:
        return f"in {(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)).year}"
    except OverflowError:
        return "beyond any calendar"


def _serial(number: int, fraction: str) -> str:
    if number not in _SERIALS:
        return ""
    day = _DAY_0 + timedelta(days=number)
    moment = datetime(day.year, day.month, day.day) + timedelta(days=float(f"0.{fraction or 0}"))  # noqa: DTZ001 - for people
    written = moment.isoformat(" ", "minutes") if fraction.strip("0") else day.isoformat()
    return f"a spreadsheet's number for {written}: write that"


def _year(number: int, fraction: str) -> str:
    return f"the year {number}: write a day, like {number}-01-31" if number in _YEARS and not fraction else ""


def _as_date(form: str, written: str, *, is_whole: bool = True) -> Callable[[int, str], str]:
    """`form`: how strptime reads the digits."""
    length = {"%Y%m%d": 8, "%Y%m": 6, "%y%m%d": 6, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14, "%Y%m%d%H%M%S%f": 17}[form]

    def read(number: int, _fraction: str) -> str:
        text = str(number)
        try:
            moment = datetime.strptime(text, form) if len(text) == length else None  # noqa: DTZ007 - for people
        except ValueError:
            return ""
        if moment is None or moment.year not in _YEARS:
            return ""
        day = moment.strftime(written)
        return f"{day}: write {'that' if is_whole else f'a day, like {day}-31'}"

    return read


_AS_DATE: Final = (
    _as_date("%Y%m%d", "%Y-%m-%d"),
    _as_date("%Y%m", "%Y-%m", is_whole=False),
    _as_date("%y%m%d", "%Y-%m-%d"),
    _as_date("%Y%m%d%H%M", "%Y-%m-%d %H:%M"),
    _as_date("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S"),
    _as_date("%Y%m%d%H%M%S%f", "%Y-%m-%d %H:%M:%S"),
)
_UNITS: Final = (("seconds", 1000.0), ("microseconds", 1e-3), ("nanoseconds", 1e-6))


def _instant(number: int, _fraction: str) -> str:
    for unit, factor in _UNITS:
        if int(number * factor) in PLAUSIBLE:
            moment = datetime.fromtimestamp(number * factor / 1000, UTC)
            return f"{unit} of {moment.isoformat(' ', 'seconds').removesuffix('+00:00')} UTC: write milliseconds"
    return ""


def _iso(text: str) -> str:
    """A date that begins with the year is unambiguous; spreadsheets omit zeros: ``2030/1/31 8:05``, ``2030年1月31日``."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return text
    day = f"{found['year']}-{int(found['month']):02}-{int(found['day']):02}"
    return f"{day}T{int(found['hour']):02}:{found['rest']}" if found["hour"] else day
