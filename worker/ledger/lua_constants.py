"""What the Lua scripts and Python both know, defined once in Python and placed in front of each script that names it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from feishu_batch import item_log
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.histograms import BOUNDS
from worker.ledger.routes import BATCH, SINGLE

MOST_SHARERS: Final = 16  # of one change: each step that touches it has to look at all of them

LuaValue = str | int | Sequence["LuaValue"] | Mapping[str, "LuaValue"]

CONSTANTS: Final[dict[str, LuaValue]] = {
    "ROUTE": BATCH.name,
    "ROUTE_ITEMS": BATCH.items,
    "SINGLE": SINGLE.name,
    "MOST_SHARERS": MOST_SHARERS,
    "BOUNDS": BOUNDS,
    "LOG_BLOCK": item_log.LOG_BLOCK,
    "MARK_DIGITS": item_log.MARK_DIGITS,
    "MOST_MARKED": item_log.MOST_MARKED,
    "MARK_OF_MANY": "".join(f"\\{byte}" for byte in item_log.MARK_OF_MANY),
    **{kind.name: kind.value for kind in OutcomeKind},
    "FIELD_OF": {kind.value: kind.field for kind in OutcomeKind},  # outcome letter → counter of the record
    "FIELDS_OF_TROUBLE": [kind.field for kind in OutcomeKind if not kind.is_success],
}


def with_constants(script: str) -> str:
    """The script behind a line for each constant that it names."""
    used = [name for name in CONSTANTS if re.search(rf"\b{name}\b", script)]
    return "".join(f"local {name} = {literal(CONSTANTS[name])}\n" for name in used) + script


def literal(value: LuaValue) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {literal(one)}" for key, one in value.items()) + "}"
    return "{" + ", ".join(map(literal, value)) + "}"
