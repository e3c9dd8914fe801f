"""What log lines say of a batch. The keys that hold values of fields are dropped by the log unless somebody asked for them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import to_json

from worker.ledger.records import Batch

NAMED_INTENTS: Final = 10  # numbers, as in `intent.taken_in`
LONGEST_VALUE: Final = 300  # characters
MASK: Final = "…"


def values_of(batch: Batch) -> dict[str, str]:
    spec = batch.spec
    both = {"before_field_value": spec.before_field_value, "after_field_value": spec.after_field_value}
    return {name: to_json(value).decode()[:LONGEST_VALUE] for name, value in both.items() if value is not None}


def intents_of(batch: Batch) -> list[int]:
    """Their numbers, the first few."""
    return sorted(set(batch.intents))[:NAMED_INTENTS]


def said(name: str, text: str, batch: Batch) -> dict[str, str]:
    """Words of the remote system under `name`, less the values that they quote; and all of them, for who may see values."""
    quoted = [word for value in (batch.spec.before_field_value, batch.spec.after_field_value) for word in _words(value)]
    masked = text
    for word in sorted(set(quoted), key=len, reverse=True):
        masked = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", MASK, masked)
    return {name: text} if masked == text else {name: masked, f"{name}_with_values": text}


def _words(value: Any) -> Iterator[str]:
    """The texts and numbers of which a value consists."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _words(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
        yield str(value).strip()
