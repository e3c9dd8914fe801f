"""Values that may be written into a field: JSON that every component transports unchanged."""

import math
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from feishu_batch import written

MAX_VALUE_BYTES = 64 * 1024
MAX_NESTING = 32
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def canonical_value(value: Any) -> Any:
    """A copy with plain JSON types only and sorted keys, independent of the caller's object. Dates and Decimals have their wire
    form (`feishu_batch.written`).

    Raises ValueError that names the unsupported part, without repeating the value.
    """
    if value is None or value is True or value is False:
        return value
    copy = _copy(value, MAX_NESTING, [MAX_VALUE_BYTES])
    try:
        size = len(to_json(copy))
    except (PydanticSerializationError, UnicodeEncodeError):
        raise ValueError("holds text that is not valid Unicode (a lone surrogate)") from None
    if size > MAX_VALUE_BYTES:
        raise ValueError(f"is larger than {MAX_VALUE_BYTES} bytes of JSON")
    return copy


def _copy(value: Any, levels: int, budget: list[int]) -> Any:
    # Every node takes at least one byte of JSON: the budget stops an object that contains itself many times.
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"is larger than {MAX_VALUE_BYTES} bytes of JSON")
    match value:
        case dict() | list():
            return _copy_container(value, levels, budget)
        case None | True | False:
            return value
        case str():
            return str.__str__(value)  # also for a member of an Enum
        case int():
            return _checked_int(value)
        case float():
            return _checked_float(value)
        case date() | Decimal():
            return written.of_python(value)
    raise ValueError(f"holds a {type(value).__name__[:50]}, which is not JSON")


def _copy_container(value: dict[Any, Any] | list[Any], levels: int, budget: list[int]) -> Any:
    if levels == 0:
        raise ValueError(f"is nested deeper than {MAX_NESTING} levels")
    if isinstance(value, list):
        return [_copy(element, levels - 1, budget) for element in value]
    if not all(isinstance(key, str) for key in value):
        raise ValueError("holds an object with a key that is not a string")
    written.check(value)
    return {str.__str__(key): _copy(value[key], levels - 1, budget) for key in sorted(value)}


def _checked_int(value: int) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueError("holds an integer beyond 64 bits")
    return int(value)


def _checked_float(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("holds NaN or Infinity, which is not JSON")
    return float(value)
