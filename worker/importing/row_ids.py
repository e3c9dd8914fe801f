"""Gives rows with the same content different ids, so that each of them is sent."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from worker.importing.row import Rejected, Row, hashed
from worker.scratch import Scratch

_SCHEMA: Final = "CREATE TABLE seen (id TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;"
_COUNT: Final = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1 RETURNING times"


def each_with_its_id(rows: Iterable[Row | Rejected]) -> Iterator[Row | Rejected]:
    """The id is derived from the import and the content, and for the second, third, … row with the same content also from that number.
    So inserting or moving a row does not change the id of another row. Intents that were gathered from a table are all different.
    """
    with _Seen(_SCHEMA) as seen:
        for row in rows:
            yield row if isinstance(row, Rejected) or row.names_itself or row.is_gathered else _numbered(row, seen)


class _Seen(Scratch):
    def times(self, intent_id: str) -> int:
        """How often this id has occurred so far, including this time."""
        [times] = self._db.execute(_COUNT, (intent_id,)).fetchone()
        return int(times)


def _numbered(row: Row, seen: _Seen) -> Row:
    """`row`: with the id for the first row of its content."""
    first = row.intent.intent_id
    times = seen.times(first)
    if times == 1:
        return row
    return replace(row, intent=row.intent.model_copy(update={"intent_id": hashed(f"{first}\0{times}")}))
