"""Whether a lane sends when it can: one decision for `doctor`, `health`, the page and the metrics. Pure."""

from dataclasses import dataclass

# A successor takes over from a dead sender within about 10 s (docs/reliability.md), and a lane has more than one slot.
LONGEST_PAUSE = 20.0  # seconds
SLOTS = 10
LONGEST_BACK_OFF = 3600.0  # seconds; a slot that is further away is an error


@dataclass(frozen=True, slots=True)
class SendState:
    """Times in unix seconds by the ledger's clock; None: not set."""

    now: float
    is_paused: bool
    resumed_at: float | None
    ready_since: float | None  # of the longest waiting group
    due_at: float | None  # of the batch that is due first to be sent again
    unfinished: int  # batches that FEISHU_BATCH_MAX_OPEN_JOBS limits
    room_since: float | None  # since the number of open jobs fell below the limit
    asked_at: float | None  # when the last request was answered or given up
    lease_until: float | None
    opens_at: float | None  # the next slot

    def idle_for(self, slot: float, max_open: int) -> float:
        """Seconds for which no request was sent although one could have been. 0: the lane makes progress, or has a reason not to send."""
        if self.is_paused or (self.lease_until or 0.0) > self.now:
            return 0.0
        if slot < (self.opens_at or 0.0) - self.now < LONGEST_BACK_OFF:
            return 0.0  # backing off
        possible = []
        if self.due_at is not None and self.due_at <= self.now:
            possible.append(self.due_at)
        if self.ready_since is not None and self.unfinished < max_open:
            possible.append(max(self.ready_since, self.room_since or 0.0))
        if not possible:
            return 0.0
        return max(0.0, self.now - max(min(possible), self.asked_at or 0.0, self.resumed_at or 0.0))


def stalled_after(slot: float) -> float:
    """Seconds after which a lane that could send but does not counts as stalled."""
    return max(LONGEST_PAUSE, SLOTS * slot)
