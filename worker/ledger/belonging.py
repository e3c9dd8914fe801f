"""Which remote system and plugin each lane of a ledger works for, as the ledger itself remembers it.

Workers with other settings on the same ledger would send what waits there to another remote system.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from redis import Redis

from feishu_batch.keys import InboxKeys
from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.keys import LaneKeys
from worker.ledger.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Remote:
    host: str  # with its port
    plugin: str  # a hash of host and plugin

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(*text.split(" ")[:2])

    def __str__(self) -> str:
        return f"{self.host} {self.plugin}"


@dataclass(frozen=True, slots=True)
class LaneSigns:
    """What the ledger says of a lane."""

    noted: str  # as it stands there, '' for nothing: `<host> <plugin> <unix seconds since which>`
    noted_ago: float | None  # seconds
    swept: str  # the moment of the last sweep, as it stands there: it moves while workers serve the lane
    swept_ago: float | None  # seconds
    open_intents: int

    @property
    def remote(self) -> Remote | None:
        return Remote.parse(self.noted) if self.noted else None


@dataclass(frozen=True, slots=True)
class Signs:
    now: float  # unix seconds, by the server's clock
    inbox: int  # intents of which no lane is known yet
    lanes: Mapping[str, LaneSigns]  # those asked for, and those noted


class Belonging:
    """Of one ledger."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix
        self._keys = InboxKeys(prefix)
        self._scripts = Scripts(redis)

    def name(self) -> str:
        """The ledger's own, at random, given when it was first used."""
        self._redis.set(self._keys.name, uuid4().hex, nx=True)
        return str(self._redis.get(self._keys.name))

    def look(self, lanes: Iterable[str]) -> Signs:
        """Two round trips."""
        noted: dict[str, str] = self._redis.hgetall(self._keys.remotes)
        names = list(dict.fromkeys([*lanes, *noted]))
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().xlen(self._keys.inbox)
        for lane in names:
            keys = LaneKeys(self._prefix, lane)
            pipe.hmget(keys.clock, CLOCK_FIELDS).get(keys.swept_at).zcard(keys.open_intents)
        time, inbox, *rest = pipe.execute()
        signs = {}
        for lane, clock, swept, count in zip(names, rest[::3], rest[1::3], rest[2::3], strict=True):
            now, wall = read_clock(time, clock)
            since = noted.get(lane, "").split(" ")[2:]
            signs[lane] = LaneSigns(
                noted=noted.get(lane, ""),
                noted_ago=max(0.0, wall - float(since[0])) if since else None,
                swept=swept or "",
                swept_ago=max(0.0, now - float(swept)) if swept else None,
                open_intents=count,
            )
        return Signs(read_clock(time, (None, None))[0], inbox, signs)

    def note(self, remotes: Mapping[str, Remote], seen: Signs) -> bool:
        """Of each lane its remote system, where another one or none is noted. False: another process noted one since `seen`."""
        triples: list[str] = []
        for lane, remote in remotes.items():
            if seen.lanes[lane].remote != remote:
                triples += (lane, seen.lanes[lane].noted, f"{remote} {seen.now:.0f}")
        return not triples or bool(self._scripts.get("claim_lanes")(keys=[self._keys.remotes], args=triples))
