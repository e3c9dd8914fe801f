"""Signs of life of a lane: when something last moved, and what should have moved since. Reads only."""

from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.trouble import Trouble, troubles_of


@dataclass(frozen=True, slots=True)
class Vitals:
    """Ages and overdue times in seconds by the ledger's clock; None: there is nothing to tell an age of."""

    sent: float | None  # since the last submit slot was taken or given back
    backing_off: float  # until the next submit slot may be taken
    strikes: int  # failures in a row
    lease_over: float | None  # since a lease ran out that nobody has taken over
    job_overdue: float | None  # of the open job that should have been asked for first
    check_overdue: float | None  # of the batch that should have been read back first
    outbox_overdue: float | None  # of the ended intent that should have been made known first
    swept: float | None  # since the last sweep
    troubles: tuple[tuple[Trouble, float], ...] = ()  # where the latest call of the remote system failed; for how long


def vitals(redis: Redis, prefix: str) -> Vitals:
    """`prefix`: the lane's."""
    client: Any = redis
    pipe = client.pipeline(transaction=False)
    pipe.time().hmget(f"{prefix}clock", CLOCK_FIELDS).hmget(f"{prefix}slot:submit", "next", "at", "strikes").hget(
        f"{prefix}lease", "until"
    )
    for zset in ("jobs", "checks", "outbox"):
        pipe.zrange(f"{prefix}{zset}", 0, 0, withscores=True)
    pipe.get(f"{prefix}swept-at").hgetall(f"{prefix}trouble")
    time, clock, (next_at, at, strikes), lease, jobs, checks, outbox, swept, trouble = pipe.execute()
    now, wall = read_clock(time, clock)
    return Vitals(
        sent=now - int(at) / 1e6 if at else None,
        backing_off=max(0.0, int(next_at) / 1e6 - now) if next_at else 0.0,
        strikes=int(strikes or 0),
        lease_over=max(0.0, now - int(lease) / 1000) if lease else None,
        job_overdue=_overdue(now, jobs),
        check_overdue=_overdue(now, checks),
        outbox_overdue=_overdue(now, outbox),
        swept=max(0.0, now - float(swept)) if swept else None,
        troubles=tuple((one, max(0.0, wall - one.since)) for one in troubles_of(trouble)),
    )


def _overdue(now: float, first: list[tuple[str, float]]) -> float | None:
    return max(0.0, now - first[0][1] / 1000) if first else None
