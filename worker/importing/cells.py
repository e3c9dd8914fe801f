"""Converts the cells of a row to an intent. Pure functions; each raises `CellError` with a reason for the author of the file. A
value stays as it was written: it is interpreted where the field's type is known (`worker.catalogue.values`).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from feishu_batch.intents import is_real_project_key
from feishu_batch.written import Kind, Written
from worker.writing.characters import one_line
from worker.writing.failures import failure_in
from worker.writing.ids import IdError, Ids, ids_in

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
    "skip_unchanged",
    "keep_before",
    "note",
    "intent_id",
)
ALIASES: Final = {"work_item_id": "work_item_ids"}
VALUES: Final = ("before_field_value", "after_field_value")
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
_SHOWN: Final = 40


class CellError(ValueError):
    """The cell cannot be read; the message names the column."""


@dataclass(frozen=True, slots=True)
class Content:
    """`intent`: the intent's JSON shape. `ranged`: how many of its items were written as ranges."""

    intent: Mapping[str, Any]
    ranged: int = 0


def field_value(name: str, cell: str | Written | None) -> Any:
    """The wire form of a written value; an empty cell clears the field. `name`: of the column, or of the option."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    written = Written(Kind.TEXT, cell) if isinstance(cell, str) else cell
    if written.kind is Kind.ERROR:
        raise CellError(f"{name}: the cell shows the error {written.text}")
    if written.kind is Kind.TEXT and (failed := failure_in(written.text)):
        raise CellError(f"{name}: {_shown(written.text)} is {failed}. {_CLEAR}{_IF_MEANT}")
    return written.to_json()


_CLEAR: Final = "To clear the field, give an empty value. "
_IF_MEANT: Final = (
    'To send it anyway: a text as {"$text": "…"} in a JSON Lines file, an option as {"label": "…"} or {"value": its id}'
)


def refuse_failure(content: Mapping[str, Any]) -> None:
    """Rejects error texts in JSON, too: the file may have been made from a table. A program can mark one as text."""
    for name in VALUES:
        value = content.get(name)
        if isinstance(value, str) and (failed := failure_in(value)):
            raise CellError(f"{name}: {_shown(value)} is {failed}. To clear the field, give null. {_IF_MEANT}")


_LONG_FRACTION: Final = re.compile(r"[0-9]{9}[0-9.]{8}")


def refuse_lost_digits(text: str) -> None:
    """Rejects a JSON number with more digits than a float keeps."""
    if _LONG_FRACTION.search(text):
        json.loads(text, parse_float=_refuse_if_lost)


def _refuse_if_lost(digits: str) -> float:
    if Decimal(repr(float(digits))) != Decimal(digits):
        raise CellError(f"the number {_shown(digits)} has more digits than JSON keeps; give it as a text")
    return float(digits)


def item_ids(cell: str) -> Ids:
    """One id or several, in the forms of `worker.writing.ids`."""
    if not cell.strip():
        raise CellError("work_item_ids: the cell is empty")
    try:
        found = ids_in(cell)
    except IdError as error:
        raise CellError(f"work_item_ids: {error}") from None
    if not found.ids:
        raise CellError("work_item_ids: the cell is empty")
    return found


def intent_of(row: Mapping[str, str]) -> Content:
    """From a row's cells by column name. Empty cells are absent, except that of the target value."""
    ids = item_ids(row["work_item_ids"])
    intent: dict[str, Any] = {"work_item_ids": ids.ids, **texts_of(row)}
    for name in VALUES:
        if name in row and ((value := field_value(name, row[name])) is not None or name == "after_field_value"):
            intent[name] = value
    refuse_other_place(ids, intent)
    return Content(intent, ids.ranged)


def texts_of(row: Mapping[str, str]) -> dict[str, Any]:
    """The columns whose cells are texts, or have their own rules."""
    names = (name for name in row if name not in (*VALUES, "work_item_ids") and row[name].strip())
    return {name: _READERS.get(name, str.strip)(row[name]) for name in names}


def refuse_other_place(ids: Ids, intent: Mapping[str, Any]) -> None:
    """Rejects a link to another space or type than the row's. Only a key and a key, or a name and a name, can contradict each other."""
    for space, type_key in ids.places:
        for name, linked, given in (
            ("project_key", space, str(intent.get("project_key", ""))),
            ("work_item_type_key", type_key, str(intent.get("work_item_type_key", ""))),
        ):
            if given and is_real_project_key(linked) == is_real_project_key(given) and linked != given:
                raise CellError(f"work_item_ids: the link is to {linked}, but {name} is {given}")


def _mode(cell: str) -> str:
    return cell.strip().upper()


def _priority(cell: str) -> int:
    word = cell.strip()
    if not re.fullmatch(r"[0-9]", word):
        raise CellError(f"priority: {_shown(word)} is not a number from 0 to 9")
    return int(word)


def _truth_of(name: str) -> Callable[[str], bool]:
    def truth(cell: str) -> bool:
        word = cell.strip().lower()
        if word not in _TRUTH:
            raise CellError(f"{name}: {_shown(word)} is none of true, yes, 1, false, no and 0")
        return _TRUTH[word]

    return truth


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "update_mode": _mode,
    "priority": _priority,
    **{name: _truth_of(name) for name in ("keep_every_change", "skip_unchanged", "keep_before")},
    "project_key": one_line,
    "work_item_type_key": one_line,
    "field_key": one_line,
}


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN else word[:_SHOWN] + "…")
