"""The extra columns of a report, so that a corrected report can be imported. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from feishu_batch.outcomes import SUCCESSES
from worker.importing.cells import OPTIONAL, REQUIRED

STATE: Final = "state"
ABOUT: Final = ("line", STATE, "code", "reason", "field_name")  # columns about a row, which an import ignores
ONLY_JSON: Final = "item"  # the item as a number, in JSON Lines
OF_REPORT: Final = frozenset({*ABOUT, ONLY_JSON})
VALUES: Final = ("before_field_value", "after_field_value")
_ROW: Final = (*REQUIRED[:-1], *VALUES, *(name for name in OPTIONAL if name not in (*VALUES, "intent_id")))
# The id of an intent that has ended comes last: a row that is imported again gets a new one.
COLUMNS: Final = (*ABOUT, *_ROW, "intent_id")
# States of rows that need not be imported: applied, in progress, superseded by another change, or without a value.
LEFT_OUT: Final = frozenset({*SUCCESSES, "queued", "pending", "behind", "in flight", "forgotten", "skipped"})
# Spreadsheet programs treat cells with these first characters as formulas.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def is_report(names: Sequence[str] | Mapping[str, Any]) -> bool:
    return STATE in names and "reason" in names


def own_part(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A row without the report's columns; None for a row that is left out."""
    if OF_REPORT.isdisjoint(content):
        return content
    if content.get(STATE) in LEFT_OUT:
        return None
    dropped = OF_REPORT | {"intent_id"} if is_report(content) else OF_REPORT
    return {name: value for name, value in content.items() if name not in dropped}


def guarded(cell: str) -> str:
    """The form in a CSV report: an apostrophe stops a spreadsheet program from evaluating the cell."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
