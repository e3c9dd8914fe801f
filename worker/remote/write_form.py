"""A value that was read, in the form in which it is written. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.remote.answers import normalised_type
from worker.remote.equality import PROVABLE, UnreadableError, is_empty_value

_EDGES: Final = ("start_time", "end_time")


def write_form(field_type: str | None, stored: Any) -> Any:
    """None for an empty value. Raises `UnreadableError` for a type or a form whose values cannot be proven equal: they are never written
    back on a guess.
    """
    kind = normalised_type(field_type) or ""
    read = PROVABLE.get(kind)
    if read is None:
        raise UnreadableError
    if is_empty_value(stored):
        return None
    atoms = read(stored)
    form = _FORMS.get(kind, _as_it_is)
    value = [form(one) for one in stored] if kind in _LISTS else form(stored)
    if read(value) != atoms:
        raise UnreadableError
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _option(value: Any) -> Any:
    """Without labels, which can be renamed."""
    if not isinstance(value, Mapping):
        raise UnreadableError
    children = value.get("children")
    return {"value": value.get("value")} | ({"children": _option(children)} if children else {})


def _person(value: Any) -> Any:
    return value.get("user_key") if isinstance(value, Mapping) else value


def _span(value: Any) -> Any:
    return {edge: value.get(edge) for edge in _EDGES} if isinstance(value, Mapping) else value


_OPTIONS: Final = ("select", "radio", "tree_select", "multi_select", "tree_multi_select")
_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(_OPTIONS, _option),
    **dict.fromkeys(("user", "multi_user"), _person),
    **dict.fromkeys(("precise_date", "schedule"), _span),
}
_LISTS: Final = frozenset({"multi_select", "tree_multi_select", "multi_user", "work_item_related_multi_select"})
