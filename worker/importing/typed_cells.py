"""What a cell of a spreadsheet means: unlike text, it has a type. Pure functions; each raises `CellError`."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final

from worker.importing.cells import CellError, field_value, intent_of, item_ids

CHINA: Final = timezone(timedelta(hours=8))  # where Feishu Project counts its days; there is no summer time
# Spreadsheets keep 15 digits of a number; the ids of users have 19.
_EXACT: Final = 10**15
_ROUNDED: Final = "the number has more digits than a spreadsheet keeps: format the column as text and enter it again"


def typed_intent_of(row: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    """The intent's JSON shape from a row's cells by column name; empty cells are None."""
    texts = {name: _text(name, cell, zone) for name, cell in row.items() if name not in _TYPED}
    # The typed ones below take the place of these; the text rules only see that they are there.
    intent = intent_of({**texts, "work_item_ids": "1", "after_field_value": ""})
    intent["work_item_ids"] = _ids(row["work_item_ids"])
    for name in ("after_field_value", "before_field_value"):
        if name in row:
            intent[name] = value_of(name, row[name], zone)
    if intent.get("before_field_value") is None:
        intent.pop("before_field_value", None)
    return intent


_TYPED: Final = frozenset({"work_item_ids", "after_field_value", "before_field_value"})


def value_of(name: str, cell: Any, zone: tzinfo) -> Any:
    """Numbers, booleans and dates are what they are, dates as the remote system wants them: milliseconds since 1970.

    A text that is a JSON object, list, quoted text or null is taken as JSON; other text, also of digits, stays text.
    """
    if isinstance(cell, str):
        value = field_value(cell)
        return cell if isinstance(value, bool | int | float) else value
    return _convert(name, cell, zone)


def _convert(name: str, cell: Any, zone: tzinfo) -> Any:
    for kind, convert in _CONVERSIONS:
        if isinstance(cell, kind):
            return convert(name, cell, zone)
    raise CellError(f"{name}: {cell} is no value of a field; write it as text")


def _number(name: str, number: float, _zone: tzinfo) -> float:
    if abs(number) >= _EXACT:
        raise CellError(f"{name}: {_ROUNDED}")
    return int(number) if number == int(number) else number


def _milliseconds(_name: str, moment: datetime, zone: tzinfo) -> int:
    return round(moment.replace(tzinfo=zone).timestamp() * 1000)


def _midnight(name: str, day: date, zone: tzinfo) -> int:
    return _milliseconds(name, datetime.combine(day, time()), zone)


# In this order: a bool is an int, and a datetime is a date.
_CONVERSIONS: Final[tuple[tuple[Any, Callable[[str, Any, tzinfo], Any]], ...]] = (
    (type(None), lambda *_: None),
    (bool, lambda _name, cell, _zone: cell),
    (int | float, _number),
    (datetime, _milliseconds),
    (date, _midnight),
)


def _ids(cell: Any) -> list[int]:
    if isinstance(cell, str):
        return item_ids(cell)
    number = None if isinstance(cell, bool) else cell
    if number is None:
        raise CellError("work_item_ids: the cell is empty" if cell is None else f"work_item_ids: {cell} is no id")
    if isinstance(number, int | float) and _number("work_item_ids", number, CHINA) == int(number):
        return [int(number)]
    raise CellError(f"work_item_ids: {cell} is not a work item id")


def _text(name: str, cell: Any, zone: tzinfo) -> str:
    """For the columns that are texts or have rules for them."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime) and name == "expires_at":
        return cell.replace(tzinfo=zone).isoformat()
    if isinstance(cell, int | float):
        return str(_number(name, cell, zone))
    return str(cell)
