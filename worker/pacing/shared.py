"""Slots that several lanes of one plugin share: the remote system counts their requests together."""

from typing import Self

from redis import Redis

from worker.ledger.lane import Lane
from worker.pacing.slots import Reservation, Slots
from worker.pacing.spacing import Verdict


class SharedSlots(Slots):
    """Paced by the key that all of them use; what this lane did stands under its own key too, for whoever looks at the lane.

    Two keys of two lanes: no script may touch both, so the lane's own is written after the step, and decides nothing.
    """

    def __init__(
        self, redis: Redis, key: str, own_key: str, slot: float, *, sharers: int, hold: float | None = None
    ) -> None:
        super().__init__(redis, key, slot, hold=hold)
        self._own_key = own_key
        self.sharers = sharers

    def reserve(self, *, ahead: float) -> Reservation | float:
        told = super().reserve(ahead=ahead)
        if isinstance(told, Reservation):
            self._redis.hincrby(self._own_key, "id", 1)
        return told

    def _settle(
        self,
        reservation: Reservation,
        delay: float,
        verdict: Verdict,
        *,
        only_later: bool = False,
        credit: float = 0.0,
        answer: str = "",
    ) -> int:
        strikes = super()._settle(reservation, delay, verdict, only_later=only_later, credit=credit, answer="")
        next_at, at = self._redis.hmget(self._key, "next", "at")
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(self._own_key, mapping={"next": next_at or 0, "at": at or 0, "strikes": strikes})
        if answer:
            pipe.hincrby(self._own_key, f"answer:{answer}", 1).hset(self._own_key, "asked", at or 0)
        pipe.execute()
        return strikes


class Pacer:
    """Makes the slots of a lane. `sharing`: the names of all lanes of its plugin, as `Lanes.sharing` gives them."""

    def __init__(self, redis: Redis, lane: Lane, sharing: tuple[str, ...], key_prefix: str) -> None:
        self._redis = redis
        self._lane = lane
        self._sharers = len(sharing)
        self._first = Lane(redis, key_prefix, sharing[0]) if len(sharing) > 1 else None

    @classmethod
    def of_one(cls, redis: Redis, lane: Lane) -> Self:
        """Of a lane that has its plugin to itself."""
        return cls(redis, lane, (lane.name,), "")

    @property
    def token_prefix(self) -> str:
        """Before the names of the keys of the token."""
        return (self._first or self._lane).prefix

    def slots(self, endpoint: str, slot: float, *, hold: float | None = None) -> Slots:
        own = self._lane.key(f"slot:{endpoint}")
        if self._first is None:
            return Slots(self._redis, own, slot, hold=hold)
        key = self._first.key(f"shared-slot:{endpoint}")
        return SharedSlots(self._redis, key, own, slot, sharers=self._sharers, hold=hold)
