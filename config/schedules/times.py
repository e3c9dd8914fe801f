"""When an entry is due: the times of a cron line in its time zone, or the multiples of an interval. Pure functions.

Celery's crontab parses the five fields. The times are computed here: RedBeat stores no time zone with a crontab, and
Celery only answers "how long until the next", while a run must know its own due time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab

_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_OPTIONS: Final = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")  # of crontab
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EVERY: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_HOURS: Final = 24
_FAR: Final = 3000  # days; 29 February comes within eight years, also around 2100
_LONGEST: Final = 366 * 86400  # seconds


@dataclass(frozen=True)
class Times:
    """Exactly one of `cron` (five fields) and `every` (``15m``; counted from 1970 in UTC) is set."""

    zone: str
    cron: str | None = None
    every: str | None = None

    @property
    def definition(self) -> str:
        """Identifies the times: two entries with the same definition are due at the same times."""
        return f"every {self.every}" if self.every else f"{self.cron} {self.zone}"

    def latest(self, now: float) -> float:
        """The last moment that is not after `now`. Unix seconds, like every time here."""
        if self.every:
            return now - now % self._interval
        return next(moment for day in self._days(now, -1) for moment in reversed(self._of_day(day)) if moment <= now)

    def next(self, now: float) -> float:
        """The first moment after `now`."""
        if self.every:
            return now - now % self._interval + self._interval
        return next(moment for day in self._days(now, 1) for moment in self._of_day(day) if moment > now)

    def check(self) -> None:
        """Raises ValueError, with the reason, if the times are not valid or never occur."""
        if self.every:
            if not 1 <= self._interval <= _LONGEST:
                raise ValueError("must be between 1s and 366d")
            return
        try:
            self.latest(0.0)
            self.next(0.0)
        except StopIteration:
            raise ValueError(f"{self.cron!r} is a day that never occurs") from None

    @cached_property
    def _interval(self) -> int:
        match = _EVERY.fullmatch(self.every or "")
        if not match:
            raise ValueError('must look like "30s", "15m", "6h" or "1d"')
        return int(match[1]) * _UNITS[match[2]]

    @cached_property
    def _crontab(self) -> crontab:
        return _parsed(self.cron or "")

    def _days(self, now: float, step: int) -> Iterator[date]:
        """Local days, from the day before `now`: a time that the clock change skips may move to the next day."""
        first = datetime.fromtimestamp(now, ZoneInfo(self.zone)).date() - timedelta(days=step)
        fields = self._crontab
        for distance in range(_FAR):
            day = first + timedelta(days=distance * step)
            is_in_month = day.day in fields.day_of_month and day.month in fields.month_of_year
            if is_in_month and day.isoweekday() % 7 in fields.day_of_week:
                yield day

    def _of_day(self, day: date) -> tuple[float, ...]:
        fields = self._crontab
        return _moments(day, self.zone, frozenset(fields.hour), frozenset(fields.minute))


@lru_cache(maxsize=64)
def _moments(day: date, zone: str, hours: frozenset[int], minutes: frozenset[int]) -> tuple[float, ...]:
    """In order. A local time that the clock change skips is moved later by the change; one that occurs twice counts only the
    first time, unless the entry runs in every hour.
    """
    folds = (0, 1) if len(hours) == _HOURS else (0,)
    found = {
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold)
        .astimezone(UTC)
        .timestamp()
        for hour in hours
        for minute in minutes
        for fold in folds
    }
    return tuple(sorted(found))


def _parsed(line: str) -> crontab:
    parts = line.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{line!r} has {len(parts)} fields; it needs five: {', '.join(_FIELDS)}")
    for name, option, part in zip(_FIELDS, _OPTIONS, parts, strict=True):
        try:
            crontab(**{option: part})
        except (ValueError, ParseException):  # whose message names no field, or the wrong one
            raise ValueError(f"{part!r} is not a valid {name}") from None
    try:
        return crontab(**dict(zip(_OPTIONS, parts, strict=True)))
    except ValueError:
        raise ValueError(f"{line!r} is a day that never occurs") from None
