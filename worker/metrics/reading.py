"""The state of a lane in the ledger at one moment: one pipeline per lane, whose cost does not grow with the backlog."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys
from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.fields import MetricField, SlotField
from worker.ledger.keys import LaneKeys
from worker.ledger.routes import BATCH, SINGLE
from worker.ledger.stall import SendState

SLOTS = (BATCH.endpoint, "poll", SINGLE.endpoint)  # endpoints
OVERDUE = ("jobs", "checks", "outbox")
_OF_ROUTE = {"full", "part", "since"}
_COUNTED = ("full", "part", "jobs", "checks", "due", "outbox", "open-intents")
_FIRST = ("since", "open-intents", "due", *OVERDUE)


@dataclass(frozen=True, slots=True)
class LaneState:
    """Times are unix seconds by the ledger's clock; `wall` by Redis's, by which open intents were enqueued. `sizes` and `first` (lowest score, in seconds) are those of sorted sets."""

    now: float
    wall: float
    slot: float  # seconds, of the settings
    max_open: int  # of the settings
    counted: Mapping[str, str]  # the hash of metrics
    slots: Mapping[str, Mapping[str, str]]  # endpoint → the slot's hash
    sizes: Mapping[str, int]
    first: Mapping[str, float | None]
    single_groups: int
    owned_cells: int
    is_sending: bool
    is_paused: bool
    swept_at: float | None
    lease_until: float | None

    def figure(self, field: str) -> int:
        return int(self.counted.get(field) or 0)

    def moment(self, field: str) -> float | None:
        milliseconds = self.counted.get(field)
        return int(milliseconds) / 1000 if milliseconds else None

    def age(self, name: str) -> float:
        """Age of the first entry of a sorted set; 0 if there is none, or if its time is in the future."""
        first = self.first[name]
        now = self.wall if name == "open-intents" else self.now
        return 0.0 if first is None else max(0.0, now - first)

    @property
    def ready_groups(self) -> int:
        return self.sizes["full"] + self.sizes["part"]

    @property
    def unfinished(self) -> int:
        """The number of batches that FEISHU_BATCH_MAX_OPEN_JOBS limits."""
        return self.sizes["jobs"] + self.sizes["checks"] + self.sizes["due"]

    def idle_now(self) -> float:
        """Seconds, beyond the slot, for which a request could have been sent; claim.lua counts them at the next send."""
        if self.is_paused:
            return 0.0
        possible = [at for at in (self._due_since(), self._ready_since()) if at is not None]
        if not possible:
            return 0.0
        since = max(min(possible), self.moment("handed") or 0.0, self.moment(MetricField.RESUMED) or 0.0)
        return max(0.0, self.now - since - self.slot)

    def stalled_for(self) -> float:
        """Seconds for which no request was sent although one could have been; `doctor` and `health` use it."""
        slot = self.slots[BATCH.endpoint]
        seen = SendState(
            now=self.now,
            is_paused=self.is_paused,
            resumed_at=self.moment(MetricField.RESUMED),
            ready_since=self.first["since"],
            due_at=self.first["due"],
            unfinished=self.unfinished,
            room_since=self.moment(MetricField.ROOM) if self.counted.get(MetricField.FULL) else None,
            asked_at=_float(slot.get(SlotField.ASKED), 1e6),
            lease_until=self.lease_until,
            opens_at=_float(slot.get(SlotField.NEXT), 1e6),
        )
        return seen.idle_for(self.slot, self.max_open)

    def _due_since(self) -> float | None:
        due = self.first["due"]
        return due if due is not None and due <= self.now else None

    def _ready_since(self) -> float | None:
        since, room = self.moment("work"), self.moment(MetricField.ROOM)
        if since is None or not self.ready_groups or self.unfinished >= self.max_open:
            return None
        if not self.counted.get(MetricField.FULL):
            return since
        return max(since, room) if room is not None else None


@dataclass(frozen=True, slots=True)
class InboxState:
    intents: int
    oldest_age: float  # seconds; 0 when there are none


def read_lane(redis: Redis, prefix: str, lane: str, *, slot: float, max_open: int) -> LaneState:
    keys = LaneKeys(prefix, lane)
    client: Any = redis
    pipe = client.pipeline(transaction=False)
    pipe.time().hmget(keys.clock, CLOCK_FIELDS).hgetall(keys.metrics)
    for endpoint in SLOTS:
        pipe.hgetall(keys.slot(endpoint))
    for name in _COUNTED:
        pipe.zcard(_key(keys, name))
    for name in _FIRST:
        pipe.zrange(_key(keys, name), 0, 0, withscores=True)
    pipe.hlen(keys.singles.sizes)
    pipe.hlen(keys.cells).hget(keys.route(BATCH).lease, "until").exists(keys.pause).get(keys.swept_at)
    answers = iter(pipe.execute())
    now, wall = read_clock(next(answers), next(answers))
    return LaneState(
        now=now,
        wall=wall,
        slot=slot,
        max_open=max_open,
        counted=next(answers),
        slots={endpoint: next(answers) for endpoint in SLOTS},
        sizes={name: next(answers) for name in _COUNTED},
        first={name: _score(next(answers)) for name in _FIRST},
        single_groups=next(answers),
        owned_cells=next(answers),
        lease_until=_float(lease := next(answers), 1000),
        is_sending=lease is not None,
        is_paused=bool(next(answers)),
        swept_at=None if (swept := _float(next(answers))) is None else swept - (now - wall),
    )


def _key(keys: LaneKeys, name: str) -> str:
    return str(getattr(keys.route(BATCH), name)) if name in _OF_ROUTE else keys.named(name)


def read_inbox(redis: Redis, prefix: str) -> InboxState:
    client: Any = redis
    inbox = InboxKeys(prefix).inbox
    pipe = client.pipeline(transaction=False)
    pipe.xlen(inbox).xrange(inbox, count=1).time()
    length, first, (seconds, micros) = pipe.execute()
    enqueued_at = str(first[0][1].get("t", "")) if first else ""
    known = enqueued_at.isascii() and enqueued_at.isdigit()  # another program may have written the entry
    age = seconds + micros / 1e6 - int(enqueued_at) / 1000 if known else 0.0
    return InboxState(length, max(0.0, age))


def _score(first: list[tuple[str, float]]) -> float | None:
    return first[0][1] / 1000 if first else None


def _float(text: str | None, units: float = 1) -> float | None:
    return float(text) / units if text else None
