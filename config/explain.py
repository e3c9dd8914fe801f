"""Explains errors of the configuration, a line per variable, without showing a secret."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from config.fields import ENV_PREFIX
from feishu_batch.wording import plainly

Fields = Mapping[str, FieldInfo]


def variable_name(field: str) -> str:
    return ENV_PREFIX + field.upper()


def explain(error: ValidationError, fields: Fields) -> str:
    return "\n".join(["The configuration cannot be used:", *(f"  {line}" for line in _lines(error, fields))])


def misspelt(names: Iterable[str], fields: Fields) -> dict[str, str]:
    """The names with our prefix that are not settings, each with the nearest real one ("" if none is near)."""
    known = [variable_name(field) for field in fields]
    unknown = sorted(name for name in names if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)
    return {name: next(iter(get_close_matches(name.upper(), known, n=1)), "") for name in unknown}


def _lines(error: ValidationError, fields: Fields) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        message = plainly(problem)
        if not problem["loc"]:  # a rule between two settings: its message names them
            yield message
            continue
        name = str(problem["loc"][0])
        if problem["type"] == "float_parsing" and name.endswith("_seconds"):
            message += " of seconds"
        field = fields.get(name)
        description = f". ({field.description})" if field else ""
        yield f"{variable_name(name)}{_given(field, problem['input'])}: {message}{description}"


def _given(field: FieldInfo | None, value: Any) -> str:
    """``=abc`` if showing it is safe: never for a secret or a URL, which may contain a password."""
    safe = field is not None and "Secret" not in str(field.annotation) and "://" not in str(value)
    return f"={value}" if safe and isinstance(value, str | int | float) else ""
