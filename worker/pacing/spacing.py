"""How long after one answer the next request may be sent: pure arithmetic, no clock.

The remote system counts *arrivals*: two of them must be a slot apart when they arrive, with any network delay of each
request. A fixed margin for the worst delay would cost time in every slot. This uses the known facts about each request instead:

    arrival of request k      ≤  its answer's arrival here − the shortest way back
    arrival of request k + 1  ≥  its departure + the shortest way there

so a departure at `answer(k) + slot − (shortest way there + shortest way back)` is never too early, and the sum in
brackets is the shortest round trip. The cost of a slot beyond its length is only how much slower than the fastest
round trip this request was. The shortest round trip is estimated from below, so that with few data the estimate leads to
waiting. A request is also sent a little after its slot opens, because the process must wake up and
write; the constant part of that lag is subtracted from the wait too.
"""

from collections import deque
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

WINDOW = 300  # stored round trips: about five minutes of a busy lane
TRUSTED_FROM = 10  # with fewer round trips the shortest one is unknown
# Both directions are rarely fast at once, so the shortest of n round trips is about spread/√n above the minimum.
CAUTION = 1.5
LONGEST_LAG = 0.02  # seconds; a later request had no work to send, or its process got no CPU time
USUAL = 0.9  # the share of the round trips that defines their spread
MARGIN = 0.002  # seconds, for clocks with milliseconds and for the remaining error of the estimate
FIRST_PENALTY = 0.01  # seconds of extra spacing after a refusal by the rate limit
PENALTY_GROWTH = 3.0
PENALTY_DECAY = 0.9  # per accepted request
MAX_PENALTY = 0.5
REFUSED_TWICE = 2  # a single refusal is jitter; after the second in a row the limiter may count refused requests too

# What an answer means for the pace: accepted; refused by the rate limit; the remote system has trouble; nothing.
Verdict = Literal["accepted", "rejected", "strike", "neutral"]


@dataclass(slots=True)
class Spacing:
    """Learned from the round trips of one process at one endpoint. All times in seconds."""

    slot: float
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    penalty: float = 0.0
    was_rejected: bool = False

    def learn_lag(self, lag: float) -> None:
        """`lag`: how long after the earliest moment a request of a busy lane was really sent."""
        if 0.0 <= lag < LONGEST_LAG:
            self.lags.append(lag)

    def steady_lag(self) -> float:
        return min(self.lags) if len(self.lags) >= TRUSTED_FROM else 0.0

    def learn(self, round_trip: float) -> None:
        self.round_trips.append(round_trip)

    def shortest_round_trip(self) -> float:
        """A lower estimate: the shortest one measured, minus a margin that shrinks with each measurement."""
        seen = sorted(self.round_trips)
        if len(seen) < TRUSTED_FROM:
            return 0.0
        usual_spread = (
            seen[int(len(seen) * USUAL)] - seen[0]
        )  # not the largest: one delay must not cost time for minutes
        return max(0.0, seen[0] - CAUTION * usual_spread / sqrt(len(seen)))

    def delay_after_answer(self) -> float:
        """From the arrival of an answer's first bytes until the next request may be sent."""
        return self.slot + MARGIN + self.penalty - self.shortest_round_trip() - self.steady_lag()

    def delay_after_silence(self) -> float:
        """From the moment when we stopped waiting for an answer: the request may have arrived just before."""
        return self.slot + MARGIN + self.penalty

    def rejected(self) -> None:
        """The first refusal in a row means that the spacing was too narrow; the later ones may be the limiter's penalty."""
        if not self.was_rejected:
            self.penalty = min(MAX_PENALTY, max(FIRST_PENALTY, self.penalty * PENALTY_GROWTH))
        self.was_rejected = True

    def accepted(self) -> None:
        self.was_rejected = False
        self.penalty = self.penalty * PENALTY_DECAY if self.penalty > MARGIN / 10 else 0.0

    def pause_after_refusals(self, in_a_row: int, longest: float) -> float:
        """How long to send nothing: 2 slots after the second refusal in a row, then twice as long each time, up to `longest`.

        If a limiter restarts its penalty with each refused request, only a longer pause ends the penalty.
        """
        if in_a_row < REFUSED_TWICE:
            return 0.0
        return min(longest, self.slot * 2.0 ** min(in_a_row - 1, 30))
