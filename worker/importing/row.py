"""A row of a file: an intent, or the reason for its rejection."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from feishu_batch import IntentError, UpdateIntent, parse_intent
from feishu_batch.intents import BULK_PRIORITY, CHANGE_SET
from feishu_batch.written import untagged
from worker.importing.cells import Content
from worker.importing.report_columns import STATE, own_part

_ID_BYTES: Final = 16
_CHANGE_SET: Final = re.compile(CHANGE_SET)
_NOT_OF_AN_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
LONGEST_CHANGE_SET: Final = 64
_SHOWN: Final = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    intent: UpdateIntent
    names_itself: bool = False  # the file gives the intent's id; otherwise it is derived (row_ids.py)
    ranged: int = 0  # how many of the items were written as ranges
    is_gathered: bool = False  # from cells of a table, of several of its rows


@dataclass(frozen=True, slots=True)
class Rejected:
    """`written`: its cells by column, as far as they could be read. `is_left_out`: a row of a report that need not be imported.

    In a table a single cell may be rejected: `column` is its column, `field` the field of that column, `value` its text.
    """

    line: int
    reason: str
    written: Mapping[str, Any] | None = None
    is_left_out: bool = False
    column: str | None = None
    field: str | None = None
    value: str | None = None


def hashed(name: str) -> str:
    return "import-" + blake2b(name.encode(), digest_size=_ID_BYTES).hexdigest()


def change_set_of(import_id: str) -> str | None:
    """An import is a change set of its own. Of a workbook the id also names the sheet. None: it is no name for one."""
    name = import_id.partition("\0")[0]
    return name if _CHANGE_SET.fullmatch(name) else None


def fitting_id(name: str) -> str:
    """An import id that reads like the name. Two names that differ in what it cannot hold have different ones."""
    kept = _NOT_OF_AN_ID.sub("-", name).strip("-")
    is_all_of_it = 0 < len(kept) <= LONGEST_CHANGE_SET and kept == name.replace(" ", "-")
    digest = "" if is_all_of_it else blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()
    return "-".join(filter(None, (kept[: LONGEST_CHANGE_SET - len(digest) - 1], digest)))


def row_of(line: int, given: Content | Mapping[str, Any], import_id: str) -> Row | Rejected:
    """From an intent's JSON shape. The same import and content give the same intent, in any line."""
    content, ranged = (given.intent, given.ranged) if isinstance(given, Content) else (given, 0)
    own = own_part(content)
    if own is None:
        return Rejected(line, f"{STATE} {content[STATE]}", is_left_out=True)
    try:
        intent = parse_intent({"priority": BULK_PRIORITY, "change_set": change_set_of(import_id), **own})
    except IntentError as error:
        return Rejected(line, "; ".join(problems_of(error, own)), dict(own))
    if "intent_id" in own:
        return Row(line, intent, names_itself=True, ranged=ranged)
    return Row(line, intent.model_copy(update={"intent_id": hashed(f"{import_id}\0{intent.digest()}")}), ranged=ranged)


def problems_of(error: IntentError, content: Any) -> list[str]:
    """Each problem with its wrong value."""
    return [_with_value(problem, content) for problem in str(error).splitlines()]


def _with_value(problem: str, content: Any) -> str:
    """The library's messages never repeat a value, because they may be logged; for the owner of a file it is added here."""
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
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"{problem} (got {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'})"
