"""Rows that say the same get ids of their own, so that each of them is sent."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from worker.importing.row import Rejected, Row, hashed
from worker.scratch import Scratch

_SCHEMA: Final = "CREATE TABLE seen (id TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;"
_COUNT: Final = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1 RETURNING times"


def each_with_its_id(rows: Iterable[Row | Rejected]) -> Iterator[Row | Rejected]:
    """An id comes from the import and the content, and for the second, third, … row of a content from that number. So a row that is
    inserted or moved changes no other row's id.
    """
    with _Seen(_SCHEMA) as seen:
        for row in rows:
            yield row if isinstance(row, Rejected) or row.names_itself else _numbered(row, seen)


class _Seen(Scratch):
    def times(self, intent_id: str) -> int:
        """How often this id has been asked for, this time included."""
        [times] = self._db.execute(_COUNT, (intent_id,)).fetchone()
        return int(times)


def _numbered(row: Row, seen: _Seen) -> Row:
    """`row` has the id of its content's first row."""
    first = row.intent.intent_id
    times = seen.times(first)
    if times == 1:
        return row
    return replace(row, intent=row.intent.model_copy(update={"intent_id": hashed(f"{first}\0{times}")}))
