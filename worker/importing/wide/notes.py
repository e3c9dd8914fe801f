"""What was noticed about a table."""

from dataclasses import dataclass, field

from worker.importing.wide.header import Header
from worker.importing.wide.spool import Spool


@dataclass(slots=True)
class TableNotes:
    """`columns`: (column, field as people know it, mode); `cells` are to be written. `header` and `spool` are for the report."""

    header: Header
    spool: Spool
    columns: list[tuple[str, str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    rows: int = 0
    cells: int = 0
    skipped: int = 0  # empty cells
    cleared: int = 0
    left_out: int = 0  # rows of a report that need no import
    skips_empty: bool = True
