"""The cells of a table on disk, until each has met those that agree with it: a million rows would not be bounded in memory."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from feishu_batch.intents import MAX_ITEMS
from worker.importing.row import Rejected
from worker.scratch import Scratch

_SCHEMA: Final = """
PRAGMA cache_size = -16000;
CREATE TABLE items (place INTEGER, item INTEGER, line INTEGER, PRIMARY KEY (place, item)) WITHOUT ROWID;
CREATE TABLE values_ (number INTEGER PRIMARY KEY, digest BLOB UNIQUE, col INTEGER, line INTEGER, value TEXT);
CREATE TABLE cells (col INTEGER, item INTEGER, slot INTEGER, value INTEGER, line INTEGER, PRIMARY KEY (col, item, slot)) WITHOUT ROWID;
CREATE TABLE rejected (line INTEGER, col TEXT, field TEXT, written TEXT, reason TEXT);
CREATE TABLE rows (line INTEGER PRIMARY KEY, items TEXT, columns TEXT, cells TEXT);
CREATE TABLE intents (id TEXT PRIMARY KEY, value INTEGER, first INTEGER, last INTEGER, state TEXT, code TEXT, reason TEXT) WITHOUT ROWID;
CREATE INDEX intents_by_value ON intents (value, first);
CREATE TABLE outcomes (value INTEGER, item INTEGER, state TEXT, code TEXT, reason TEXT, PRIMARY KEY (value, item)) WITHOUT ROWID;
"""
CONTESTED: Final = 0  # in place of a value: rows contradict each other about the cell


@dataclass(frozen=True, slots=True)
class GatheredCell:
    """`slot`: 0, or the value's number where a column adds values. `value`: its number."""

    column: int
    item: int
    slot: int
    value: int
    line: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """Cells that agree, as many as an intent may have. `line`: where the value stands first; `value`: JSON, as it was written."""

    number: int
    column: int
    line: int
    value: str
    items: tuple[int, ...]


# (state, code, reason) of a cell.
State = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class KeptRow:
    """`columns`: place in the header → number; `cells`: place in the header → what was written."""

    line: int
    items: list[int]
    columns: Mapping[int, int]
    cells: Mapping[int, Any]


