"""Whether a cell is proven to hold a wanted value, so that it need not be written. Pure.

Doubt means write: a false "different" costs a request, a false "equal" loses a change. So this is stricter than `compare.shows`,
which proves a change that was sent: only the types of `PROVABLE` count, in the forms that the API documents, and each value
to the letter, to the millisecond, to the digit. A field that is left out of the answer may be empty, or hidden: it proves nothing.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from worker.remote.answers import normalised_type
from worker.remote.compare import ABSENT, Atom, Atoms, is_applied, shows

_EDGES: Final = ("start_time", "end_time")
_NO_STEP: Final[tuple[Any, ...]] = (None, "", [], {})


class UnreadableError(Exception):
    """The value does not have the documented form of its type."""


def holds(field_type_key: str | None, mode: str, before: Any, after: Any, stored: Any) -> bool | None:
    """True: the change is not needed. False: the cell holds something else. None: not known.

    `stored` is `ABSENT` if the item was read without the field. `before` counts for REPLACE.
    """
    if stored is ABSENT:
        return None
    read = PROVABLE.get(normalised_type(field_type_key))
    if read is None:
        return _denied(field_type_key, mode, before, after, stored)
    try:
        gone, wanted, there = read(before if mode == "REPLACE" else None), read(after), read(stored)
    except UnreadableError:
        return _denied(field_type_key, mode, before, after, stored)
    if is_applied(mode, gone, wanted, there):
        return True
    has_nothing_to_replace = mode == "REPLACE" and not gone & there and bool(gone or there)
    return None if has_nothing_to_replace else False


def _denied(field_type_key: str | None, mode: str, before: Any, after: Any, stored: Any) -> bool | None:
    """Values that cannot be proven equal may still be proven different."""
    return False if shows(field_type_key, mode, before, after, stored) is False else None


def is_empty_value(value: Any) -> bool:
    """Present, and certainly without a value. False and 0 are values."""
    return value is None or value in ("", [])


def _one(read: Callable[[Any], Atom]) -> Callable[[Any], Atoms]:
    def atoms(value: Any) -> Atoms:
        return frozenset() if is_empty_value(value) else frozenset([read(value)])

    return atoms


def _several(read: Callable[[Any], Atom]) -> Callable[[Any], Atoms]:
    def atoms(value: Any) -> Atoms:
        if is_empty_value(value):
            return frozenset()
        if not isinstance(value, list):
            raise UnreadableError
        return frozenset(map(read, value))

    return atoms


def _text(value: Any) -> Atom:
    if not isinstance(value, str):
        raise UnreadableError
    return value


def _number(value: Any) -> Atom:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnreadableError
    return value


def _bool(value: Any) -> Atom:
    if not isinstance(value, bool):
        raise UnreadableError
    return value


def _milliseconds(value: Any) -> Atom:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableError
    return value


def _span(value: Any) -> Atom:
    """Only the two edges: what else a schedule may have is not described."""
    if not isinstance(value, Mapping) or any(value[key] not in _NO_STEP for key in value if key not in _EDGES):
        raise UnreadableError
    return tuple(_milliseconds(value.get(edge)) for edge in _EDGES)


def _moment_or_span(value: Any) -> Atom:
    return _span(value) if isinstance(value, Mapping) else _milliseconds(value)


def _option(value: Any) -> Atom:
    path = _path(value)
    if len(path) != 1:
        raise UnreadableError
    return path


def _path(value: Any) -> tuple[Hashable, ...]:
    """Of a tree's values, from the root. Labels are ignored: they can be renamed."""
    path: list[Hashable] = []
    while value not in _NO_STEP:
        if not isinstance(value, Mapping) or not isinstance(value.get("value"), str) or not value["value"]:
            raise UnreadableError
        path.append(value["value"])
        value = value.get("children")
    return tuple(path)


def _person(value: Any) -> Atom:
    key = value.get("user_key") if isinstance(value, Mapping) else value
    if not isinstance(key, str) or not key:
        raise UnreadableError
    return key


def _item(value: Any) -> Atom:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise UnreadableError
    return value


# Not here: rich text, which is returned rewritten; multi_pure_text, telephone, cloud documents, roles, compound and other types, of
# which too little is known.
PROVABLE: Final[Mapping[str, Callable[[Any], Atoms]]] = {
    **dict.fromkeys(("text", "link", "email"), _one(_text)),
    "number": _one(_number),
    "bool": _one(_bool),
    "date": _one(_milliseconds),
    "precise_date": _one(_moment_or_span),
    "schedule": _one(_span),
    **dict.fromkeys(("select", "radio"), _one(_option)),
    "tree_select": _one(_path),
    "multi_select": _several(_option),
    "tree_multi_select": _several(_path),
    "user": _one(_person),
    "multi_user": _several(_person),
    "work_item_related_select": _one(_item),
    "work_item_related_multi_select": _several(_item),
}
