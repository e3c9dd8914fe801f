"""Converts written values without the field's type, if their meaning is the same for every type."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from feishu_batch.intents import UpdateIntent
from feishu_batch.written import Kind, Written, holds_written
from worker.catalogue.models import shown
from worker.catalogue.types import TEXT_TYPES, USER_TYPES
from worker.writing.numbers import NumberError, exact

_TRUTH: Final = {"TRUE": True, "FALSE": False}


class UnclearError(ValueError):
    """The meaning of the value depends on the field's type. The message is a clause that names the value."""


def intent_read_alone(intent: UpdateIntent, field_type: str | None = None) -> UpdateIntent:
    """With plain JSON for its values. Raises `UnclearError`."""
    names = ("before_field_value", "after_field_value", "expected_field_value")
    read = {name: read_alone(value, field_type) for name in names if holds_written(value := getattr(intent, name))}
    return intent.model_copy(update=read) if read else intent


def read_alone(value: Any, field_type: str | None = None) -> Any:
    """Raises `UnclearError`. `field_type`: the type, if it is known without a look-up."""
    if (written := Written.of(value)) is not None:
        is_key = field_type in USER_TYPES and not is_structured(written)  # digits, and no number
        return _alone(written, is_text=is_key or field_type in TEXT_TYPES)
    if isinstance(value, Mapping):
        return {key: read_alone(one) for key, one in value.items()}
    return [read_alone(one) for one in value] if isinstance(value, list) else value


def is_structured(written: Written) -> bool:
    """A JSON object or list as a text."""
    return written.kind is Kind.TEXT and isinstance(_parsed(written.text), dict | list)


def _alone(written: Written, *, is_text: bool) -> Any:
    if written.kind is Kind.TEXT:
        return written.text if is_text else _text(written.text)
    if is_text or written.shown is not None:
        raise UnclearError(f"{shown(written.as_seen)} is shown as another text in the spreadsheet")
    if written.kind is Kind.BOOLEAN:
        return _TRUTH[written.text]
    if written.kind is Kind.NUMBER:
        try:
            return exact(Decimal(written.text))
        except NumberError as error:
            raise UnclearError(f"of {shown(written.text)}, {error}") from None
    raise UnclearError(f"{shown(written.text)} is a {written.kind}, which only some fields accept")


def _text(text: str) -> Any:
    """JSON objects and lists; numbers and booleans whose JSON is exactly the written text; any other text unchanged."""
    word = text.strip()
    if word[:1] == '"' == word[-1:]:
        raise UnclearError(f"{shown(text)} may be a text with its quotes or without them")
    value = _parsed(word)
    if isinstance(value, dict | list):
        return value
    return value if value is not None and json.dumps(value) == word else text


def _parsed(text: str) -> Any:
    """None where it is no JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(name)
