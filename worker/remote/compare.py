"""Whether a value that was read back shows that a change has been applied. Pure.

Both values are converted to a set of *atoms*: an option to the path of its values, a person to a key, a date or an id
to a number. Lists become sets, and every empty value the empty set. Then the three modes are set operations.

A field that is missing in an answer may be empty, or hidden from the reading user: it never proves that a change was applied, not
even a clear. Texts must be identical; no change of a text by the remote system has been observed. A text that differs in white space
only is neither equal nor different: the remote system may have trimmed it.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final

from worker.remote.answers import normalised_type

DAY_MS = 86_400_000
ABSENT: Final = object()  # instead of a value: the item was read, but this field was not in the answer
EMPTY = ("", ())  # the atoms of a disguised empty value, like {"value": ""}
Atom = Hashable
Atoms = frozenset[Atom]


class IncomparableError(Exception):
    pass


class ValueKind(Enum):
    OPTION = auto()
    NUMBER = auto()
    ID = auto()
    DAY = auto()
    SCHEDULE = auto()
    BOOL = auto()
    TEXT = auto()
    OPAQUE = auto()  # rich text and other values that the remote system rewrites


KIND_BY_TYPE: Mapping[str, ValueKind] = {
    **dict.fromkeys(("select", "radio", "multi_select", "tree_select", "tree_multi_select"), ValueKind.OPTION),
    **dict.fromkeys(("number", "precise_date"), ValueKind.NUMBER),
    **dict.fromkeys(("work_item_related_select", "work_item_related_multi_select"), ValueKind.ID),
    **dict.fromkeys(("text", "multi_pure_text", "link", "link_cloud_doc", "email", "telephone"), ValueKind.TEXT),
    **dict.fromkeys(("user", "multi_user"), ValueKind.TEXT),
    **dict.fromkeys(("multi_text", "business", "group_type", "role_owners", "compound_field"), ValueKind.OPAQUE),
    "date": ValueKind.DAY,
    "schedule": ValueKind.SCHEDULE,
    "bool": ValueKind.BOOL,
}


def shows(field_type_key: str | None, mode: str, before: Any, after: Any, stored: Any) -> bool | None:
    """True: applied. False: not applied (yet). None: this kind of value cannot be compared.

    `stored` is `ABSENT` if the item was read without the field. Without a known type, the form of the values decides.
    """
    present = None if stored is ABSENT else stored
    try:
        kind = KIND_BY_TYPE.get(normalised_type(field_type_key)) or _kind_of([after, before, present])
        wanted, gone, there = (_atoms(kind, value) for value in (after, before, present))
    except (IncomparableError, RecursionError):
        return None
    if is_applied(mode, gone, wanted, there):
        return None if stored is ABSENT else True
    if mode == "REPLACE" and not gone & there:
        return None  # the value to replace is not there, so the change has no effect, applied or not
    return False if _may_deny(kind, wanted, there) else None


def is_applied(mode: str, gone: Atoms, wanted: Atoms, there: Atoms) -> bool:
    if mode == "UPDATE":
        return wanted == there
    if mode == "APPEND":
        return wanted <= there
    return wanted <= there and not (gone - wanted) & there


def _may_deny(kind: ValueKind, wanted: Atoms, there: Atoms) -> bool:
    """Whether a difference proves anything. Rich text is returned rewritten, a date perhaps moved to midnight."""
    if kind is ValueKind.OPAQUE:
        return bool(wanted) and not there
    if kind is ValueKind.DAY:
        return not any(_close(left, right) for left in wanted for right in there)
    if kind is ValueKind.TEXT:
        return _without_spaces(wanted) != _without_spaces(there)
    return True


def _without_spaces(atoms: Atoms) -> Atoms:
    return frozenset(text for atom in atoms if (text := "".join(str(atom).split())))


def _close(left: Atom, right: Atom) -> bool:
    return isinstance(left, int | float) and isinstance(right, int | float) and abs(left - right) < DAY_MS


def _atoms(kind: ValueKind, value: Any) -> Atoms:
    return frozenset(atom for atom in map(_READERS[kind], _leaves(value)) if atom not in EMPTY)


def _leaves(value: Any) -> Iterator[Any]:
    """The single values in it; none for an empty value. False and 0 are values."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif value is not None and value not in ("", {}):
        yield value


def _kind_of(values: list[Any]) -> ValueKind:
    leaves = list(_leaves(values))
    objects = [leaf for leaf in leaves if isinstance(leaf, Mapping)]
    if objects:
        return next((kind for key, kind in _MARKS.items() if all(key in found for found in objects)), ValueKind.OPAQUE)
    if any(isinstance(leaf, bool) for leaf in leaves):
        return ValueKind.BOOL
    return ValueKind.NUMBER if any(isinstance(leaf, int | float) for leaf in leaves) else ValueKind.TEXT


_MARKS = {"value": ValueKind.OPTION, "start_time": ValueKind.SCHEDULE, "user_key": ValueKind.TEXT, "id": ValueKind.ID}


def _option(leaf: Any) -> Atom:
    """The path of option values from the root. Labels are ignored: they can be renamed."""
    path = []
    while isinstance(leaf, Mapping) and leaf:
        path.append(str(leaf.get("value") or ""))
        leaf = leaf.get("children")
        if isinstance(leaf, list) and len(leaf) <= 1:
            leaf = leaf[0] if leaf else None
    if isinstance(leaf, list | Mapping) and leaf:
        raise IncomparableError
    return tuple(value for value in (*path, str(leaf or "")) if value)


def _number(leaf: Any) -> Atom:
    if isinstance(leaf, Mapping):
        leaf = _member(leaf, "id")
    if isinstance(leaf, bool) or not isinstance(leaf, int | float | str):
        raise IncomparableError
    if isinstance(leaf, int):
        return leaf
    try:
        return int(leaf) if isinstance(leaf, str) else _finite(leaf)
    except ValueError:
        return _fraction(leaf)


def _id(leaf: Any) -> Atom:
    """Ids are positive: 0 is not an item."""
    return _number(leaf) or ()


def _fraction(leaf: float | str) -> Atom:
    try:
        return _finite(float(leaf))
    except ValueError:
        raise IncomparableError from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise IncomparableError
    return number


def _schedule(leaf: Any) -> Atom:
    if not isinstance(leaf, Mapping):
        raise IncomparableError
    times = (_number(leaf.get("start_time") or 0), _number(leaf.get("end_time") or 0))
    return times if any(times) else ()


def _bool(leaf: Any) -> Atom:
    word = str(leaf).strip().lower()
    if word not in {"true", "false", "1", "0"}:
        raise IncomparableError
    return word in {"true", "1"}


def _text(leaf: Any) -> Atom:
    if isinstance(leaf, Mapping):
        leaf = _member(leaf, "user_key")
    if not isinstance(leaf, str | int | float):
        raise IncomparableError
    return str(leaf)


def _opaque(leaf: Any) -> Atom:
    return leaf if isinstance(leaf, str | int | float) else repr(leaf)


def _member(leaf: Mapping[str, Any], key: str) -> Any:
    if leaf.get(key) is None:
        raise IncomparableError
    return leaf[key]


_READERS: Mapping[ValueKind, Callable[[Any], Atom]] = {
    ValueKind.OPTION: _option,
    ValueKind.NUMBER: _number,
    ValueKind.ID: _id,
    ValueKind.DAY: _number,
    ValueKind.SCHEDULE: _schedule,
    ValueKind.BOOL: _bool,
    ValueKind.TEXT: _text,
    ValueKind.OPAQUE: _opaque,
}
