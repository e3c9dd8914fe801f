"""What a cell of a CSV file means. Pure functions; each raises `CellError` with a reason for the person who made the file."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from feishu_batch.values import INT64_MAX

REQUIRED: Final = (
    "project_key",
    "work_item_type_key",
    "work_item_ids",
    "field_key",
    "update_mode",
    "after_field_value",
)
OPTIONAL: Final = (
    "before_field_value",
    "user_key",
    "lane",
    "priority",
    "expires_at",
    "keep_every_change",
    "note",
    "intent_id",
)
ALIASES: Final = {"work_item_id": "work_item_ids"}
_SEPARATORS: Final = re.compile(r"[\s,;]+")
_INTEGER: Final = re.compile(r"([0-9]{1,20})|([0-9]{1,15})\.0+")  # 1001.0: a program took the column for numbers
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
_SHOWN: Final = 40


class CellError(ValueError):
    """The cell cannot be read; the text names the column."""


def field_value(cell: str) -> Any:
    """JSON where it is JSON (``5``, ``true``, ``{"value": "x"}``, ``"5"``), otherwise plain text; empty clears the field."""
    if not cell.strip():
        return None
    try:
        value = json.loads(cell, parse_constant=_refuse_constant)
        return (
            cell.strip() if isinstance(value, int) and abs(value) > INT64_MAX else value
        )  # digits, but no number here
    except ValueError:
        return cell
    except RecursionError:
        raise CellError("the value is nested too deeply") from None


def item_ids(cell: str) -> list[int]:
    """One id, or several with spaces, commas or semicolons between them; ``[1, 2]`` as well."""
    words = [word for word in _SEPARATORS.split(cell.strip().removeprefix("[").removesuffix("]")) if word]
    if not words:
        raise CellError("work_item_ids: the cell is empty")
    return [_item_id(word) for word in words]


def intent_of(row: Mapping[str, str]) -> dict[str, Any]:
    """The intent's JSON shape from a row's cells by column name. Empty cells are absent, except that of the target value."""
    intent: dict[str, Any] = {
        "work_item_ids": item_ids(row["work_item_ids"]),
        "after_field_value": field_value(row["after_field_value"]),
    }
    for name, cell in row.items():
        if name not in intent and cell.strip():
            intent[name] = _READERS.get(name, str.strip)(cell)
    return intent


def _item_id(word: str) -> int:
    found = _INTEGER.fullmatch(word)
    if not found:
        hint = " (a spreadsheet has rounded it: format the column as text)" if re.search(r"\d[.eE]", word) else ""
        raise CellError(f"work_item_ids: {_shown(word)} is not a work item id{hint}")
    return int(found[1] or found[2])


def _mode(cell: str) -> str:
    return cell.strip().upper()


def _priority(cell: str) -> int:
    word = cell.strip()
    if not re.fullmatch(r"[0-9]", word):
        raise CellError(f"priority: {_shown(word)} is not a number from 0 to 9")
    return int(word)


def _truth(cell: str) -> bool:
    word = cell.strip().lower()
    if word not in _TRUTH:
        raise CellError(f"keep_every_change: {_shown(word)} is neither true nor false")
    return _TRUTH[word]


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "update_mode": _mode,
    "priority": _priority,
    "keep_every_change": _truth,
    "before_field_value": field_value,
}


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN else word[:_SHOWN] + "…")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
