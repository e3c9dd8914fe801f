"""Says what is wrong with the configuration, a line per variable, and shows no secret while saying it."""

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
    """The names with our prefix that no setting has, each with the nearest real one ("" if none is near)."""
    known = [variable_name(field) for field in fields]
    strangers = sorted(name for name in names if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)
    return {name: next(iter(get_close_matches(name.upper(), known, n=1)), "") for name in strangers}


def _lines(error: ValidationError, fields: Fields) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        message = plainly(problem)
        if not problem["loc"]:  # a rule between two settings: it names them itself
            yield message
            continue
        name = str(problem["loc"][0])
        if problem["type"] == "float_parsing" and name.endswith("_seconds"):
            message += " of seconds"
        field = fields.get(name)
        description = f". ({field.description})" if field else ""
        yield f"{variable_name(name)}{_given(field, problem['input'])}: {message}{description}"


def _given(field: FieldInfo | None, value: Any) -> str:
    """``=abc`` where showing it is safe: never for a secret or a URL, in which a password may stand."""
    safe = field is not None and "Secret" not in str(field.annotation) and "://" not in str(value)
    return f"={value}" if safe and isinstance(value, str | int | float) else ""
