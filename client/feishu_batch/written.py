"""What was written, before anybody knows which type the field has: a file's cell, an option of a command, a date of a program.

`1.10` is a number for a field of numbers, and a label or a text for others. The field's type is known only where the field can be
looked up, which is in the workers. So what was written travels to them as it stands, inside the intent's JSON, as an object with one
key that begins with ``$`` (`Written.to_json`, `Written.of`):

    {"$text": "1.10"}                         a cell of a CSV file, or `--after 1.10`
    {"$number": "123", "shown": "00123"}      a number of a workbook, which shows it otherwise
    {"$boolean": "TRUE"}                      a truth value of a workbook
    {"$date": "2026-01-31"}                   a day; or a moment, 2026-01-31T18:00:00+08:00
    {"$time": "03:30:00"}                     a time of day, which no field takes

A text that nobody could take for JSON means the same as a JSON string and travels as one. The workers make
of it what the field takes, or refuse it; the remote system never gets such an object.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

SHOWN: Final = "shown"
_JSON_WORDS: Final = frozenset({"true", "false", "null", "NaN", "Infinity"})
_JSON_STARTS: Final = frozenset('{["-0123456789')
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
MOST_DIGITS: Final = 400  # of a number: a float has 309 before its point


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"  # a day, or a moment
    TIME = "time"
    ERROR = "error"  # of a workbook, such as #REF!; it is refused where it is read, and never travels


@dataclass(frozen=True, slots=True)
class Written:
    """`text`: exactly as it stands; of a number its decimal digits without an exponent, of a date its ISO form, of a truth value
    TRUE or FALSE. `shown`: what a spreadsheet shows in its place, where a number format makes another text of it.

    An empty cell has no `Written`: it is None. A cell under a merge has that of the merge.
    """

    kind: Kind
    text: str
    shown: str | None = None

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """From the form in which it travels; None for plain JSON."""
        if not isinstance(value, Mapping) or not 1 <= len(value) <= 2:  # noqa: PLR2004 - its kind, and what is shown
            return None
        kind = next((_KINDS[key] for key in value if key in _KINDS), None)
        return None if kind is None else cls(kind, value[f"${kind}"], value.get(SHOWN))

    @property
    def as_seen(self) -> str:
        """What whoever wrote it has before his eyes."""
        return self.text if self.shown is None else self.shown

    def to_json(self) -> Any:
        """The form in which it travels."""
        if self.kind is Kind.TEXT and self.shown is None and _is_plain(self.text):
            return self.text
        told = {f"${self.kind}": self.text}
        return told if self.shown in (None, self.text) else {**told, SHOWN: self.shown}


_KINDS: Final[Mapping[str, Kind]] = {f"${kind}": kind for kind in Kind if kind is not Kind.ERROR}


def _is_plain(text: str) -> bool:
    word = text.strip()
    return word != "" and word[0] not in _JSON_STARTS and word not in _JSON_WORDS


def of_python(value: date | Decimal) -> dict[str, Any]:
    """The form in which a program's value travels. Raises ValueError."""
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if value != value:  # noqa: PLR0124 - the NaT of pandas, which is a datetime
        raise ValueError("holds NaT, which is no value of a field")
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("holds a datetime without a time zone, which may mean any: give it one, as with ZoneInfo")
        return {"$date": datetime.isoformat(value)}
    return {"$date": value.isoformat()}


def _of_decimal(value: Decimal) -> dict[str, Any]:
    if not value.is_finite():
        raise ValueError("holds NaN or Infinity, which is no value of a field")
    if abs(value.adjusted()) > MOST_DIGITS:
        raise ValueError(f"holds a Decimal of more than {MOST_DIGITS} digits")
    return {"$number": format(value, "f")}


def check(value: Mapping[str, Any]) -> None:
    """Raises ValueError for an object that begins like something written and is none."""
    kind = next((_KINDS[key] for key in value if key in _KINDS), None)
    if kind is None:
        return
    told = f"holds an object with ${kind}"
    if value.keys() - {f"${kind}", SHOWN}:
        raise ValueError(f"{told} and other keys; beside it there may be {SHOWN} only")
    if not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f"{told}, which is not a text in quotes")
    if not _is_of_its_kind(kind, value[f"${kind}"]):
        raise ValueError(f"{told}, which is not {_WANTED[kind]}")


_WANTED: Final = {
    Kind.NUMBER: "a number in digits, like 12.50",
    Kind.BOOLEAN: "TRUE or FALSE",
    Kind.DATE: "a date like 2030-01-31 or 2030-01-31T18:00:00+08:00",
}


def _is_of_its_kind(kind: Kind, text: str) -> bool:
    if kind is Kind.NUMBER:
        return _DECIMAL.fullmatch(text) is not None
    if kind is Kind.BOOLEAN:
        return text in ("TRUE", "FALSE")
    if kind is Kind.DATE:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return False
        return text[4:5] == "-"
    return True


def untagged(value: Any) -> Any:
    """The value as its producer sees it, for people and programs to read: nothing in it is in the form in which it travels."""
    if (written := Written.of(value)) is not None:
        return written.as_seen
    if isinstance(value, Mapping):
        return {key: untagged(one) for key, one in value.items()}
    return [untagged(one) for one in value] if isinstance(value, list) else value


def holds_written(value: Any) -> bool:
    """Whether the value, or a part of it, is in the form in which it travels."""
    if isinstance(value, Mapping):
        return Written.of(value) is not None or any(map(holds_written, value.values()))
    return isinstance(value, list) and any(map(holds_written, value))
