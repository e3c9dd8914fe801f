"""How items of a lane are read: the slots that all readers share, and the sender of one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.catalogue.build import why_paused
from worker.catalogue.queries import QuerySender
from worker.ledger.lane import Lane
from worker.pacing.shared import Pacer
from worker.pacing.slots import Slots
from worker.remote.tokens import TokenSource

SENDERS: Final = 3  # requests at the same time: with one, the way to the remote system and back would set the pace


def read_slot(per_second: float) -> float:
    """Seconds between two departures, answered or not. Each of the senders may have a request that is late and arrives together with those of
    the next second: there is room for them.
    """
    return 1 / max(per_second - SENDERS, per_second / 2)


@dataclass(frozen=True, slots=True)
class LaneReading:
    """What the reads of a lane share. `slot`: seconds, as `read_slot` has them."""

    lane: Lane
    tokens: TokenSource
    pacer: Pacer
    slot: float

    def slots(self, endpoint: str) -> Callable[[], Slots]:
        return lambda: self.pacer.slots(endpoint, self.slot, hold=0.0)

    def sender_of(self, slots: Slots, patience: float) -> QuerySender:
        """The sender of one thread, for its slots and its patience in seconds."""
        return QuerySender(self.tokens, slots, lambda: why_paused(self.lane), patience, on_stopped=lambda _error: None)
