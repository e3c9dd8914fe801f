"""The last error of the remote system, for whoever looks at a lane: written when it changes, gone when a call succeeds."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

DOING = {"submit": "sending", "poll": "asking for jobs"}  # what is called when, for people
AGAIN = 60.0  # seconds: another process may have written meanwhile, which this one cannot know


@dataclass(frozen=True, slots=True)
class Trouble:
    what: str  # "submit" or "poll"
    since: float  # unix seconds, by the Redis clock
    error: str

    def is_tried_again(self, pause: Mapping[str, Any] | None) -> bool:
        """`pause`: as `Lane.paused` tells it. A paused lane sends nothing; it may go on asking for jobs."""
        return pause is None or (self.what == "poll" and bool(pause.get("polling")))

    def in_words(self, pause: Mapping[str, Any] | None = None) -> str:
        then = "fails, and is tried again" if self.is_tried_again(pause) else "failed, and is not tried while paused"
        return f"{DOING[self.what]} {then}: {self.error}"


class Troubles:
    def __init__(self, redis: Redis, key: str) -> None:
        self._redis: Any = redis
        self._key = key
        self._noted: dict[str, tuple[str | None, float]] = {}  # what was noted last, and when (monotonic)

    def none(self) -> bool:
        """Whether the latest calls went well."""
        return not self._redis.exists(self._key)

    def note(self, what: str, error: str | None) -> None:
        """How the latest call went; None: well. Costs nothing while that stays the same, and never raises."""
        before, noted_at = self._noted.get(what, ("", 0.0))
        if error == before and (error is not None or time.monotonic() - noted_at < AGAIN):
            return
        with suppress(RedisError):
            if error is None:
                self._redis.hdel(self._key, what)
            else:
                seconds, micros = self._redis.time()
                told = {"since": round(seconds + micros / 1e6, 3), "error": error}
                self._redis.hset(self._key, what, json.dumps(told, ensure_ascii=False))
            self._noted[what] = (error, time.monotonic())


def troubles_of(fields: dict[str, str]) -> tuple[Trouble, ...]:
    """From the hash as it is read."""
    told = [(what, json.loads(text)) for what, text in sorted(fields.items())]
    return tuple(Trouble(what, one["since"], one["error"]) for what, one in told)
