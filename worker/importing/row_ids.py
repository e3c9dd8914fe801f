"""Rows that say the same get ids of their own, so that each of them is sent."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from worker.importing.row import Rejected, Row, hashed

_COUNT: Final = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1 RETURNING times"


def each_with_its_id(rows: Iterable[Row | Rejected]) -> Iterator[Row | Rejected]:
    """An id comes from the import and the content, and for the second, third, … row of a content from that number. So a row that is
    inserted or moved changes no other row's id.
    """
    db = sqlite3.connect("")  # a nameless file on disk: a million ids would not be bounded in memory
    try:
        db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE seen (id TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;"
        )
        for row in rows:
            yield row if isinstance(row, Rejected) or row.names_itself else _numbered(row, db)
    finally:
        db.close()


def _numbered(row: Row, db: sqlite3.Connection) -> Row:
    """`row` has the id of its content's first row."""
    first = row.intent.intent_id
    [times] = db.execute(_COUNT, (first,)).fetchone()
    if times == 1:
        return row
    return replace(row, intent=row.intent.model_copy(update={"intent_id": hashed(f"{first}\0{times}")}))
