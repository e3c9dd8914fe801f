"""Parses every answer of the remote API into one form. Pure; never raises, for any bytes."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.remote.secrets import Secrets

LONGEST_MESSAGE = 500  # characters; an error page of a gateway must not fill the log
LARGEST_INTEGER = 2**63 - 1
LONGEST_NUMERAL = 20


@dataclass(frozen=True, slots=True)
class Envelope:
    """`code` is None if the body is not an envelope: not JSON, not an object, or without any code.

    `data` is the parsed payload (None if missing). Known forms: `{err, err_code, err_msg, data}`,
    `{error: {code, msg}, data}` and `{code, msg | message, data}` (official pages and the official SDK).
    """

    code: int | None
    message: str
    inner_code: int | None = None
    inner_message: str = ""
    log_id: str = ""
    data: Any = None

    @property
    def is_readable(self) -> bool:
        return self.code is not None


def parse(body: bytes, *, secrets: Secrets | None = None) -> Envelope:
    """Parse a body. `secrets` are masked in all its content, including data, in case the remote system echoes them."""
    document = _load(body, secrets or Secrets())
    if not isinstance(document, Mapping):
        return Envelope(None, f"the answer is not an API answer ({len(body)} bytes)")
    inner, nested = _object(document, "err"), _object(document, "error")
    code = _first_failure(document.get("err_code"), nested.get("code"), document.get("code"), inner.get("code"))
    messages = (
        document.get("err_msg"),
        nested.get("msg"),
        document.get("msg"),
        document.get("message"),
        inner.get("msg"),
    )
    return Envelope(
        code=code,
        message=_first_text(messages) or ("" if code == 0 else "the remote system gave no reason"),
        inner_code=to_int(inner.get("code")),
        inner_message=_text(inner.get("msg")),
        log_id=_first_text((inner.get("log_id"), nested.get("log_id"), document.get("log_id"))),
        data=document.get("data"),
    )


def to_int(value: object) -> int | None:
    """A 64-bit integer given as number or numeric string, else None. True and False are not numbers here."""
    if isinstance(value, str):
        value = _numeral(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= LARGEST_INTEGER else None


def clean(text: str) -> str:
    """Limited in length, and encodable as UTF-8 even with lone surrogates."""
    return text[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()


def _load(body: bytes, secrets: Secrets) -> Any:
    try:
        # NaN and Infinity are not JSON; as null they cannot break later calculations.
        return secrets.hidden(json.loads(body, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        return None


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def _first_failure(*candidates: object) -> int | None:
    """The first code that reports a failure; 0 only if none does; None if there is no code."""
    codes = [code for code in map(to_int, candidates) if code is not None]
    return next((code for code in codes if code != 0), 0 if codes else None)


def _numeral(text: str) -> int | None:
    text = text.strip()
    if len(text) > LONGEST_NUMERAL or not text.isascii() or not text.removeprefix("-").isdigit():
        return None
    return int(text)


def _first_text(values: Iterable[object]) -> str:
    return next(filter(None, map(_text, values)), "")


def _text(value: object) -> str:
    return clean(value).strip() if isinstance(value, str) else ""