class Spool(Scratch):
    """For one thread. Columns and places go by small numbers, which the caller gives."""

    def __init__(self) -> None:
        super().__init__(_SCHEMA)

    def is_first_row_of(self, place: int, item: int, line: int) -> bool:
        return self._db.execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?)", (place, item, line)).rowcount == 1

    def value(self, digest: bytes, column: int, line: int, value: str) -> int:
        """The number of what agrees in this digest."""
        row = (digest, column, line, value)
        made = self._db.execute("INSERT OR IGNORE INTO values_ (digest, col, line, value) VALUES (?, ?, ?, ?)", row)
        if made.rowcount == 1 and made.lastrowid is not None:
            return made.lastrowid
        [number] = self._db.execute("SELECT number FROM values_ WHERE digest = ?", (digest,)).fetchone()
        return int(number)

    def add(self, cells: Iterable[GatheredCell]) -> None:
        rows = ((one.column, one.item, one.slot, one.value, one.line) for one in cells)
        self._db.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?, ?)", rows)

    def held(self, column: int, item: int, slot: int) -> tuple[int, int] | None:
        """(number of the value, line) of what a row above said of this cell."""
        found: tuple[int, int] | None = self._db.execute(
            "SELECT value, line FROM cells WHERE col = ? AND item = ? AND slot = ?", (column, item, slot)
        ).fetchone()
        return found

    def contest(self, column: int, item: int) -> None:
        self._db.execute("UPDATE cells SET value = ? WHERE col = ? AND item = ?", (CONTESTED, column, item))

    def reject(self, line: int, column: str, field: str, written: str, reason: str) -> None:
        self._db.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", (line, column, field, written, reason))

    def rejected(self) -> Iterator[Rejected]:
        """In the order of the file."""
        rows = self._db.execute("SELECT line, col, field, written, reason FROM rejected ORDER BY line, rowid")
        for line, column, field, written, reason in rows:
            yield Rejected(line, reason, column=column or None, field=field or None, value=written or None)

    def gathered(self) -> Iterator[Gathered]:
        """In the order in which the values stand in the file; the items of each by their ids."""
        rows = self._db.execute(
            "SELECT c.value, v.col, v.line, v.value, c.item FROM cells c JOIN values_ v ON v.number = c.value ORDER BY c.value, c.item"
        )
        for (number, column, line, value), same in groupby(rows, key=itemgetter(0, 1, 2, 3)):
            while items := tuple(row[4] for row in islice(same, MAX_ITEMS)):
                yield Gathered(number, column, line, value, items)

    def count_cells(self) -> int:
        [count] = self._db.execute("SELECT count(*) FROM cells WHERE value != ?", (CONTESTED,)).fetchone()
        return int(count)

    def counts_by_column(self) -> dict[int, int]:
        """Cells that are to be written, by the number of their column."""
        rows = self._db.execute("SELECT col, count(*) FROM cells WHERE value != ? GROUP BY col", (CONTESTED,))
        return dict(rows)

    # --- for the report ---------------------------------------------------------------------------------------------

    def keep_row(self, line: int, items: Sequence[int], columns: Mapping[int, int], cells: Mapping[int, Any]) -> None:
        """`columns`: place in the header → number; `cells`: place in the header → what was written."""
        row = (line, json.dumps(items), json.dumps(columns), json.dumps(cells, default=str))
        self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)

    def note_intent(self, gathered: Gathered, intent_id: str) -> None:
        row = (intent_id, gathered.number, gathered.items[0], gathered.items[-1])
        self._db.execute("INSERT OR REPLACE INTO intents (id, value, first, last) VALUES (?, ?, ?, ?)", row)

    def note_outcomes(self, intent_id: str, states: Mapping[int | None, State]) -> None:
        """By item; what is not named has the state that stands under None."""
        self._db.execute("UPDATE intents SET state = ?, code = ?, reason = ? WHERE id = ?", (*states[None], intent_id))
        [value] = self._db.execute("SELECT value FROM intents WHERE id = ?", (intent_id,)).fetchone()
        rows = ((value, item, *state) for item, state in states.items() if item is not None)
        self._db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?)", rows)

    def kept_rows(self) -> Iterator[KeptRow]:
        """In the order of the file, with those that could not be read."""
        rows = self._db.execute(
            "SELECT line, items, columns, cells FROM rows UNION"
            " SELECT line, '[]', '{}', '{}' FROM rejected WHERE line NOT IN (SELECT line FROM rows) ORDER BY line"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS rejected_by_line ON rejected (line)")
        for line, items, columns, cells in rows:
            numbers = {int(at): number for at, number in json.loads(columns).items()}
            yield KeptRow(line, json.loads(items), numbers, {int(at): cell for at, cell in json.loads(cells).items()})

    def rejected_in(self, line: int) -> list[tuple[str, str]]:
        """(column or "", reason)."""
        return self._db.execute("SELECT col, reason FROM rejected WHERE line = ? ORDER BY rowid", (line,)).fetchall()

    def states_of(self, column: int, item: int) -> list[State]:
        """The results of this cell: several, where the column adds values."""
        rows = self._db.execute("SELECT value FROM cells WHERE col = ? AND item = ?", (column, item)).fetchall()
        return [self._state(value, item) for (value,) in rows if value != CONTESTED]

    def _state(self, value: int, item: int) -> State:
        found: State | None = self._db.execute(
            "SELECT state, code, reason FROM outcomes WHERE value = ? AND item = ?", (value, item)
        ).fetchone()
        found = (
            found
            or self._db.execute(
                "SELECT state, code, reason FROM intents WHERE value = ? AND first <= ? ORDER BY first DESC",
                (value, item),
            ).fetchone()
        )
        return found or ("", None, None)
