"""How settings are declared and parsed: durations with bounds, lists and objects in one variable."""

import json
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

ENV_PREFIX: Final = "FEISHU_BATCH_"


def seconds(default: float | None, low: float, high: float, description: str) -> Any:
    """A bounded duration. The description ends with its bounds, so that the settings table shows them."""
    return Field(default, ge=low, le=high, description=f"{description} Seconds, {low:g} to {high:g}.")


def number(default: float, low: float, high: float, description: str) -> Any:
    return Field(default, ge=low, le=high, description=f"{description} {low:g} to {high:g}.")


def one_word(word: str) -> str:
    """A value for a header. Raises ValueError if it cannot be one: otherwise every single intent would fail."""
    word = word.strip()
    if not re.fullmatch(r"[!-~]{1,128}", word):
        raise ValueError(
            "must be one word of printable ASCII characters, without spaces or line breaks, at most 128 characters"
        )
    return word


def printable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not text or not text.isprintable():
        raise ValueError("must have no line breaks or other control characters, and not be empty")
    return SecretStr(text)


def _as_list(value: Any) -> Any:
    """``SUCCESS,FAILED`` and ``["SUCCESS", "FAILED"]`` are the same list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _as_json(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _as_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from None


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_as_list)]
Codes = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_as_list)]
# A JSON object; decoded here and not by pydantic-settings, whose error does not name the variable.
FromJson = (NoDecode, BeforeValidator(_as_json))
