"""Which imports there were: remembered for longer than their intents, so that the same file is known when they are forgotten."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys

MOST = 10_000  # imports; the ones that were longest unused are forgotten first
SAMPLE = 128  # digests of intent ids per import: the smallest, so that every row of every run has the same chance

_FACTS = ("first", "rows", "sample")


@dataclass(frozen=True, slots=True)
class LoggedImport:
    """Moments in unix seconds, by the server's clock. `rows`: how many it enqueued, over all its runs."""

    first_at: float
    rows: int
    now: float
    sample: frozenset[str] = frozenset()

    @property
    def age(self) -> float:
        return self.now - self.first_at

    def certainly_wrote(self, intent_id: str) -> bool:
        """False says nothing about an import of more than `SAMPLE` rows."""
        return _digest(intent_id) in self.sample


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
        pipe.time().hmget(self._facts, f"{name}:first", f"{name}:rows", f"{name}:sample")
        (seconds, micros), (first, rows, sample) = pipe.execute()
        if not first:
            return None
        return LoggedImport(float(first), int(rows or 0), seconds + micros / 1e6, frozenset((sample or "").split()))

    def add(self, import_id: str, intent_ids: Iterable[str]) -> None:
        """After these rows were enqueued. Two runs of one import at the same moment may lose a part of the sample."""
        name, digests = _digest(import_id), [_digest(one) for one in intent_ids]
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().hget(self._facts, f"{name}:sample")
        (seconds, _), before = pipe.execute()
        sample = sorted({*(before or "").split(), *digests})[:SAMPLE]
        pipe = self._redis.pipeline(transaction=True)
        pipe.hsetnx(self._facts, f"{name}:first", seconds).hincrby(self._facts, f"{name}:rows", len(digests))
        pipe.hset(self._facts, f"{name}:sample", " ".join(sample))
        pipe.zadd(self._used, {name: seconds})
        pipe.zrangebyscore(self._used, "-inf", seconds - self._keep).zrange(self._used, 0, -MOST - 1)
        *_, old, too_many = pipe.execute()
        if gone := {*old, *too_many} - {name}:
            pipe.zrem(self._used, *gone)
            pipe.hdel(self._facts, *(f"{one}:{fact}" for one in gone for fact in _FACTS))
            pipe.execute()


def _digest(identifier: str) -> str:
    return blake2b(identifier.encode(), digest_size=8).hexdigest()
