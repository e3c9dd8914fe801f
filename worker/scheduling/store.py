"""The records of scheduled entries, in Redis. docs/ledger.md has the keys."""

from collections.abc import Sequence
from typing import Any, Final

from redis import Redis
from redis.lock import Lock

from feishu_batch.results import IntentState, view_of_record
from worker.ledger.keys import ScheduleKeys
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.scripts import Scripts
from worker.scheduling.spool import RowSpool

DAY: Final = 86_400
KEPT: Final = 400 * DAY  # seconds: longer than the interval of a yearly entry
INTENTS_KEPT: Final = 30 * DAY  # a run that takes longer counts as ended
HOLD: Final = 15.0  # seconds without a renewal after which a run counts as abandoned by its worker


class Schedules:
    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._keys = ScheduleKeys(prefix)
        self._scripts = Scripts(redis)
        self._reads = LedgerReads(redis, prefix)

    def read(self, names: Sequence[str]) -> dict[str, str]:
        """The existing records, as JSON."""
        texts = self._redis.mget([self._keys.record(name) for name in names]) if names else []
        return {name: text for name, text in zip(names, texts, strict=True) if text}

    def replace(self, name: str, before: str | None, after: str, *, has_enqueued: bool = False) -> bool:
        """Whether the record was still `before`, so that it was replaced. `has_enqueued`: the rows of the newest run are no longer needed."""
        script = self._scripts.get("replace_schedule")
        keys = [self._keys.record(name), self._keys.rows(name)]
        return bool(script(keys=keys, args=[before or "", after, KEPT * 1000, int(has_enqueued)]))

    def hold(self, name: str) -> Lock:
        """The lock of the process that executes the entry's run; not yet acquired."""
        lock: Lock = self._redis.lock(self._keys.running(name), timeout=HOLD, thread_local=False)
        return lock

    def is_held(self, name: str) -> bool:
        key = self._keys.running(name)
        left = int(self._redis.pttl(key))  # milliseconds; negative: the lock is free
        if (
            left > HOLD * 1000
        ):  # the server's clock was set back: the lock of a dead worker would last longer by that time
            self._redis.pexpire(key, round(HOLD * 1000))
        return left > 0

    def spool(self, name: str, due: float) -> RowSpool:
        """Of the run that stands for this moment."""
        return RowSpool(self._redis, self._keys.rows(name), f"{due:.3f}")

    # --- the intents of the newest run ----------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        self._redis.delete(self._keys.intents(name))

    def add(self, name: str, intent_ids: Sequence[str]) -> None:
        if not intent_ids:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.rpush(self._keys.intents(name), *intent_ids).expire(self._keys.intents(name), INTENTS_KEPT)
        pipe.execute()

    def intents(self, name: str, first: int, count: int) -> list[str]:
        found: list[str] = self._redis.lrange(self._keys.intents(name), first, first + count - 1)
        return found

    def digests(self, intent_ids: Sequence[str]) -> list[str | None]:
        """For each id: the digest of its content, or None if it is not in use."""
        return [entry.digest if entry else None for entry in self._reads.entries(intent_ids)]

    def ended(self, intent_ids: Sequence[str]) -> list[bool]:
        """For each intent, from the first: whether all its items succeeded; up to the first that has not ended."""
        entries = self._reads.entries(intent_ids)
        places = [self._reads.place(entry) if entry else None for entry in entries]
        known = [place for place in places if place]
        records = dict(zip(known, self._reads.counts(known), strict=True))
        found: list[bool] = []
        for intent_id, entry, place in zip(intent_ids, entries, places, strict=True):
            record = records.get(place) if place else None
            if entry is not None and place is None:
                break  # in the inbox
            if place is None or not record:
                found.append(True)  # it ended so long ago that its record has expired
                continue
            state = view_of_record(intent_id, place, record, {}).state
            if not state.is_final:
                break
            found.append(state is IntentState.SUCCEEDED)
        return found
