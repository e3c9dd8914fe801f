"""What `feishu-batch export` has written, for people and for programs."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from worker.catalogue.models import Catalogue
from worker.catalogue.naming import named
from worker.reading.export_table import ExportColumn, ExportFigures
from worker.reading.wanted_cells import ReadPlace
from worker.wording import duration, first_few, some

_HIDDEN: Final = "the answer leaves the field out: it is empty, or hidden from the user"
_NOT_EXACT: Final = "no cell of this format holds the value so that an import reads the same"


@dataclass(frozen=True, slots=True)
class ChosenTable:
    """What is exported. `space`: as the user wrote it. `view_name`: "" without a view."""

    space: str
    place: ReadPlace
    catalogue: Catalogue
    columns: Sequence[ExportColumn]
    output: Path
    view_name: str = ""

    @property
    def import_again(self) -> str:
        ignored = [word for column in self.columns if column.why_not for word in ("--ignore", column.name)]
        place = ["--space", self.space, "--type", self.place.type_key]
        return shlex.join(["feishu-batch", "import", str(self.output), *place, *ignored])


def print_export(out: Console, chosen: ChosenTable, figures: ExportFigures) -> None:
    def line(name: str, text: str) -> None:
        out.print(f"{name:<10} {text}", soft_wrap=True)

    source = f" of the view {chosen.view_name}" if chosen.view_name else ""
    line("items", f"{figures.written} of {figures.items}{source}")
    if figures.requests:
        line("read", f"{some(figures.requests, 'request')}, {duration(figures.seconds)}")
    if figures.missing_count:
        missing = first_few(figures.missing)
        line(
            "missing",
            f"{some(figures.missing_count, 'item')} of this type that the remote system does not show: {missing}",
        )
    for why, count in figures.troubles.most_common():
        line("missing", f"{some(count, 'item')}: {why}")
    for column in chosen.columns:
        _print_column(line, column, figures)
    line("written", str(chosen.output))
    if any(not column.why_not for column in chosen.columns):
        line("import", chosen.import_again)


def _print_column(line: Any, column: ExportColumn, figures: ExportFigures) -> None:
    if column.why_not:
        line("column", f"{named(column.field)} is not for an import: {column.why_not}")
    for count, why in ((figures.left_out[column.name], _HIDDEN), (figures.not_exact[column.name], _NOT_EXACT)):
        if count:
            line("empty", f"{some(count, 'cell')} of {named(column.field)}: {why}")


def document(chosen: ChosenTable, figures: ExportFigures) -> dict[str, Any]:
    """The documented shape of `feishu-batch export --json`."""
    return {
        "output": str(chosen.output),
        "project_key": chosen.place.project_key,
        "work_item_type_key": chosen.place.type_key,
        "view": chosen.view_name or None,
        "items": figures.items,
        "written": figures.written,
        "missing_count": figures.missing_count,
        "missing": figures.missing,
        "not_read": [{"reason": why, "items": count} for why, count in figures.troubles.most_common()],
        "columns": [_column(column, figures) for column in chosen.columns],
        "requests": figures.requests,
        "seconds": round(figures.seconds, 1),
        "import": chosen.import_again if any(not column.why_not for column in chosen.columns) else None,
    }


def _column(column: ExportColumn, figures: ExportFigures) -> dict[str, Any]:
    return {
        "column": column.name,
        "field_key": column.field.key,
        "type": column.field.type_key,
        "not_for_import": column.why_not or None,
        "left_out": figures.left_out[column.name],
        "not_exact": figures.not_exact[column.name],
    }
