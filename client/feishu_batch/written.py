"""A value as it was written, before the field's type is known: a cell of a file, an option of a command, a date of a program.

`1.10` is a number for a number field, and a label or a text for other fields. Only the workers can look up the field's type. So the
value is sent to them as it was written, inside the intent's JSON, as an object with one key that begins with ``$``
(`Written.to_json`, `Written.of`):

    {"$text": "1.10"}                         a cell of a CSV file, or `--after 1.10`
    {"$number": "123", "shown": "00123"}      a number of a workbook, which shows it as another text
    {"$boolean": "TRUE"}                      a truth value of a workbook
    {"$date": "2026-01-31"}                   a day; or a moment, 2026-01-31T18:00:00+08:00
    {"$time": "03:30:00"}                     a time of day, which no field takes

A text that cannot be mistaken for JSON is sent as a JSON string. The workers convert the value for the field, or refuse it;
the remote system never gets such an object.
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
    ERROR = "error"  # of a workbook, such as #REF!; it is rejected by the reader and never sent


@dataclass(frozen=True, slots=True)
class Written:
    """`text`: exactly as written; for a number its decimal digits without an exponent, for a date its ISO form, for a boolean
    TRUE or FALSE. `shown`: the text that a spreadsheet shows instead, if a number format changes it.

    An empty cell is None. A cell in a merged range has the value of the range.
    """

    kind: Kind
    text: str
    shown: str | None = None

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """From the wire form; None for plain JSON."""
        if not isinstance(value, Mapping) or not 1 <= len(value) <= 2:  # noqa: PLR2004 - its kind, and `shown`
            return None
        kind = next((_KINDS[key] for key in value if key in _KINDS), None)
        return None if kind is None else cls(kind, value[f"${kind}"], value.get(SHOWN))

    @property
    def as_seen(self) -> str:
        """The text that the author of the file sees."""
        return self.text if self.shown is None else self.shown

    def to_json(self) -> Any:
        """The wire form."""
        if self.kind is Kind.TEXT and self.shown is None and _is_plain(self.text):
            return self.text
        form = {f"${self.kind}": self.text}
        return form if self.shown in (None, self.text) else {**form, SHOWN: self.shown}


_KINDS: Final[Mapping[str, Kind]] = {f"${kind}": kind for kind in Kind if kind is not Kind.ERROR}


def _is_plain(text: str) -> bool:
    word = text.strip()
    return word != "" and word[0] not in _JSON_STARTS and word not in _JSON_WORDS


def of_python(value: date | Decimal) -> dict[str, Any]:
    """The wire form of a program's value. Raises ValueError."""
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if value != value:  # noqa: PLR0124 - the NaT of pandas, which is a datetime
        raise ValueError("holds NaT, which is not a value for a field")
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("holds a datetime without a time zone: give it one, for example with ZoneInfo")
        return {"$date": datetime.isoformat(value)}
    return {"$date": value.isoformat()}


def _of_decimal(value: Decimal) -> dict[str, Any]:
    if not value.is_finite():
        raise ValueError("holds NaN or Infinity, which is not a value for a field")
    if abs(value.adjusted()) > MOST_DIGITS:
        raise ValueError(f"holds a Decimal of more than {MOST_DIGITS} digits")
    return {"$number": format(value, "f")}


def check(value: Mapping[str, Any]) -> None:
    """Raises ValueError for an object with such a key that is not a valid wire form."""
    kind = next((_KINDS[key] for key in value if key in _KINDS), None)
    if kind is None:
        return
    what = f"holds an object with ${kind}"
    if value.keys() - {f"${kind}", SHOWN}:
        raise ValueError(f"{what} and other keys; only {SHOWN} is allowed beside it")
    if not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f"{what}, which is not a text in quotes")
    if not _is_of_its_kind(kind, value[f"${kind}"]):
        raise ValueError(f"{what}, which is not {_WANTED[kind]}")


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
    """The value as its producer knows it, for people and programs: without any wire form."""
    if (written := Written.of(value)) is not None:
        return written.as_seen
    if isinstance(value, Mapping):
        return {key: untagged(one) for key, one in value.items()}
    return [untagged(one) for one in value] if isinstance(value, list) else value


def holds_written(value: Any) -> bool:
    """Whether the value, or a part of it, is in its wire form."""
    if isinstance(value, Mapping):
        return Written.of(value) is not None or any(map(holds_written, value.values()))
    return isinstance(value, list) and any(map(holds_written, value))
