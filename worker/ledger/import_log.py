"""Which imports there were: remembered for longer than their intents, so that the same file is known when they are forgotten."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys

MOST = 10_000  # imports; the ones that were longest unused are forgotten first


@dataclass(frozen=True, slots=True)
class LoggedImport:
    """Moments in unix seconds, by the server's clock. `rows`: how many it enqueued, over all its runs."""

    first_at: float
    rows: int
    now: float

    @property
    def age(self) -> float:
        return self.now - self.first_at


class ImportLog:
    """`keep`: seconds after its last use for which an import is remembered."""

    def __init__(self, redis: Redis, prefix: str, keep: float) -> None:
        self._redis: Any = redis
        self._keep = keep
        keys = InboxKeys(prefix)
        self._used, self._facts = keys.imports, keys.import_facts

    def find(self, import_id: str) -> LoggedImport | None:
        name = _digest(import_id)
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().hmget(self._facts, f"{name}:first", f"{name}:rows")
        (seconds, micros), (first, rows) = pipe.execute()
        return LoggedImport(float(first), int(rows or 0), seconds + micros / 1e6) if first else None

    def add(self, import_id: str, rows: int) -> None:
        """After so many more rows were enqueued. One round trip, and another to forget the oldest."""
        name, (seconds, _) = _digest(import_id), self._redis.time()
        pipe = self._redis.pipeline(transaction=True)
        pipe.hsetnx(self._facts, f"{name}:first", seconds).hincrby(self._facts, f"{name}:rows", rows)
        pipe.zadd(self._used, {name: seconds})
        pipe.zrangebyscore(self._used, "-inf", seconds - self._keep).zrange(self._used, 0, -MOST - 1)
        *_, old, too_many = pipe.execute()
        if gone := {*old, *too_many} - {name}:
            pipe.zrem(self._used, *gone)
            pipe.hdel(self._facts, *(f"{one}:{fact}" for one in gone for fact in ("first", "rows")))
            pipe.execute()


def _digest(import_id: str) -> str:
    return blake2b(import_id.encode(), digest_size=8).hexdigest()
