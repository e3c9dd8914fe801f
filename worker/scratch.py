"""A temporary database on disk, for data that may be too large for memory."""

import sqlite3
from types import TracebackType
from typing import Self

_UNSAFE = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"  # it is never opened again after a crash


class Scratch:
    """For one thread. `schema`: SQL that creates its tables."""

    def __init__(self, schema: str) -> None:
        self._db = sqlite3.connect("")  # an unnamed file that is deleted when it is closed
        self._db.executescript(_UNSAFE + schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()
