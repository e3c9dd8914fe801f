"""What log lines say of a batch. The keys that hold values of fields are dropped by the log unless somebody asked for them."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

from pydantic_core import to_json

from worker.ledger.records import Batch

NAMED_INTENTS: Final = 10  # numbers, as in `intent.taken_in`
LONGEST_VALUE: Final = 300  # characters
BEGINNING: Final = 16  # characters of a value by which it is known where the rest is cut off
MASK: Final = "…"
_LATIN: Final = re.compile(r"[0-9A-Za-z_]")


def values_of(batch: Batch) -> dict[str, str]:
    spec = batch.spec
    both = {"before_field_value": spec.before_field_value, "after_field_value": spec.after_field_value}
    return {name: to_json(value).decode()[:LONGEST_VALUE] for name, value in both.items() if value is not None}


def intents_of(batch: Batch) -> list[int]:
    """Their numbers, the first few."""
    return sorted(set(batch.intents))[:NAMED_INTENTS]


def said(name: str, text: str, batch: Batch) -> dict[str, str]:
    """Words of the remote system under `name`, less the values that they quote; and all of them, for who may see values."""
    quoted = {word for value in (batch.spec.before_field_value, batch.spec.after_field_value) for word in _words(value)}
    masked = text
    for word in sorted((word for word in quoted if word[:BEGINNING] in text), key=len, reverse=True):
        masked = _without_beginning(word, re.sub(_standing_alone(word), MASK, masked))
    return {name: text} if masked == text else {name: masked, f"{name}_with_values": text}


def _standing_alone(word: str) -> str:
    """`1` is not in `20001`. But Chinese has no spaces: `高` is in `没有高这个选项`, and `option_9` in `选项option_9不存在`."""
    before = r"(?<![0-9A-Za-z_])" if _LATIN.match(word[0]) else ""
    behind = r"(?![0-9A-Za-z_])" if _LATIN.match(word[-1]) else ""
    return f"{before}{re.escape(word)}{behind}"


def _without_beginning(word: str, text: str) -> str:
    """Texts are cut, by the remote system and by us, and a long value with them."""
    while len(word) > BEGINNING and (at := text.find(word[:BEGINNING])) >= 0:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(text[at:], word, strict=False))
        text = text[:at] + MASK + text[at + len(list(same)) :]
    return text


def _words(value: Any) -> Iterator[str]:
    """The texts and numbers of which a value consists: as they are, by lines, and as JSON writes them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _words(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        for line in (str(value), *str(value).splitlines()):
            if word := line.strip():
                yield word
                yield json.dumps(word, ensure_ascii=False)[1:-1]
                yield json.dumps(word)[1:-1]
