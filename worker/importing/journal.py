"""The result of each row, on disk: a million rows and their ids need too much memory."""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from worker.scratch import Scratch

_SCHEMA = """
PRAGMA cache_size = -8000;
CREATE TABLE rows (number INTEGER PRIMARY KEY, line INTEGER, verdict TEXT, intent_id TEXT, items TEXT, reason TEXT, content TEXT);
CREATE TABLE named (intent_id TEXT PRIMARY KEY, digest TEXT, line INTEGER) WITHOUT ROWID;
"""
CHUNK = 500  # rows


class Verdict(StrEnum):
    ENQUEUED = "enqueued"
    KNOWN = "known"  # an earlier run enqueued it
    REPEATED = "repeated"  # an earlier row of the same file is the same intent
    REJECTED = "rejected"

    @property
    def is_followed(self) -> bool:
        return self in (Verdict.ENQUEUED, Verdict.KNOWN)


@dataclass(frozen=True, slots=True)
class Note:
    """A row's line and its verdict; a rejected row has a reason but no id and no items. `content`: the row's content as JSON."""

    line: int
    verdict: Verdict
    intent_id: str = ""
    items: tuple[int, ...] = ()
    reason: str = ""
    content: str = "{}"


class Journal(Scratch):
    """For one thread."""

    def __init__(self) -> None:
        super().__init__(_SCHEMA)

    # --- ids from the file ----------------------------------------------------------------------------------------

    def named(self, intent_id: str) -> tuple[str, int] | None:
        """(digest, line) of the row to which the file gives this id."""
        found: tuple[str, int] | None = self._db.execute(
            "SELECT digest, line FROM named WHERE intent_id = ?", (intent_id,)
        ).fetchone()
        return found

    def name(self, intent_id: str, digest: str, line: int) -> None:
        self._db.execute("INSERT INTO named VALUES (?, ?, ?)", (intent_id, digest, line))

    # --- rows -----------------------------------------------------------------------------------------------------

    def add(self, notes: Iterable[Note]) -> None:
        rows = ((n.line, n.verdict, n.intent_id, ",".join(map(str, n.items)), n.reason, n.content) for n in notes)
        columns = "line, verdict, intent_id, items, reason, content"
        self._db.executemany(f"INSERT INTO rows ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 - of ours

    def steps(self) -> Iterator[list[Note]]:
        """All notes in the order of the file, a few hundred at a time."""
        rows = self._db.execute("SELECT line, verdict, intent_id, items, reason, content FROM rows ORDER BY number")
        while step := list(islice(rows, CHUNK)):
            yield [Note(line, Verdict(v), id_, _items(items), *rest) for line, v, id_, items, *rest in step]

    def roster(self) -> "JournalRoster":
        return JournalRoster(self._db)


class JournalRoster:
    """The intents to follow, by their place in the file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        followed = ", ".join(f"'{verdict}'" for verdict in Verdict if verdict.is_followed)
        self._numbers = array("Q")
        self.changes = 0
        query = f"SELECT number, items FROM rows WHERE verdict IN ({followed}) ORDER BY number"  # noqa: S608 - of ours
        for number, items in db.execute(query):
            self._numbers.append(number)
            self.changes += len(_items(items))

    def __len__(self) -> int:
        return len(self._numbers)

    def pick(self, places: Sequence[int]) -> list[tuple[str, int]]:
        """(intent id, number of items) of each place."""
        query = "SELECT intent_id, items FROM rows WHERE number = ?"
        found = (self._db.execute(query, (self._numbers[place],)).fetchone() for place in places)
        return [(intent_id, len(_items(items))) for intent_id, items in found]


def _items(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
