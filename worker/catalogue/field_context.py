"""The common base of the rules for all field types: the field, the look-up of people, and refusing a value."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, NoReturn

from feishu_batch.written import Kind, Written
from worker.catalogue.models import Code, RefusedError, shown
from worker.catalogue.naming import named
from worker.catalogue.options import FieldOptions
from worker.remote.models import Field

# The user key for each of these e-mail addresses and user keys. Raises `RefusedError` for one that no user has.
People = Callable[[list[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class FieldContext:
    """One field, and what is needed to interpret its values. `is_target`: whether this is the new value."""

    field: Field
    options: FieldOptions
    people: People
    zone: tzinfo
    is_target: bool = True

    def refuse(self, wanted: str, given: Any, reason: str = "") -> NoReturn:
        """`reason`: a clause about the given value, which may say what to write."""
        takes = f"{named(self.field)} is of type {self.field.type_key}, which takes {wanted}"
        raise RefusedError(Code.BAD_VALUE, f"{takes}, not {_described(given)}{f': {reason}' if reason else ''}")


def _described(given: Any) -> str:
    if (written := Written.of(given)) is not None:
        return f"{_KINDS.get(written.kind, '')}{shown(written.as_seen)}"
    if isinstance(given, str | int | float):
        return shown(json.dumps(given) if isinstance(given, bool) else given)
    return (
        "a JSON object"
        if isinstance(given, Mapping)
        else "a list"
        if isinstance(given, list)
        else "a value of that kind"
    )


_KINDS = {Kind.DATE: "the date ", Kind.TIME: "the time ", Kind.BOOLEAN: "the boolean ", Kind.NUMBER: "the number "}


def structured(given: Any) -> Any:
    """A written text unchanged, but a JSON object or list parsed: no value of these fields is a text that begins like one."""
    written = Written.of(given)
    if written is None or written.kind is not Kind.TEXT:
        return given
    return _from_json(written.text) if written.text.strip()[:1] in ("{", "[") else written.text


def with_json(given: Any) -> Any:
    """As `structured`, and without the quotes of a JSON text."""
    value = structured(given)
    is_written = value is not given and isinstance(value, str)
    return _from_json(value) if is_written and value.strip()[:1] == '"' else value


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
