"""The values that a field type accepts, and the result of each update mode: tables and pure functions.

Stored values have no labels: an option is `{"value": id}`, a tree value `{"value": id, "children": {...} | None}`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from sandbox.world import FieldDefinition

APPEND, UPDATE, REPLACE = "APPEND", "UPDATE", "REPLACE"
MODES = frozenset({APPEND, UPDATE, REPLACE})

INT64_END = 2**63

_OVERWRITE = frozenset({UPDATE})
_SINGLE = frozenset({UPDATE, REPLACE})

# The types that are missing here (signals, files, votes, ...) are never writable in a batch.
MODES_BY_TYPE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("text", "multi_pure_text", "multi_text", "link", "link_cloud_doc", "email", "telephone"),
        _OVERWRITE,
    ),
    **dict.fromkeys(("number", "date", "precise_date", "schedule", "bool", "tree_multi_select"), _OVERWRITE),
    **dict.fromkeys(("business", "group_type", "role_owners", "compound_field"), _OVERWRITE),
    **dict.fromkeys(("select", "radio", "tree_select", "user", "work_item_related_select"), _SINGLE),
    **dict.fromkeys(("multi_select", "multi_user", "work_item_related_multi_select"), MODES),
}

OPTION_TYPES = frozenset({"select", "radio", "tree_select", "multi_select", "tree_multi_select"})
MULTI_TYPES = frozenset({"multi_select", "multi_user", "work_item_related_multi_select"})
RELATION_TYPES = frozenset({"work_item_related_select", "work_item_related_multi_select"})


class Special(Enum):
    IGNORED = "ignored"  # a form for which the remote system reports success and stores nothing


class BadValueError(ValueError):
    """The value does not have the form of its field's type."""


class Write(NamedTuple):
    value: Any
    applied: bool
    reason: str = ""


def modes_of(field: FieldDefinition) -> frozenset[str]:
    if field.is_calculated or field.is_obsoleted:
        return frozenset()
    modes = MODES_BY_TYPE.get(field.type_key, frozenset())
    return modes & _OVERWRITE if field.is_cascading else modes


def is_empty(value: Any) -> bool:
    """Whether the value means "clear the field". False and 0 are values."""
    return value is None or value in ("", [])


def shape(field: FieldDefinition, value: Any) -> Any:
    """The stored value, `None` if it is empty, `Special.IGNORED` for forms that silently store nothing.

    Raises BadValueError for all other values that the type does not accept.
    """
    if is_empty(value):
        return None
    return _SHAPES.get(field.type_key, _anything)(value)


def write(mode: str, field_type: str, present: Any, before: Any, after: Any) -> Write:
    """The cell after one change. All values are in stored form."""
    if Special.IGNORED in (before, after):
        return Write(present, applied=False, reason="the option has a form that stores nothing")
    if mode == UPDATE:
        return Write(after, applied=True)
    if mode == APPEND:
        return Write(_union(present or [], after or []) or None, applied=True)
    if field_type in MULTI_TYPES:
        return _replace_members(present or [], before or [], after or [])
    if identity(present) == identity(before):
        return Write(after, applied=True)
    return Write(present, applied=False, reason="the present value is not the one to replace")


def identity(value: Any) -> Any:
    """A hashable form in which two values are equal if the remote system treats them as the same (labels are ignored)."""
    if isinstance(value, Mapping):
        if "value" in value:
            return ("option", value["value"], identity(value.get("children")))
        return tuple(sorted((k, identity(v)) for k, v in value.items()))
    if isinstance(value, list):
        return tuple(identity(v) for v in value)
    return value


def option_paths(value: Any) -> list[tuple[str, ...]]:
    """Each option that a stored value names, as its path from the root of the option tree."""
    if value is None or value is Special.IGNORED:
        return []
    values = value if isinstance(value, list) else [value]
    return [_path(v) for v in values]


def find_option(options: Sequence[Mapping[str, Any]], path: Sequence[str]) -> list[Mapping[str, Any]] | None:
    """The options along a path, root first; None if there is no such path."""
    found: list[Mapping[str, Any]] = []
    for step in path:
        option = next((o for o in options if o["value"] == step), None)
        if option is None:
            return None
        found.append(option)
        options = option.get("children") or ()
    return found


