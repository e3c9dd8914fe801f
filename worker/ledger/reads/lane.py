"""What can be read of a lane. Each method is one or two round trips and changes nothing."""

import json
from collections.abc import Sequence
from typing import Any, cast

from redis import Redis

from feishu_batch.keys import RecordField, SetField
from worker.ledger.clock import CLOCK_FIELDS, read_clock, to_ms
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.canceled import CanceledCells
from worker.ledger.records import Batch, Cell, LaneCounts
from worker.ledger.routes import BATCH


class LaneReads:
    def __init__(self, redis: Redis, prefix: str, name: str) -> None:
        self._redis: Any = redis
        self.name = name
        self.keys = LaneKeys(prefix, name)

    @property
    def prefix(self) -> str:
        """The scripts' first key."""
        return self.keys.head

    def holds(self, number: int) -> bool:
        """Whether the intent is recorded here, perhaps only in part."""
        return bool(self._redis.exists(self.keys.intent(number)))

    def durations(self, size_class: int) -> list[float]:
        """Seconds that recent jobs of this size took, newest first."""
        return [float(value) for value in self._redis.lrange(self.keys.durations(size_class), 0, -1)]

    def has_unpublished(self) -> bool:
        return bool(self._redis.zcount(self.keys.outbox, "-inf", to_ms(self.now())))

    def first_due_read_back(self) -> tuple[str, float] | None:
        """(batch, since when it is due, in ms) of the one that is due longest; picked, it is due later."""
        found = self._redis.zrange(
            self.keys.checks, "-inf", to_ms(self.now()), byscore=True, offset=0, num=1, withscores=True
        )
        return found[0] if found else None

    def next_look_in(self) -> float | None:
        """Seconds until cells are to be looked at; None: there are none, or the lane is paused."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self.keys.pause).exists(self.keys.looks).zrange(self.keys.look_claims, 0, 0, withscores=True)
        is_paused, waiting, claims = pipe.execute()
        if is_paused or not (waiting or claims):
            return None
        return 0.0 if waiting else max(0.0, claims[0][1] / 1000 - self.now())

    def forgettable(self, list_name: str, older_than: float, limit: int) -> list[tuple[int, str | None]]:
        """(number, intent id) of ended intents in `list_name` (succeeded | failed) older than so many seconds."""
        until = self.wall() - older_than
        numbers = self._redis.zrange(
            self.keys.ended(list_name), "-inf", to_ms(until), byscore=True, offset=0, num=limit
        )
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.keys.intent(number), RecordField.INTENT_ID)
        return [(int(number), intent_id) for number, intent_id in zip(numbers, pipe.execute(), strict=True)]

    def sets_of(self, numbers: Sequence[int]) -> dict[int, str]:
        """The change sets' ids of these intents, of those that have one."""
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.keys.intent(number), RecordField.CHANGE_SET)
        found = {number: own for number, own in zip(numbers, pipe.execute(), strict=True) if own is not None}
        names = {own: self._redis.hget(self.keys.set(own), SetField.NAME) for own in set(found.values())}
        return {number: names[own] for number, own in found.items() if names[own] is not None}

    def canceled_cells(self, batch: Batch) -> tuple[Cell, ...]:
        """Cells of the batch whose change was canceled since it was composed."""
        return CanceledCells(self._redis, self.keys).of(batch)

    def paused(self) -> dict[str, Any] | None:
        text = self._redis.get(self.keys.pause)
        return cast("dict[str, Any]", json.loads(text)) if text else None

    def counts(self) -> LaneCounts:
        pipe = self._redis.pipeline(transaction=False)
        keys, route, singles = self.keys, self.keys.route(BATCH), self.keys.singles
        for zset in (route.full, route.part, keys.jobs, keys.due, keys.checks, keys.outbox):
            pipe.zcard(zset)
        pipe.zcard(singles.due).zcard(singles.checks)
        pipe.hlen(singles.sizes).hlen(singles.flight)
        pipe.hlen(self.keys.cells)
        pipe.exists(route.lease)
        full, part, jobs, due, checks, outbox, single_due, single_checks, groups, flight, cells, lease = pipe.execute()
        return LaneCounts(
            ready_groups=full + part + groups,
            owned_cells=cells,
            open_jobs=jobs,
            due_batches=due + single_due,
            checks=checks + single_checks,
            sending=bool(lease) or bool(flight),
            unpublished=outbox,
            single_groups=groups + flight + single_due,
            single_checks=single_checks,
        )

    def has_ready(self) -> bool:
        return bool(self._redis.exists(self.keys.route(BATCH).full, self.keys.route(BATCH).part))

    def has_due(self) -> bool:
        """Whether a batch waits to be sent again soon."""
        return bool(self._redis.zcount(self.keys.due, "-inf", to_ms(self.now() + 1.0)))

    def now(self) -> float:
        """The ledger's clock, unix seconds: for what is due, lasts or has waited (lua/_clock.lua)."""
        return self._clocks()[0]

    def wall(self) -> float:
        """The Redis clock, unix seconds: for moments that came from outside, or that people look at."""
        return self._clocks()[1]

    def _clocks(self) -> tuple[float, float]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().hmget(self.keys.clock, CLOCK_FIELDS)
        return read_clock(*pipe.execute())
