"""Values of fields as people write them: the reverse of `worker.catalogue.values`. Pure.

Labels of options, addresses of people, dates in a time zone. Where the reverse is not certain, for example of two options with one
label, the caller has to check with `taken` that the words mean the value again.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from worker.catalogue.options import FieldOptions
from worker.remote.equality import is_empty_value
from worker.remote.models import Field
from worker.writing.moments import moment_in_words

BETWEEN: Final = ", "
_OF_OPTIONS: Final = frozenset({"select", "radio", "multi_select", "tree_select", "tree_multi_select"})
_SPAN: Final = ("start_time", "end_time")
Emails = Mapping[str, str]  # user key → address


def people_of(field: Field | None, value: Any) -> Iterable[str]:
    """The user keys in a value."""
    if field is None or field.type_key not in ("user", "multi_user"):
        return ()
    return [_key(one) for one in _members(value) if isinstance(_key(one), str)]


@dataclass(frozen=True)
class FieldWords:
    """For the values of one field. `anywhere`: times mean the same to a reader in another zone than `zone`."""

    field: Field
    zone: tzinfo
    anywhere: bool = False

    @cached_property
    def options(self) -> FieldOptions:
        return FieldOptions(self.field)

    def text(self, value: Any, emails: Emails) -> str:
        """Empty for an empty value."""
        return BETWEEN.join(self.parts(value, emails))

    def parts(self, value: Any, emails: Emails) -> list[str]:
        """Of a field with several values each of them; else one, or none for an empty value."""
        read = _WORDS.get(self.field.type_key, _plain)
        return [read(self, one, emails) for one in _members(value)]

    def by_id(self, value: Any) -> list[str]:
        """Of options, the ids in place of the labels."""
        return [path[-1] if (path := _path_of(one)) else as_text(one) for one in _members(value)]

    def without_labels(self, value: Any) -> Any:
        """In the API's form, as it is written: labels may be outdated."""
        if self.field.type_key not in _OF_OPTIONS:
            return value
        return [_bare(one) for one in value] if isinstance(value, list) else _bare(value)


def as_text(value: Any) -> str:
    """Without the field's type."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _digits(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _members(value: Any) -> list[Any]:
    if is_empty_value(value):
        return []
    return value if isinstance(value, list) else [value]


def _plain(_words: FieldWords, one: Any, _emails: Emails) -> str:
    return as_text(one)


def _digits(number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    return str(int(number)) if number.is_integer() else format(Decimal(repr(number)), "f")


def _option(words: FieldWords, one: Any, _emails: Emails) -> str:
    path = _path_of(one)
    node = words.options.by_value.get(path[-1]) if path else None
    if node is not None and [option.value for option in node.path] == path[-len(node.path) :]:
        return node.label
    labels = _path_of(one, "label") if path else []
    return " / ".join(labels) if labels and len(labels) == len(path) else "/".join(path) or as_text(one)


def _bare(one: Any) -> Any:
    if not isinstance(one, Mapping):
        return one
    below = {"children": _bare(one["children"])} if "children" in one else {}
    return {"value": one.get("value"), **below}


def _path_of(one: Any, key: str = "value") -> list[str]:
    path = []
    while isinstance(one, Mapping) and isinstance(one.get("value"), str) and one["value"]:
        if isinstance(one.get(key), str) and one[key]:
            path.append(one[key])
        one = one.get("children")
    return path


def _moment(words: FieldWords, one: Any, _emails: Emails) -> str:
    if isinstance(one, Mapping):
        edges = [one.get(edge) for edge in _SPAN]
        return "/".join(_edge(words, edge) for edge in edges) if any(edges) else as_text(one)
    return _edge(words, one)


def _edge(words: FieldWords, one: Any) -> str:
    if one is None:
        return ""
    is_milliseconds = isinstance(one, int) and not isinstance(one, bool)
    return moment_in_words(one, words.zone, anywhere=words.anywhere) if is_milliseconds else as_text(one)


def _person(_words: FieldWords, one: Any, emails: Emails) -> str:
    key = _key(one)
    return emails.get(key) or key if isinstance(key, str) else as_text(one)


def _key(one: Any) -> Any:
    return one.get("user_key") if isinstance(one, Mapping) else one


_WORDS: Final[Mapping[str, Callable[[FieldWords, Any, Emails], str]]] = {
    **dict.fromkeys(_OF_OPTIONS, _option),
    **dict.fromkeys(("date", "precise_date", "schedule"), _moment),
    **dict.fromkeys(("user", "multi_user"), _person),
}
