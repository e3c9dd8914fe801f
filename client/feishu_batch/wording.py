"""pydantic's validation errors of an intent or a setting, in words for people who do not know pydantic."""

from collections.abc import Mapping
from typing import Any, Final

_ALLOWED: Final = {
    r"^[A-Za-z0-9_-]{1,64}$": "1 to 64 letters, digits, _ or -",
    r"^[A-Za-z0-9_]{1,64}$": "1 to 64 letters, digits or _",
    r"^[A-Za-z0-9_.:-]{1,64}$": "1 to 64 letters, digits, _ . : or -",
    r"^[a-z0-9_-]{1,64}$": "1 to 64 lower-case letters, digits, _ or -",
    r"^[!-~]{1,128}$": "1 to 128 ASCII characters without spaces",
}
_A_TEXT, _TRUE_OR_FALSE = "must be a text, in quotes", "must be true or false"
_A_NUMBER, _A_WHOLE_NUMBER = "must be a number", "must be a whole number"
_SENTENCES: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": _A_TEXT,
    "string_unicode": "is not valid Unicode",
    "string_pattern_mismatch": "must be {allowed}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "int_type": _A_WHOLE_NUMBER,
    "int_parsing": _A_WHOLE_NUMBER,
    "int_from_float": _A_WHOLE_NUMBER,
    "float_type": _A_NUMBER,
    "float_parsing": _A_NUMBER,
    "finite_number": _A_NUMBER,
    "bool_type": _TRUE_OR_FALSE,
    "bool_parsing": _TRUE_OR_FALSE,
    "path_type": "must be a path, in quotes",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def plainly(problem: Mapping[str, Any]) -> str:
    """`problem`: an entry of `ValidationError.errors()`, with its context. With the name of the field in front it is a sentence."""
    sentence = _SENTENCES.get(problem["type"])
    if sentence is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    context = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in problem.get("ctx", {}).items()
    }
    pattern = context.get("pattern")
    return sentence.format(allowed=_ALLOWED.get(str(pattern), f"of the form {pattern}"), **context)
