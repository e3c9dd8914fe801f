"""Slots of one endpoint of a lane, shared by all processes through Redis."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis import Redis

from worker.ledger.scripts import Scripts
from worker.pacing.spacing import Spacing, Verdict

LATENESS = 0.4  # of a slot: a process that wakes later than this reserves another slot, before its own is given to another process
LOOK_AGAIN = 0.1  # of a slot: how often a process checks that waits for a slot that another process has not settled yet
LEAD = 0.02  # seconds before a slot at which its batch is composed
NEVER = -1.0  # seconds ahead: never true, so that the call reserves no slot
PAUSED_WHILE_UNANSWERED = 0.5  # seconds: how long the request of a dead process may still be on its way


@dataclass(frozen=True, slots=True)
class Reservation:
    id: int
    opens_at: float  # monotonic


class Slots:
    """Permission to send one request at a time. The spacing is learned here; Redis decides when the next slot opens."""

    sharers = 1  # lanes that take turns with it

    def __init__(self, redis: Redis, key: str, slot: float, *, hold: float | None = None) -> None:
        """`hold`: seconds beyond the spacing for which an unsettled reservation keeps the slot closed."""
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._key = key
        self.spacing = Spacing(slot)
        self._me = str(uuid4())
        self._hold = PAUSED_WHILE_UNANSWERED * min(1.0, slot) if hold is None else hold
        self._next_from: float | None = None  # monotonic; the earliest moment of the next request, as settled here

    def opens_in(self) -> float:
        """Seconds until the next slot opens; 0 when it is open."""
        return self._look(held=0.0, ahead=NEVER)[1]

    def reserve(self, *, ahead: float) -> Reservation | float:
        """A slot that opens within `ahead` seconds, or the seconds until the next one opens."""
        number, wait = self._look(self.spacing.delay_after_silence() + self._hold, ahead)
        if not number:
            return wait
        # The server started the wait between our request and its answer; counting it from the answer can only be late. Our own
        # clock is a second limit: the server's may have been set forward. Not where several requests are in flight: a late answer
        # would move a departure to the moment of the next one.
        own_limit = self._next_from if self._hold else None
        return Reservation(number, max(time.monotonic() + wait, own_limit or 0.0))

    def _look(self, held: float, ahead: float) -> tuple[int, float]:
        """(number of the reservation or 0, seconds until the slot opens)."""
        number, wait = self._scripts.get("reserve_slot")(keys=[self._key], args=[_us(held), _us(ahead), self._me])
        return int(number), float(wait) / 1e6

    def take(self, *, ahead: float, early: float = 0.0) -> Reservation | None:
        """Wait for a slot that opens within `ahead` seconds; None: none opens in time. Returns at the moment to send, or
        up to `early` seconds before it, for callers that wait for `opens_at` with a prepared request.

        The slot is reserved only when it is about to open: reserved earlier, it would be delayed by the cautious spacing of a
        request that has not been answered yet.
        """
        deadline = time.monotonic() + ahead
        while True:
            reservation = self.reserve(ahead=LEAD)
            if isinstance(reservation, Reservation):
                time.sleep(max(0.0, reservation.opens_at - early - time.monotonic()))
                if time.monotonic() - reservation.opens_at < LATENESS * self.spacing.slot:
                    return reservation
                self.give_back(reservation)  # the process was delayed: this slot may be over
                reservation = 0.0
            if time.monotonic() + reservation > deadline:
                return None
            time.sleep(max(0.0, min(reservation - LEAD / 2, LOOK_AGAIN * self.spacing.slot)))

    def settle(
        self,
        reservation: Reservation,
        *,
        verdict: Verdict,
        sent_at: float | None = None,
        answered_at: float | None = None,
        round_trip: float | None = None,
        answer: str = "",
    ) -> int:
        """The request is over; set when the next slot opens. Returns the numbers of strikes and of refusals in a row.

        `sent_at` and `answered_at` are monotonic; `round_trip` None means that no answer came. `answer`: one of a few words, for
        counting.
        """
        if sent_at is not None and self._next_from is not None:
            self.spacing.learn_lag(sent_at - self._next_from)
        if verdict == "accepted":
            self.spacing.accepted()
        elif verdict == "rejected":
            self.spacing.rejected()
        if round_trip is not None:
            self.spacing.learn(round_trip)
            delay = self.spacing.delay_after_answer()
        else:
            delay = self.spacing.delay_after_silence()
        now = time.monotonic()
        since = now if answered_at is None else answered_at
        self._next_from = since + delay
        for_all = self.spacing.delay_after_silence()
        return self._settle(reservation, since + for_all - now, verdict, credit=for_all - delay, answer=answer)

    def give_back(self, reservation: Reservation) -> None:
        """Release a slot in which no request was sent."""
        self._settle(reservation, 0.0, "neutral")

    def hold_off(self, reservation: Reservation, seconds: float) -> None:
        """After `settle`: for `seconds` no slot opens, also if one was reserved since, because the remote system must recover."""
        self._settle(reservation, seconds, "neutral", only_later=True)

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
        strikes = {"strike": "strike", "rejected": "strike", "neutral": "keep"}.get(verdict, "reset")
        args: list[str | int] = [
            reservation.id,
            _us(delay),
            strikes,
            "1" if only_later else "",
            _us(credit),
            self._me,
            answer,
        ]
        counts = self._scripts.get("settle_slot")(keys=[self._key], args=args)
        return int(counts[0])


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
