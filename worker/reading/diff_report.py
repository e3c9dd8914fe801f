"""The report of a diff as a file: one row per cell, with its old and its new value in words."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from worker.importing.report_file import Shape, write_report
from worker.importing.report_sheet import Cell
from worker.reading.cell_verdicts import Effect
from worker.reading.diff import DiffLine

EFFECT: Final = "effect"
COLUMNS: Final = (
    EFFECT,
    "item",
    "name",
    "field",
    "old",
    "new",
    "reason",
    "line",
    "space",
    "type",
    "field_key",
)
_COLOURS: Final[Mapping[str, str]] = {
    Effect.CHANGED: "FFF2CC",
    Effect.CLEARED: "F8CBAD",
    Effect.NOT_KNOWN: "E7E6E6",
    Effect.NO_ITEM: "F4B6B6",
    Effect.REFUSED: "F4B6B6",
}
_COLOURED: Final = (COLUMNS.index("old"), COLUMNS.index("new"))


def write_diff(path: Path, lines: Iterable[DiffLine]) -> None:
    """Unchanged cells come last. Raises OSError."""
    shape = Shape(COLUMNS, EFFECT, lambda row: [row[name] for name in COLUMNS], (Effect.UNCHANGED,), _colours)
    write_report(path, map(diff_row, lines), shape)


def diff_row(line: DiffLine) -> dict[str, Any]:
    place = line.place
    return {
        EFFECT: str(line.effect),
        "item": line.item or None,
        "name": line.item_name or None,
        "field": line.field_name or None,
        "old": line.old,
        "new": line.new,
        "reason": line.reason or None,
        "line": line.line,
        "space": place.project_key if place else None,
        "type": place.type_key if place else None,
        "field_key": line.field_key or None,
    }


def _colours(row: Sequence[Cell]) -> Mapping[int, str]:
    colour = _COLOURS.get(str(row[0]))
    return dict.fromkeys(_COLOURED, colour) if colour else {}
