"""Slots that several lanes of one plugin share, because the remote system counts their requests together."""

from typing import Self

from redis import Redis

from worker.ledger.fields import SlotField
from worker.ledger.keys import LaneKeys
from worker.ledger.lane import Lane
from worker.pacing.slots import Reservation, Slots
from worker.pacing.spacing import Verdict


class SharedSlots(Slots):
    """Paced by a shared key; this lane's own requests are also recorded under its own key, for views of the lane.

    The keys belong to two hash tags, so no script may use both: the lane's own key is written afterwards, and never read for decisions.
    """

    def __init__(
        self, redis: Redis, key: str, own_key: str, slot: float, *, sharers: int, hold: float | None = None
    ) -> None:
        super().__init__(redis, key, slot, hold=hold)
        self._own_key = own_key
        self.sharers = sharers

    def reserve(self, *, ahead: float) -> Reservation | float:
        reserved = super().reserve(ahead=ahead)
        if isinstance(reserved, Reservation):
            self._redis.hincrby(self._own_key, SlotField.ID, 1)
        return reserved

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
        next_at, at = self._redis.hmget(self._key, SlotField.NEXT, SlotField.AT)
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(
            self._own_key, mapping={SlotField.NEXT: next_at or 0, SlotField.AT: at or 0, SlotField.STRIKES: strikes}
        )
        if answer:
            pipe.hincrby(self._own_key, f"answer:{answer}", 1).hset(self._own_key, SlotField.ASKED, at or 0)
        pipe.execute()
        return strikes


class Pacer:
    """Creates the slots of a lane. `sharing`: the names of all lanes of its plugin, from `Lanes.sharing`."""

    def __init__(self, redis: Redis, lane: Lane, sharing: tuple[str, ...], key_prefix: str) -> None:
        self._redis = redis
        self._lane = lane
        self._sharers = len(sharing)
        self._first = Lane(redis, key_prefix, sharing[0]) if len(sharing) > 1 else None

    @classmethod
    def of_one(cls, redis: Redis, lane: Lane) -> Self:
        """For a lane that shares its plugin with no other lane."""
        return cls(redis, lane, (lane.name,), "")

    @property
    def token_keys(self) -> LaneKeys:
        """Of the lane under which the token is kept."""
        return (self._first or self._lane).keys

    def slots(self, endpoint: str, slot: float, *, hold: float | None = None) -> Slots:
        own = self._lane.keys.slot(endpoint)
        if self._first is None:
            return Slots(self._redis, own, slot, hold=hold)
        key = self._first.keys.shared_slot(endpoint)
        return SharedSlots(self._redis, key, own, slot, sharers=self._sharers, hold=hold)
