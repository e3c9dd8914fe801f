"""Permission to send one request, good until its first byte."""

import time
from contextlib import suppress

from redis.exceptions import RedisError

from worker.heartbeat import Heartbeat
from worker.pacing.slots import LATENESS, Reservation, Slots

# Seconds before its slot at which the request is prepared: time for the preparation, and for waking up the process.
EARLY = 0.008


class SendPermit:
    """The lane's lease, and a slot that opens within `ahead` seconds. Connecting takes time, so both are checked again after it."""

    def __init__(self, slots: Slots, lease: Heartbeat, *, ahead: float) -> None:
        self._slots = slots
        self._lease = lease
        self._ahead = ahead
        self.reservation: Reservation | None = None

    def take(self) -> bool:
        """Wait until shortly before a slot. False: none opens in time, or the lease is lost."""
        self.reservation = self._slots.take(ahead=self._ahead, early=EARLY)
        if self.reservation is not None and self._lease.lost:
            self.give_back()
        return self.reservation is not None

    def still_holds(self) -> bool:
        """Right before the first byte: wait until the slot opens. An expired slot is exchanged for another, because otherwise a lane
        with slow connections would never send. If Redis does not answer, nothing is sent.
        """
        while self.reservation is not None:
            time.sleep(max(0.0, self.reservation.opens_at - time.monotonic()))
            if self._lease.lost:
                return False
            if time.monotonic() - self.reservation.opens_at < LATENESS * self._slots.spacing.slot:
                return True
            self._exchange()
        return False

    def _exchange(self) -> None:
        self.give_back()
        with suppress(RedisError):
            self.take()

    def give_back(self) -> None:
        """Release an unused slot. If that fails, the slot opens later by itself."""
        reservation, self.reservation = self.reservation, None
        if reservation is not None:
            with suppress(RedisError):
                self._slots.give_back(reservation)
