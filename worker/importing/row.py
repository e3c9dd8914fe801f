"""A row of a file: an intent, or the reason why it is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from feishu_batch import IntentError, UpdateIntent, parse_intent
from feishu_batch.written import untagged
from worker.importing.cells import Content
from worker.importing.report_columns import STATE, own_part

_ID_BYTES: Final = 16
_SHOWN: Final = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    intent: UpdateIntent
    names_itself: bool = False  # the file gives the intent's id; otherwise it is derived (row_ids.py)
    ranged: int = 0  # how many of the items were written as ranges


@dataclass(frozen=True, slots=True)
class Rejected:
    """`written`: its cells by column, as far as they could be told apart. `is_left_out`: a row of a report that needs no import."""

    line: int
    reason: str
    written: Mapping[str, Any] | None = None
    is_left_out: bool = False


def hashed(name: str) -> str:
    return "import-" + blake2b(name.encode(), digest_size=_ID_BYTES).hexdigest()


def row_of(line: int, given: Content | Mapping[str, Any], import_id: str) -> Row | Rejected:
    """From an intent's JSON shape. The same import and content is the same intent, in whatever line it stands."""
    content, ranged = (given.intent, given.ranged) if isinstance(given, Content) else (given, 0)
    own = own_part(content)
    if own is None:
        return Rejected(line, f"{STATE} {content[STATE]}", is_left_out=True)
    try:
        intent = parse_intent(own)
    except IntentError as error:
        return Rejected(line, "; ".join(problems_of(error, own)), dict(own))
    if "intent_id" in own:
        return Row(line, intent, names_itself=True, ranged=ranged)
    return Row(line, intent.model_copy(update={"intent_id": hashed(f"{import_id}\0{intent.digest()}")}), ranged=ranged)


def problems_of(error: IntentError, content: Any) -> list[str]:
    """Each problem with the value that is wrong."""
    return [_with_value(problem, content) for problem in str(error).splitlines()]


def _with_value(problem: str, content: Any) -> str:
    """The library's messages never repeat a value, because they end up in logs; the owner of a file wants to see it."""
    path = problem.partition(": ")[0]
    value = content
    for step in path.split("."):
        try:
            value = value[int(step) if isinstance(value, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            return problem
    value = untagged(value)
    if isinstance(value, dict | list):
        return problem
    told = json.dumps(value, ensure_ascii=False, default=str)
    told = told.encode("utf-8", "backslashreplace").decode()
    return f"{problem} (got {told if len(told) <= _SHOWN else told[:_SHOWN] + '…'})"
