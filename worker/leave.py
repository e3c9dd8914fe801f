"""Leave to send one request, good until its first byte."""

import time
from contextlib import suppress

from redis.exceptions import RedisError

from worker.heartbeat import Heartbeat
from worker.pacing.slots import LATENESS, Reservation, Slots


class Leave:
    """The lane's lease, and a slot that opens within `ahead` seconds. Connecting takes its time: both are looked at again after it."""

    def __init__(self, slots: Slots, lease: Heartbeat, *, ahead: float) -> None:
        self._slots = slots
        self._lease = lease
        self._ahead = ahead
        self.reservation: Reservation | None = None

    def take(self) -> bool:
        """Wait for a slot. False: none opens in time, or the lease is lost."""
        self.reservation = self._slots.take(ahead=self._ahead)
        if self.reservation is not None and self._lease.lost:
            self.give_back()
        return self.reservation is not None

    def still_holds(self) -> bool:
        """Right before the first byte. A slot that is over by then is changed for another one, else a lane whose connections
        are slow to come about would never send. Where Redis cannot be asked nothing is sent.
        """
        if self._lease.lost or self.reservation is None:
            return False
        if time.monotonic() - self.reservation.opens_at < LATENESS * self._slots.spacing.slot:
            return True
        try:
            self.give_back()
            return self.take()
        except RedisError:
            return False

    def give_back(self) -> None:
        """Nothing was sent with it. A slot that cannot be given back opens by itself, later."""
        reservation, self.reservation = self.reservation, None
        if reservation is not None:
            with suppress(RedisError):
                self._slots.give_back(reservation)
