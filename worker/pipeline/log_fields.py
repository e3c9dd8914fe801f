"""Log fields of a batch. Keys with field values are removed from the log unless FEISHU_BATCH_LOG_VALUES is set."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

from pydantic_core import to_json

from worker.ledger.records import Batch

NAMED_INTENTS: Final = 10  # numbers, as in `intent.recorded`
LONGEST_VALUE: Final = 300  # characters
BEGINNING: Final = 16  # characters by which a truncated value is recognised
MASK: Final = "…"
_LATIN: Final = re.compile(r"[0-9A-Za-z_]")


def values_of(batch: Batch) -> dict[str, str]:
    spec = batch.spec
    both = {"before_field_value": spec.before_field_value, "after_field_value": spec.after_field_value}
    return {name: to_json(value).decode()[:LONGEST_VALUE] for name, value in both.items() if value is not None}


def intents_of(batch: Batch) -> list[int]:
    """The numbers of the first few intents."""
    return sorted(set(batch.intents))[:NAMED_INTENTS]


def said(name: str, text: str, batch: Batch) -> dict[str, str]:
    """A text of the remote system under `name` without the values that it quotes; and the full text under a key for values."""
    specs = [batch.spec, *batch.specs.values()]
    values = [value for spec in specs for value in (spec.before_field_value, spec.after_field_value)]
    quoted = {word for value in values for word in _words(value)}
    masked = text
    for word in sorted((word for word in quoted if word[:BEGINNING] in text), key=len, reverse=True):
        masked = _without_beginning(word, re.sub(_standing_alone(word), MASK, masked))
    return {name: text} if masked == text else {name: masked, f"{name}_with_values": text}


def _standing_alone(word: str) -> str:
    """`1` does not occur in `20001`. But Chinese has no spaces: `高` occurs in `没有高这个选项`, and `option_9` in `选项option_9不存在`."""
    before = r"(?<![0-9A-Za-z_])" if _LATIN.match(word[0]) else ""
    behind = r"(?![0-9A-Za-z_])" if _LATIN.match(word[-1]) else ""
    return f"{before}{re.escape(word)}{behind}"


def _without_beginning(word: str, text: str) -> str:
    """The remote system and we truncate texts, and with them long values."""
    while len(word) > BEGINNING and (at := text.find(word[:BEGINNING])) >= 0:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(text[at:], word, strict=False))
        text = text[:at] + MASK + text[at + len(list(same)) :]
    return text


def _words(value: Any) -> Iterator[str]:
    """The texts and numbers of a value: unchanged, by lines, and in JSON form."""
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
