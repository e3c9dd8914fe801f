"""Where to probe, and with which values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.remote.compare import ABSENT
from worker.remote.equality import holds
from worker.remote.models import Field, WorkItem

MULTI: Final = "multi_select"
_TEXTS: Final = ("feishu-batch probe A", "feishu-batch probe B")
_NO_OPTION: Final = {"value": "feishu-batch-probe-no-such-option"}
# A value that the type does not take; a text takes every text.
_BAD_VALUES: Final[Mapping[str, Any]] = {
    "text": {"not": "a text"},
    "number": "not a number",
    "bool": "not a truth value",
    "select": _NO_OPTION,
    "radio": _NO_OPTION,
    MULTI: [_NO_OPTION],
}
TYPES: Final = tuple(_BAD_VALUES)  # of the fields that can be used: their values are shown as they were written


@dataclass(frozen=True, slots=True)
class TrialField:
    """A field with two values that it can take, in the API's form, and one that it cannot."""

    key: str
    type_key: str
    values: tuple[Any, Any]

    @property
    def bad_value(self) -> Any:
        return _BAD_VALUES[self.type_key]

    def shows(self, item: WorkItem | None, value: Any) -> bool:
        """Whether the item that was read certainly holds the value. An empty field may be left out."""
        stored = ABSENT if item is None else item.fields.get(self.key, ABSENT)
        if stored is ABSENT:
            return item is not None and value is None
        return holds(self.type_key, "UPDATE", None, value, stored) is True


@dataclass(frozen=True, slots=True)
class ProbePlace:
    """`items`: at least one, of one type in one space."""

    project_key: str
    type_key: str
    items: tuple[int, ...]
    fields: tuple[TrialField, ...]  # one or two

    @property
    def field(self) -> TrialField:
        return self.fields[0]

    @property
    def second(self) -> TrialField | None:
        return self.fields[1] if len(self.fields) > 1 else None

    @property
    def multi(self) -> TrialField | None:
        return next((one for one in self.fields if one.type_key == MULTI), None)


def trial_field(field: Field) -> TrialField | None:
    """None: the field cannot be used."""
    if not field.is_writable or field.is_obsolete or field.type_key not in TYPES:
        return None
    values = _values(field)
    return None if values is None else TrialField(field.key, field.type_key, values)


def _values(field: Field) -> tuple[Any, Any] | None:
    if field.type_key == "text":
        return _TEXTS
    if field.type_key == "number":
        return (1, 2)
    if field.type_key == "bool":
        return (True, False)
    options = [{"value": one.value} for one in field.options if not one.is_disabled][:2]
    if len(options) < len(_TEXTS):
        return None
    first, second = options
    return ([first], [second]) if field.type_key == MULTI else (first, second)
