"""A database on disk that goes with the object: for what would not be bounded in memory."""

import sqlite3
from types import TracebackType
from typing import Self

_UNSAFE = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"  # nobody opens it again after a crash


class Scratch:
    """For one thread. `schema`: SQL that makes its tables."""

    def __init__(self, schema: str) -> None:
        self._db = sqlite3.connect("")  # a nameless file that is deleted when it is closed
        self._db.executescript(_UNSAFE + schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()
