"""The last error of the remote system, for views of a lane: written when it changes, deleted when a call succeeds."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

DOING = {"submit": "sending", "poll": "polling jobs", "look_up": "looking up names"}  # for people
_OF_THE_WORK = ("submit", "poll")
AGAIN = 10.0  # seconds: another process may have written meanwhile, which this one cannot know


@dataclass(frozen=True, slots=True)
class LastError:
    what: str  # a key of `DOING`
    since: float  # unix seconds, by the Redis clock
    error: str

    def is_tried_again(self, pause: Mapping[str, Any] | None) -> bool:
        """`pause`: from `Lane.paused`. A paused lane sends nothing; it may continue to poll jobs and to look up names."""
        return pause is None or (self.what != "submit" and bool(pause.get("polling")))

    def in_words(self, pause: Mapping[str, Any] | None = None) -> str:
        then = "fails, and is retried" if self.is_tried_again(pause) else "failed, and is not retried while paused"
        return f"{DOING[self.what]} {then}: {self.error}"


class LastErrors:
    def __init__(self, redis: Redis, key: str) -> None:
        self._redis: Any = redis
        self._key = key
        self._noted: dict[str, tuple[str | None, float]] = {}  # (last recorded error, time (monotonic))

    def none(self) -> bool:
        """Whether the latest calls for the work succeeded; look-ups do not count."""
        return not any(self._redis.hmget(self._key, _OF_THE_WORK))

    def note(self, what: str, error: str | None) -> None:
        """Record the error of the latest call, or None for success. Costs nothing while it stays the same, and never raises."""
        before, noted_at = self._noted.get(what, ("", 0.0))
        if error == before and (error is not None or time.monotonic() - noted_at < AGAIN):
            return
        with suppress(RedisError):
            if error is None:
                self._redis.hdel(self._key, what)
            else:
                seconds, micros = self._redis.time()
                entry = {"since": round(seconds + micros / 1e6, 3), "error": error}
                self._redis.hset(self._key, what, json.dumps(entry, ensure_ascii=False))
            self._noted[what] = (error, time.monotonic())


def last_errors_of(fields: dict[str, str]) -> tuple[LastError, ...]:
    """From the hash."""
    entries = [(what, json.loads(text)) for what, text in sorted(fields.items())]
    return tuple(LastError(what, one["since"], one["error"]) for what, one in entries)
