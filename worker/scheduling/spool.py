"""The rows of a run, stored in Redis before the first is enqueued: a repeated run enqueues these and no others."""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from itertools import count
from typing import Any, Final
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError
from redis.lock import Lock

from feishu_batch import parse_intent
from worker.importing.row import Rejected, Row
from worker.ledger.scripts import Scripts

MOST_KEPT: Final = 64 * 1024**2  # bytes in Redis, compressed; rows of a usual table take about 50 each
PER_CHUNK: Final = 500  # rows
LARGEST_CHUNK: Final = 1024**2  # bytes, before compression; a row may be longer
UNFINISHED_KEPT: Final = 3600  # seconds without a further row after which incomplete rows expire
KEPT: Final = 30 * 86_400  # seconds


class SpoolError(Exception):
    """The rows of the run cannot be stored, so none is enqueued. The message says why."""


class RowSpool:
    """For one run. In Redis: a list of the run's name and then chunks, each JSON lines, compressed, in base64."""

    def __init__(self, redis: Redis, key: str, run: str) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._key = key
        self._run = run

    def is_kept(self) -> bool:
        """Whether all rows are stored."""
        return bool(self._redis.lindex(self._key, 0) == self._run)

    def keep(self, rows: Iterable[Row | Rejected], hold: Lock) -> bool:
        """Stores all rows, or none. False: another worker has `hold`. Raises `SpoolError`, and the errors of `rows`."""
        unfinished = f"{self._key}:{uuid4().hex}"
        try:
            self._write(unfinished, rows)
            keys = [hold.name, unfinished, self._key]
            return bool(self._scripts.get("keep_spool")(keys=keys, args=[hold.local.token, self._run]))
        finally:
            with suppress(RedisError):  # it expires
                self._redis.unlink(unfinished)

    def rows(self) -> Iterator[Row | Rejected]:
        """The stored rows, a chunk at a time; call it after `is_kept`. They end early if another worker has finished the run."""
        for place in count(1):
            pipe = self._redis.pipeline(transaction=True)
            run, chunk = pipe.lindex(self._key, 0).lindex(self._key, place).execute()
            if run != self._run or chunk is None:
                return
            yield from unpacked(chunk)

    def _write(self, key: str, rows: Iterable[Row | Rejected]) -> None:
        self._append(key, self._run)
        size = 0
        for chunk in packed(rows):
            size += len(chunk)
            if size > MOST_KEPT:
                most = MOST_KEPT // 1024**2
                raise SpoolError(
                    f"its rows take more than the {most} MiB (compressed) that Redis keeps for a run;"
                    " divide them among several entries"
                )
            self._append(key, chunk)
        self._redis.expire(key, KEPT)

    def _append(self, key: str, entry: str) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.rpush(key, entry).expire(key, UNFINISHED_KEPT)
        pipe.execute()


def packed(rows: Iterable[Row | Rejected]) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for row in rows:
        lines.append(_line(row))
        size += len(lines[-1])
        if len(lines) >= PER_CHUNK or size >= LARGEST_CHUNK:
            yield _compressed(lines)
            lines, size = [], 0
    if lines:
        yield _compressed(lines)


def _compressed(lines: list[str]) -> str:
    return base64.b64encode(zlib.compress("\n".join(lines).encode())).decode()


def unpacked(chunk: str) -> Iterator[Row | Rejected]:
    for line in zlib.decompress(base64.b64decode(chunk)).decode().split("\n"):
        content = json.loads(line)
        yield (
            Row(**{**content, "intent": parse_intent(content["intent"])})
            if "intent" in content
            else Rejected(**content)
        )


def _line(row: Row | Rejected) -> str:
    """Every field but the cells of a rejected row: a run tells its line and reason only."""
    content = {field.name: getattr(row, field.name) for field in fields(row) if field.name != "written"}
    if isinstance(row, Row):
        content["intent"] = row.intent.to_json()
    return json.dumps(content)
