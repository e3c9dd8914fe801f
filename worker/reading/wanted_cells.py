"""The cells that a file would change, on disk: item by item for reading them, and by request for counting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from pydantic_core import from_json, to_json

from feishu_batch.intents import UpdateIntent, group_spec
from worker.importing.row import Rejected
from worker.ledger.routes import BATCH
from worker.reading.cell_verdicts import in_effect
from worker.remote.effect import CellChange
from worker.remote.limits import MAX_ITEMS_PER_QUERY
from worker.scratch import Scratch

_SCHEMA: Final = """
PRAGMA cache_size = -16000;
CREATE TABLE groups (number INTEGER PRIMARY KEY, digest BLOB UNIQUE, lane TEXT, mode TEXT, before TEXT, after TEXT);
CREATE TABLE changes (place INTEGER, item INTEGER, field TEXT, number INTEGER, grp INTEGER,
                      PRIMARY KEY (place, item, field, number)) WITHOUT ROWID;
CREATE TABLE sent (grp INTEGER PRIMARY KEY, sent INTEGER, needed INTEGER);
CREATE TABLE refused (line INTEGER, col TEXT, field TEXT, written TEXT, reason TEXT);
"""


@dataclass(frozen=True, slots=True)
class ReadPlace:
    """What one read is about: items of one space and type, by one credential and user. `user_key` "": the lane's own."""

    lane: str
    project_key: str
    type_key: str
    user_key: str = ""


@dataclass(frozen=True, slots=True)
class WantedCell:
    """`changes`: those in effect, in the order of the file; `groups`: the numbers of their requests' groups."""

    item: int
    field_key: str
    changes: tuple[CellChange, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CellsToRead:
    """For one request."""

    place: ReadPlace
    cells: tuple[WantedCell, ...]

    @property
    def items(self) -> list[int]:
        return list(dict.fromkeys(cell.item for cell in self.cells))

    @property
    def fields(self) -> list[str]:
        return sorted({cell.field_key for cell in self.cells})


@dataclass(frozen=True, slots=True)
class WriteCost:
    """Requests of a lane: for all changes, and without those that are proven unchanged."""

    lane: str
    requests: int
    needed: int


class WantedCells(Scratch):
    """For one thread."""

    def __init__(self) -> None:
        super().__init__(_SCHEMA)
        self._places: dict[ReadPlace, int] = {}
        self._changes = 0

    def add(self, intent: UpdateIntent, lane: str) -> None:
        """`intent` in the API's form."""
        place = self._place(ReadPlace(lane, intent.project_key, intent.work_item_type_key, intent.user_key or ""))
        group = self._group(intent, lane)
        rows = []
        for item in intent.work_item_ids:
            self._changes += 1
            rows.append((place, item, intent.field_key, self._changes, group))
        self._db.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", rows)

    def refuse(self, rejected: Rejected) -> None:
        row = (rejected.line, rejected.column, rejected.field, rejected.value, rejected.reason)
        self._db.execute("INSERT INTO refused VALUES (?, ?, ?, ?, ?)", row)

    def refused(self) -> Iterator[Rejected]:
        rows = self._db.execute("SELECT line, col, field, written, reason FROM refused ORDER BY line, rowid")
        for line, column, field, written, reason in rows:
            yield Rejected(line, reason, column=column, field=field, value=written)

    def count_items(self) -> int:
        [count] = self._db.execute("SELECT count(*) FROM (SELECT DISTINCT place, item FROM changes)").fetchone()
        return int(count)

    def to_read(self) -> Iterator[CellsToRead]:
        """As many items together as a request may have, by place and id."""
        place_of = {number: place for place, number in self._places.items()}
        rows = self._db.execute(
            "SELECT place, item, field, grp, mode, before, after FROM changes"
            " CROSS JOIN groups ON groups.number = grp ORDER BY place, item, field, changes.number"
        )
        for place, of_place in groupby(rows, key=itemgetter(0)):
            items = (list(of_item) for _, of_item in groupby(of_place, key=itemgetter(1)))
            while some := list(islice(items, MAX_ITEMS_PER_QUERY)):
                cells = tuple(cell for of_item in some for cell in _cells(of_item))
                yield CellsToRead(place_of[place], cells)

    def note(self, cell: WantedCell, *, is_needed: bool) -> None:
        """Count the requests of a cell that was judged."""
        rows = [(group, int(is_needed)) for group in cell.groups]
        self._db.executemany(
            "INSERT INTO sent VALUES (?, 1, ?) ON CONFLICT (grp) DO UPDATE SET sent = sent + 1, needed = needed + excluded.needed",
            rows,
        )

    def cost(self) -> list[WriteCost]:
        """Of the cells that were judged."""
        size = BATCH.items
        rows = self._db.execute(
            "SELECT lane, sum((sent + ? - 1) / ?), sum((needed + ? - 1) / ?) FROM sent JOIN groups ON number = grp"
            " GROUP BY lane ORDER BY lane",
            (size,) * 4,
        )
        return [WriteCost(lane, requests, needed) for lane, requests, needed in rows]

    def _place(self, place: ReadPlace) -> int:
        return self._places.setdefault(place, len(self._places) + 1)

    def _group(self, intent: UpdateIntent, lane: str) -> int:
        digest = blake2b(f"{lane}\0{group_spec(intent)}".encode(), digest_size=16).digest()
        values = (to_json(one).decode() for one in (intent.before_field_value, intent.after_field_value))
        row = (digest, lane, str(intent.update_mode), *values)
        self._db.execute("INSERT OR IGNORE INTO groups (digest, lane, mode, before, after) VALUES (?, ?, ?, ?, ?)", row)
        [number] = self._db.execute("SELECT number FROM groups WHERE digest = ?", (digest,)).fetchone()
        return int(number)


def _cells(of_item: Sequence[tuple[Any, ...]]) -> Iterator[WantedCell]:
    for field_key, rows in groupby(of_item, key=itemgetter(2)):
        every = list(rows)
        changes = in_effect(
            [CellChange(mode, from_json(before), from_json(after)) for *_, mode, before, after in every]
        )
        groups = tuple(row[3] for row in every[len(every) - len(changes) :])
        yield WantedCell(every[0][1], field_key, tuple(changes), groups)
