"""Signs of life of a lane: when something last moved, and what should have moved since. Reads only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.fields import MetricField, SingleField, SlotField
from worker.ledger.keys import LaneKeys
from worker.ledger.last_errors import LastError, last_errors_of
from worker.ledger.routes import BATCH
from worker.ledger.stall import SendState


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """Ages and overdue times in seconds by the ledger's clock; None: there is nothing to tell an age of."""

    send_state: SendState
    strikes: int  # failures in a row
    lease_over: float | None  # since a lease expired without a successor
    job_overdue: float | None  # of the open job that should have been asked for first
    check_overdue: float | None  # of the batch that should have been read back first
    outbox_overdue: float | None  # of the ended intent whose publication is due first
    swept: float | None  # since the last sweep
    open_jobs: int
    unpublished: int  # ended intents
    has_work: bool  # changes are ready, or a batch waits to be sent again
    pause: Mapping[str, Any] | None  # as `Lane.paused` tells it
    last_errors: tuple[
        tuple[LastError, float], ...
    ] = ()  # where the latest call of the remote system failed; for how long

    singles_idle: float | None = (
        None  # since changes wait for single updates without one being sent; None: none wait, or the route is off
    )

    @property
    def backing_off(self) -> float:
        """Seconds until the next submit slot may be taken."""
        return max(0.0, (self.send_state.opens_at or 0.0) - self.send_state.now)


def read_lane_health(redis: Redis, keys: LaneKeys) -> LaneHealth:
    """One round trip, which costs the same however much waits."""
    client: Any = redis
    route = keys.route(BATCH)
    pipe = client.pipeline(transaction=False)
    pipe.time().hmget(keys.clock, CLOCK_FIELDS).hmget(route.slot, SlotField.NEXT, SlotField.ASKED, SlotField.STRIKES)
    pipe.hget(route.lease, "until").hmget(keys.metrics, MetricField.RESUMED, MetricField.ROOM, MetricField.FULL)
    for zset in (route.since, keys.due, keys.jobs, keys.checks, keys.outbox):
        pipe.zrange(zset, 0, 0, withscores=True).zcard(zset)
    singles = keys.singles
    for zset in (singles.checks, singles.small, singles.fresh, singles.since, singles.due):
        pipe.zrange(zset, 0, 0, withscores=True)
    pipe.hmget(singles.state, SingleField.RATE, SingleField.OFF_UNTIL_MS).hmget(
        singles.slot, SlotField.NEXT, SlotField.ASKED
    )
    pipe.get(keys.pause).get(keys.swept_at).hgetall(keys.trouble)
    time, clock, (next_at, asked, strikes), lease, (resumed, room, full), *lists, pause, swept, trouble = pipe.execute()
    since, ready, due, resends, jobs, open_jobs, checks, unknown, outbox, unpublished, *of_singles = lists
    single_checks, *waiting = of_singles
    now, wall = read_clock(time, clock)
    paused = json.loads(pause) if pause else None
    return LaneHealth(
        send_state=SendState(
            now=now,
            is_paused=paused is not None,
            resumed_at=_seconds(resumed),
            ready_since=_first(since),
            due_at=_first(due),
            unfinished=resends + open_jobs + unknown,
            room_since=_seconds(room) if full else None,
            asked_at=_seconds(asked, 1e6),
            lease_until=_seconds(lease),
            opens_at=_seconds(next_at, 1e6),
        ),
        strikes=int(strikes or 0),
        lease_over=max(0.0, now - int(lease) / 1000) if lease else None,
        job_overdue=_overdue(now, jobs),
        check_overdue=_overdue(now, min(filter(None, (checks, single_checks)), key=lambda one: one[0][1], default=[])),
        singles_idle=None if paused else _singles_idle(now, *waiting),
        outbox_overdue=_overdue(now, outbox),
        swept=max(0.0, now - float(swept)) if swept else None,
        open_jobs=open_jobs,
        unpublished=unpublished,
        has_work=bool(ready or resends),
        pause=paused,
        last_errors=tuple((one, max(0.0, wall - one.since)) for one in last_errors_of(trouble)),
    )


def _singles_idle(
    now: float,
    small: list[tuple[str, float]],
    fresh: list[tuple[str, float]],
    since: list[tuple[str, float]],
    due: list[tuple[str, float]],
    state: list[str | None],
    slot: list[str | None],
) -> float | None:
    """Groups whose items are all in batches are put off each time that a worker looks at them: they are not idle."""
    rate, off_until = state
    waiting = _first(since) if small else _first(fresh)
    first = min(filter(None, (waiting, _first(due))), default=None)
    if first is None or not int(rate or 0) or (_seconds(off_until) or 0.0) > now:
        return None
    last = max(first, *(_seconds(one, 1e6) or 0.0 for one in slot))
    return max(0.0, now - last)


def _seconds(text: str | None, units: float = 1e3) -> float | None:
    return int(text) / units if text else None


def _first(entries: list[tuple[str, float]]) -> float | None:
    return entries[0][1] / 1000 if entries else None


def _overdue(now: float, entries: list[tuple[str, float]]) -> float | None:
    first = _first(entries)
    return None if first is None else max(0.0, now - first)
