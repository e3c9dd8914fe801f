"""What was written, read without the field's type: only what may mean one thing whatever the type is."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from feishu_batch.intents import UpdateIntent
from feishu_batch.written import Kind, Written, holds_written
from worker.catalogue.models import shown
from worker.catalogue.types import TEXT_TYPES
from worker.writing.numbers import NumberError, exact

_TRUTH: Final = {"TRUE": True, "FALSE": False}


class UnclearError(ValueError):
    """What is meant depends on the field's type. The text is a clause that names the value."""


def intent_read_alone(intent: UpdateIntent, field_type: str | None = None) -> UpdateIntent:
    """With plain JSON for its values. Raises `UnclearError`."""
    names = ("before_field_value", "after_field_value")
    read = {name: read_alone(value, field_type) for name in names if holds_written(value := getattr(intent, name))}
    return intent.model_copy(update=read) if read else intent


def read_alone(value: Any, field_type: str | None = None) -> Any:
    """Raises `UnclearError`. `field_type`: of a field whose type is known without asking."""
    if (written := Written.of(value)) is not None:
        return _alone(written, is_text=field_type in TEXT_TYPES)
    if isinstance(value, Mapping):
        return {key: read_alone(one) for key, one in value.items()}
    return [read_alone(one) for one in value] if isinstance(value, list) else value


def _alone(written: Written, *, is_text: bool) -> Any:
    if written.kind is Kind.TEXT:
        return written.text if is_text else _text(written.text)
    if is_text or written.shown is not None:
        raise UnclearError(f"{shown(written.as_seen)} of a spreadsheet may be another text there")
    if written.kind is Kind.BOOLEAN:
        return _TRUTH[written.text]
    if written.kind is Kind.NUMBER:
        try:
            return exact(Decimal(written.text))
        except NumberError as error:
            raise UnclearError(f"of {shown(written.text)}, {error}") from None
    raise UnclearError(f"{shown(written.text)} is a {written.kind}, which only some fields take")


def _text(text: str) -> Any:
    """JSON objects and lists; numbers and truth values that print back exactly as they were written; any other text as it is."""
    word = text.strip()
    if word[:1] == '"' == word[-1:]:
        raise UnclearError(f"{shown(text)} may be meant with its quotes or without")
    try:
        value = json.loads(word, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict | list):
        return value
    return value if value is not None and json.dumps(value) == word else text


def _no_constant(name: str) -> None:
    raise ValueError(name)
