"""What the remote system says, kept: in this process, behind it in Redis for all processes, behind that the remote system itself.

What is getting old still serves while it is looked up anew beside the work; what is not there is waited for, for a bounded time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis import Redis

from worker.catalogue.asking import Errands

T = TypeVar("T")

KEPT_FOR = 7 * 86_400  # seconds in Redis; the longest that something may serve while the remote system cannot be asked
MOST_REMEMBERED = 10_000  # per process and kind
CLOCKS_APART = 60.0  # seconds in which a moment may lie ahead: another machine noted it
REDIS_AGAIN = 1.0  # seconds between two looks into Redis for something that is getting old


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """`at`: when the remote system said so, unix seconds."""

    value: T
    at: float


class Shelf(Generic[T]):
    """Where processes share what one of them looked up. `key` makes a Redis key of a name."""

    def __init__(self, redis: Redis, key: Callable[[str], str], shape: TypeAdapter[Known[T]]) -> None:
        self._redis: Any = redis
        self._key = key
        self._shape = shape

    def get(self, names: Sequence[str]) -> dict[str, Known[T]]:
        texts = self._redis.mget([self._key(name) for name in names])
        found = {name: self._read(text) for name, text in zip(names, texts, strict=True) if text is not None}
        return {name: known for name, known in found.items() if known is not None}

    def put(self, found: Mapping[str, Known[T]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for name, known in found.items():
            pipe.set(self._key(name), self._shape.dump_json(known), ex=KEPT_FOR)
        pipe.execute()

    def _read(self, text: str) -> Known[T] | None:
        """Written by another version, perhaps: then it is looked up anew."""
        try:
            return self._shape.validate_json(text)
        except ValidationError:
            return None


class Lookup(Generic[T]):
    """`fetch` asks the remote system for some names and gives what it knows of each; a name that is left out is not there.

    `fresh`: seconds for which an answer counts as new; `absent`: for which it counts that there is no such thing.
    """

    def __init__(
        self,
        *,
        kind: str,
        fetch: Callable[[Sequence[str]], Mapping[str, T]],
        shelf: Shelf[T],
        errands: Errands,
        fresh: float,
        absent: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kind = kind
        self._fetch = fetch
        self._shelf = shelf
        self._errands = errands
        self._fresh = fresh
        self._absent = absent
        self._clock = clock
        self._memory: dict[str, Known[T]] = {}
        self._missed: dict[str, float] = {}  # when the remote system said that there is no such thing
        self._looked: dict[str, float] = {}  # when Redis was asked last

    def get(self, name: str) -> Known[T] | None:
        """What is known, however old; None if there is no such thing. Raises `UnavailableError`."""
        known = self._memory.get(name)
        if known is not None and self._age(name) < self._fresh:
            return known
        return self.get_all([name]).get(name)

    def get_all(self, names: Sequence[str]) -> Mapping[str, Known[T]]:
        """Several at once; those that are not there are left out. Raises `UnavailableError`."""
        self._look_into_redis([name for name in names if self._age(name) >= self._fresh], REDIS_AGAIN)
        now = self._clock()
        old = [name for name in names if name in self._memory and self._age(name) >= self._fresh]
        missing = [n for n in names if n not in self._memory and _since(self._missed.get(n), now) >= self._absent]
        if missing:
            self._errands.run(*self._errand(missing))
        elif old:
            self._errands.start(*self._errand(old))
        return {name: self._memory[name] for name in names if name in self._memory}

    def newer(self, name: str, age: float) -> Known[T] | None:
        """What was looked up at most `age` seconds ago, by whomever. Raises `UnavailableError`."""
        if self._age(name) > age:
            self._look_into_redis([name], 0.0)
        if self._age(name) > age:
            self._errands.run(*self._errand([name]))
        return self._memory.get(name)

    def _age(self, name: str) -> float:
        known = self._memory.get(name)
        return _since(known.at if known else None, self._clock())

    def _errand(self, names: Sequence[str]) -> tuple[str, Callable[[], None]]:
        # The names may be people's addresses, which no log line has to show.
        digest = blake2b("\0".join(names).encode("utf-8", "replace"), digest_size=6).hexdigest()
        return f"{self._kind} {digest}", lambda: self._refresh(names)

    def _refresh(self, names: Sequence[str]) -> None:
        found = {name: Known(value, self._clock()) for name, value in self._fetch(names).items()}
        for name in set(names) - found.keys():
            self._memory.pop(name, None)
            self._missed[name] = self._clock()
        self._remember(found)
        if found:
            self._shelf.put(found)

    def _look_into_redis(self, names: Sequence[str], again: float) -> None:
        """For what another process has looked up, if it is newer than ours."""
        now = self._clock()
        due = [name for name in names if _since(self._looked.get(name), now) >= again]
        if not due:
            return
        found = self._shelf.get(due)
        self._looked |= dict.fromkeys(due, now)
        self._remember({name: known for name, known in found.items() if _since(known.at, now) < self._age(name)})

    def _remember(self, found: Mapping[str, Known[T]]) -> None:
        for kept in (self._memory, self._missed, self._looked):
            if len(kept) > MOST_REMEMBERED:
                kept.clear()
        self._memory |= found


def _since(at: float | None, now: float) -> float:
    """Seconds. What lies ahead was noted before the clock was set back: how old it is nobody knows."""
    return now - at if at is not None and at <= now + CLOCKS_APART else float("inf")
