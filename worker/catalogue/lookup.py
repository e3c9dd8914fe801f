"""A cache in two levels in front of the remote system: this process, then Redis for all processes.

An outdated entry is used while it is refreshed in the background; for a missing entry the caller waits for a bounded time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis import Redis

from worker.catalogue.queries import BackgroundQueries

T = TypeVar("T")

KEPT_FOR = 7 * 86_400  # seconds in Redis; the longest use of an entry while the remote system does not answer
MOST_REMEMBERED = 10_000  # per process and kind
CLOCKS_APART = 60.0  # seconds by which a time may be in the future: another machine recorded it
REDIS_AGAIN = 1.0  # seconds between two reads of Redis for an outdated entry


@dataclass(frozen=True, slots=True)
class LookedUp(Generic[T]):
    """`at`: time of the remote system's answer, unix seconds."""

    value: T
    at: float


class Shelf(Generic[T]):
    """The cache that processes share, in Redis. `key`: name → Redis key."""

    def __init__(self, redis: Redis, key: Callable[[str], str], shape: TypeAdapter[LookedUp[T]]) -> None:
        self._redis: Any = redis
        self._key = key
        self._shape = shape

    def get(self, names: Sequence[str]) -> dict[str, LookedUp[T]]:
        texts = self._redis.mget([self._key(name) for name in names])
        found = {name: self._read(text) for name, text in zip(names, texts, strict=True) if text is not None}
        return {name: known for name, known in found.items() if known is not None}

    def put(self, found: Mapping[str, LookedUp[T]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for name, known in found.items():
            pipe.set(self._key(name), self._shape.dump_json(known), ex=KEPT_FOR)
        pipe.execute()

    def _read(self, text: str) -> LookedUp[T] | None:
        """None if the entry is not readable, perhaps written by another version: then it is looked up again."""
        try:
            return self._shape.validate_json(text)
        except ValidationError:
            return None


class Lookup(Generic[T]):
    """`fetch` requests some names from the remote system; a name that is missing in its result does not exist.

    `fresh`: seconds for which an answer counts as new; `absent`: seconds for which "does not exist" is cached.
    """

    def __init__(
        self,
        *,
        kind: str,
        fetch: Callable[[Sequence[str]], Mapping[str, T]],
        shelf: Shelf[T],
        queries: BackgroundQueries,
        fresh: float,
        absent: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kind = kind
        self._fetch = fetch
        self._shelf = shelf
        self._queries = queries
        self._fresh = fresh
        self._absent = absent
        self._clock = clock
        self._memory: dict[str, LookedUp[T]] = {}
        self._missed: dict[str, float] = {}  # time of the answer "does not exist"
        self._looked: dict[str, float] = {}  # time of the last read of Redis

    def get(self, name: str) -> LookedUp[T] | None:
        """The cached entry, of any age; None if it does not exist. Raises `UnavailableError`."""
        known = self._memory.get(name)
        if known is not None and self._age(name) < self._fresh:
            return known
        return self.get_all([name]).get(name)

    def get_all(self, names: Sequence[str]) -> Mapping[str, LookedUp[T]]:
        """Several at once, without those that do not exist. Raises `UnavailableError`."""
        self._look_into_redis([name for name in names if self._age(name) >= self._fresh], REDIS_AGAIN)
        now = self._clock()
        old = [name for name in names if name in self._memory and self._age(name) >= self._fresh]
        missing = [n for n in names if n not in self._memory and _since(self._missed.get(n), now) >= self._absent]
        if missing:
            self._queries.run(*self._query(missing))
        elif old:
            self._queries.start(*self._query(old))
        return {name: self._memory[name] for name in names if name in self._memory}

    def newer(self, name: str, age: float) -> LookedUp[T] | None:
        """An entry that any process looked up at most `age` seconds ago. Raises `UnavailableError`."""
        if self._age(name) > age:
            self._look_into_redis([name], 0.0)
        if self._age(name) > age:
            self._queries.run(*self._query([name]))
        return self._memory.get(name)

    def _age(self, name: str) -> float:
        known = self._memory.get(name)
        return _since(known.at if known else None, self._clock())

    def _query(self, names: Sequence[str]) -> tuple[str, Callable[[], None]]:
        # The names may be people's addresses, which must not be logged.
        digest = blake2b("\0".join(names).encode("utf-8", "replace"), digest_size=6).hexdigest()
        return f"{self._kind} {digest}", lambda: self._refresh(names)

    def _refresh(self, names: Sequence[str]) -> None:
        found = {name: LookedUp(value, self._clock()) for name, value in self._fetch(names).items()}
        for name in set(names) - found.keys():
            self._memory.pop(name, None)
            self._missed[name] = self._clock()
        self._remember(found)
        if found:
            self._shelf.put(found)

    def _look_into_redis(self, names: Sequence[str], again: float) -> None:
        """Reads entries of other processes that are newer than ours."""
        now = self._clock()
        due = [name for name in names if _since(self._looked.get(name), now) >= again]
        if not due:
            return
        found = self._shelf.get(due)
        self._looked |= dict.fromkeys(due, now)
        self._remember({name: known for name, known in found.items() if _since(known.at, now) < self._age(name)})

    def _remember(self, found: Mapping[str, LookedUp[T]]) -> None:
        for kept in (self._memory, self._missed, self._looked):
            if len(kept) > MOST_REMEMBERED:
                kept.clear()
        self._memory |= found


def _since(at: float | None, now: float) -> float:
    """Age in seconds. A time in the future was recorded before the clock was set back, so the age is unknown."""
    return now - at if at is not None and at <= now + CLOCKS_APART else float("inf")
