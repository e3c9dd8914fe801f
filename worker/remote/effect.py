"""What a change makes of a cell's value. Pure."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from worker.remote.compare import Atoms
from worker.remote.equality import PROVABLE, UnreadableError, is_empty_value


@dataclass(frozen=True, slots=True)
class CellChange:
    """One change of a cell, in the API's form."""

    mode: str
    before: Any
    after: Any


def after(field_type: str | None, change: CellChange, stored: Any) -> Any:
    """What the cell holds when the change is done."""
    if change.mode == "UPDATE":
        return change.after
    if change.mode == "APPEND":
        return [*_members(stored), *_others(field_type, _members(change.after), _members(stored))]
    return _replaced(field_type, change, stored)


def _replaced(field_type: str | None, change: CellChange, stored: Any) -> Any:
    if not isinstance(stored, list):
        is_there = _atoms(field_type, change.before) == _atoms(field_type, stored)
        return change.after if is_there else stored
    gone = _members(change.before)
    if len(_others(field_type, gone, stored)) > 0 or not gone:
        return stored
    kept = _others(field_type, stored, gone)
    return [*kept, *_others(field_type, _members(change.after), kept)]


def _others(field_type: str | None, values: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """Those values that are not among the known ones."""
    seen = [_atoms(field_type, one) for one in known]
    return [one for one in values if _atoms(field_type, one) not in seen]


def _members(value: Any) -> list[Any]:
    if is_empty_value(value):
        return []
    return value if isinstance(value, list) else [value]


def _atoms(field_type: str | None, value: Any) -> Atoms | str:
    """What identifies a value: without labels, if its type is known."""
    if read := PROVABLE.get(field_type or ""):
        for form in (value, [value]):
            with suppress(UnreadableError):
                return read(form)
    return json.dumps(value, sort_keys=True, default=str)
