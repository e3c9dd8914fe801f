"""Cells that intents wrote to, on disk, because a million of them need too much memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from worker.scratch import Scratch

_SCHEMA: Final = """
CREATE TABLE cells (col INTEGER, item INTEGER, number INTEGER, line INTEGER, write INTEGER, PRIMARY KEY (col, item)) WITHOUT ROWID;
"""
_PUT: Final = (
    "INSERT INTO cells VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " number = excluded.number, line = excluded.line, write = excluded.write WHERE excluded.number > number"
)
_GET: Final = "SELECT line, write FROM cells WHERE col = ? AND item = ? AND number < ?"


@dataclass(frozen=True, slots=True)
class KnownCell:
    """`line`: of the last row that wrote to the cell; `write`: the value that it wrote, as a small number."""

    item: int
    line: int
    write: int


class KnownCells(Scratch):
    """By (column, item); the write of the newest intent counts. For one thread."""

    def __init__(self) -> None:
        super().__init__(_SCHEMA)

    def put(self, column: int, items: Iterable[int], number: int, line: int, write: int) -> None:
        self._db.executemany(_PUT, ((column, item, number, line, write) for item in items))

    def older(self, column: int, items: Sequence[int], number: int) -> list[KnownCell]:
        """The cells of these items whose write is older than that intent."""
        rows = ((item, self._db.execute(_GET, (column, item, number)).fetchone()) for item in items)
        return [KnownCell(item, *row) for item, row in rows if row]

    def remove(self, column: int, items: Iterable[int]) -> None:
        self._db.executemany("DELETE FROM cells WHERE col = ? AND item = ?", ((column, item) for item in items))

    @property
    def is_empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM cells LIMIT 1").fetchone() is None