def is_disabled(option: Mapping[str, Any]) -> bool:
    return option.get("is_disabled") in (1, True)


def dressed(field: FieldDefinition, value: Any) -> Any:
    """A stored value as the API shows it: options with their labels."""
    if field.type_key not in OPTION_TYPES or value is None:
        return value
    if isinstance(value, list):
        return [_with_labels(field.options, v) for v in value]
    return _with_labels(field.options, value)


def _with_labels(options: Sequence[Mapping[str, Any]], value: Mapping[str, Any]) -> dict[str, Any]:
    option: Mapping[str, Any] = next((o for o in options if o["value"] == value["value"]), {})
    shown = {"value": value["value"], "label": option.get("label", "")}
    if "children" in value:
        below = value["children"]
        shown["children"] = _with_labels(option.get("children") or (), below) if below else None
    return shown


def _path(value: Mapping[str, Any]) -> tuple[str, ...]:
    below = value.get("children")
    return (value["value"], *(_path(below) if below else ()))


def _union(present: list[Any], added: list[Any]) -> list[Any]:
    known = {identity(v): v for v in present}
    for value in added:
        known.setdefault(identity(value), value)
    return list(known.values())


def _replace_members(present: list[Any], before: list[Any], after: list[Any]) -> Write:
    """The members of `before` give way to those of `after`, at the place of the first; only where all of them are present."""
    gone = {identity(v) for v in before}
    here = [identity(v) for v in present]
    if not gone <= set(here) or bool(gone) != bool(here):
        return Write(present or None, applied=False, reason="the present value does not contain the one to replace")
    first = min((here.index(member) for member in gone), default=0)
    head = [v for v in present[:first] if identity(v) not in gone]
    tail = [v for v in present[first:] if identity(v) not in gone]
    return Write(_union(head, after + tail) or None, applied=True)


# --- the form of each type --------------------------------------------------------------------------------------------


def _anything(value: Any) -> Any:
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValueError("a string is expected")
    return value


def _strings(value: Any) -> list[str]:
    return [_string(v) for v in _list(value)]


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadValueError("a number is expected")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValueError("true or false is expected")
    return value


def _int64(value: Any) -> int:
    # bool is a subclass of int in Python, and not an integer in JSON.
    if type(value) is not int or not 0 <= value < INT64_END:
        raise BadValueError("an integer is expected")
    return value


def _int64s(value: Any) -> list[int]:
    return [_int64(v) for v in _list(value)]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadValueError("a list is expected")
    return value


def _schedule(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise BadValueError("an object with start_time and end_time is expected")
    return {edge: _int64(value.get(edge)) for edge in ("start_time", "end_time")}


def _moment_or_span(value: Any) -> Any:
    """Official pages disagree on the form."""
    return _schedule(value) if isinstance(value, dict) else _int64(value)


def _option(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, dict) and "value" not in value):
        return Special.IGNORED
    if not isinstance(value, dict):
        raise BadValueError("an option is an object with the key value")
    return {"value": _string(value["value"])}


def _tree(value: Any) -> Any:
    option = _option(value)
    if option is Special.IGNORED:
        return option
    below = None if is_empty(value.get("children")) else _tree(value["children"])
    return Special.IGNORED if below is Special.IGNORED else {**option, "children": below}


def _every(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def shape_list(value: Any) -> Any:
        if isinstance(value, str):
            return Special.IGNORED
        shaped = [one(v) for v in _list(value)]
        return Special.IGNORED if Special.IGNORED in shaped else _union([], shaped)

    return shape_list


_SHAPES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("text", "multi_pure_text", "multi_text", "link", "email", "telephone", "user"), _string),
    "link_cloud_doc": _strings,
    "multi_user": _strings,
    "number": _number,
    "bool": _bool,
    "date": _int64,
    "precise_date": _moment_or_span,
    "schedule": _schedule,
    "select": _option,
    "radio": _option,
    "multi_select": _every(_option),
    "tree_select": _tree,
    "tree_multi_select": _every(_tree),
    "work_item_related_select": _int64,
    "work_item_related_multi_select": _int64s,
}
