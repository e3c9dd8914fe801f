"""What is remembered of scheduled entries, in Redis. docs/ledger.md has the keys."""

from collections.abc import Sequence
from typing import Any, Final

from redis import Redis
from redis.lock import Lock

from feishu_batch.results import IntentState, view_of_record
from worker.ledger.reading import Reading
from worker.ledger.scripts import Scripts

DAY: Final = 86_400
KEPT: Final = 400 * DAY  # seconds: longer than a yearly entry rests
INTENTS_KEPT: Final = 30 * DAY  # a run that takes longer counts as ended
HOLD: Final = 15.0  # seconds without a sign of life after which a run has lost its worker


class Schedules:
    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = f"{prefix}:{{front}}:schedule"
        self._scripts = Scripts(redis)
        self._reading = Reading(redis, prefix)

    def read(self, names: Sequence[str]) -> dict[str, str]:
        """The records that there are, as JSON."""
        texts = self._redis.mget([self._record(name) for name in names]) if names else []
        return {name: text for name, text in zip(names, texts, strict=True) if text}

    def replace(self, name: str, before: str | None, after: str) -> bool:
        """Whether it was still as before."""
        script = self._scripts.get("replace_schedule")
        return bool(script(keys=[self._record(name)], args=[before or "", after, KEPT * 1000]))

    def hold(self, name: str) -> Lock:
        """Who carries the entry's run out holds this lock; not yet acquired."""
        lock: Lock = self._redis.lock(f"{self._prefix}:running:{name}", timeout=HOLD, thread_local=False)
        return lock

    def is_held(self, name: str) -> bool:
        key = f"{self._prefix}:running:{name}"
        left = int(self._redis.pttl(key))  # milliseconds; negative: nobody holds it
        if (
            left > HOLD * 1000
        ):  # the server's clock was set back: the lock of a worker that died would hold for as much longer
            self._redis.pexpire(key, round(HOLD * 1000))
        return left > 0

    # --- the intents of the newest run ----------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        self._redis.delete(self._intents(name))

    def add(self, name: str, intent_ids: Sequence[str]) -> None:
        if not intent_ids:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.rpush(self._intents(name), *intent_ids).expire(self._intents(name), INTENTS_KEPT)
        pipe.execute()

    def intents(self, name: str, first: int, count: int) -> list[str]:
        found: list[str] = self._redis.lrange(self._intents(name), first, first + count - 1)
        return found

    def digests(self, intent_ids: Sequence[str]) -> list[str | None]:
        """Of each id that is taken the digest of its content."""
        return [entry.digest if entry else None for entry in self._reading.entries(intent_ids)]

    def ended(self, intent_ids: Sequence[str]) -> list[bool]:
        """Of each, from the first, whether all its items succeeded; up to the first that has not ended."""
        entries = self._reading.entries(intent_ids)
        places = [self._reading.place(entry) if entry else None for entry in entries]
        known = [place for place in places if place]
        records = dict(zip(known, self._reading.counts(known), strict=True))
        found: list[bool] = []
        for intent_id, entry, place in zip(intent_ids, entries, places, strict=True):
            record = records.get(place) if place else None
            if entry is not None and place is None:
                break  # in the inbox
            if place is None or not record:
                found.append(True)  # it ended so long ago that it was forgotten
                continue
            state = view_of_record(intent_id, place, record, {}).state
            if not state.is_final:
                break
            found.append(state is IntentState.SUCCEEDED)
        return found

    def _record(self, name: str) -> str:
        return f"{self._prefix}:record:{name}"

    def _intents(self, name: str) -> str:
        return f"{self._prefix}:intents:{name}"
