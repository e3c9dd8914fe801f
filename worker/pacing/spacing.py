"""How long after one answer the next request may leave: pure arithmetic, no clock.

The remote system counts *arrivals*: two of them have to be a slot apart at its door, whatever the network did to each
request. A fixed margin for the worst delay would be paid in every slot. This uses what is known of each request instead:

    arrival of request k      ≤  its answer's arrival here − the shortest way back
    arrival of request k + 1  ≥  its departure + the shortest way there

so a departure at `answer(k) + slot − (shortest way there + shortest way back)` is never too early, and the sum in
brackets is the shortest round trip. What a slot costs beyond its length is only how much slower than the fastest
round trip this very request was. The shortest round trip is estimated from below, so that the estimate of a young
connection errs towards waiting. A request also leaves a little after its slot opens, for the process has to wake up and
write; what of that lag is always there is taken off the wait as well.
"""

from collections import deque
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

WINDOW = 300  # round trips that are remembered: about five minutes of a busy lane
TRUSTED_FROM = 10  # with fewer round trips nothing is known about the shortest one
# Both legs are rarely short at once, so the shortest of n round trips lies about spread/√n above what is possible.
CAUTION = 1.5
LONGEST_LAG = 0.02  # seconds; what leaves later than this had no work, or its process no processor
USUAL = 0.9  # this share of the round trips tells how far they spread
MARGIN = 0.002  # seconds, for clocks that count in milliseconds and for what the estimate may still be off
FIRST_PENALTY = 0.01  # seconds of extra spacing after a refusal by the rate limit
PENALTY_GROWTH = 3.0
PENALTY_DECAY = 0.9  # per accepted request
MAX_PENALTY = 0.5
REFUSED_TWICE = 2  # a refusal alone is jitter; with the second in a row the limiter may count what it refuses, too

# What an answer says about the pace: taken; refused by the rate limit; the other side is in trouble; nothing.
Verdict = Literal["accepted", "rejected", "strike", "neutral"]


@dataclass(slots=True)
class Spacing:
    """Learned from one process's round trips at one endpoint. All times in seconds."""

    slot: float
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    penalty: float = 0.0
    was_rejected: bool = False

    def learn_lag(self, lag: float) -> None:
        """How long after the earliest moment a request of a busy lane really left."""
        if 0.0 <= lag < LONGEST_LAG:
            self.lags.append(lag)

    def steady_lag(self) -> float:
        return min(self.lags) if len(self.lags) >= TRUSTED_FROM else 0.0

    def learn(self, round_trip: float) -> None:
        self.round_trips.append(round_trip)

    def shortest_round_trip(self) -> float:
        """A lower estimate: the shortest seen, less what a shorter one could still be, which shrinks with each one seen."""
        seen = sorted(self.round_trips)
        if len(seen) < TRUSTED_FROM:
            return 0.0
        usual_spread = seen[int(len(seen) * USUAL)] - seen[0]  # not the largest: one hiccup must not cost for minutes
        return max(0.0, seen[0] - CAUTION * usual_spread / sqrt(len(seen)))

    def delay_after_answer(self) -> float:
        """From the moment an answer's first bytes arrived until the next request may leave."""
        return self.slot + MARGIN + self.penalty - self.shortest_round_trip() - self.steady_lag()

    def delay_after_silence(self) -> float:
        """From the moment at which we stopped waiting for an answer: the request may have arrived just before."""
        return self.slot + MARGIN + self.penalty

    def rejected(self) -> None:
        """The first refusal of a row says that the spacing was too narrow; those after it may be the limiter's penalty."""
        if not self.was_rejected:
            self.penalty = min(MAX_PENALTY, max(FIRST_PENALTY, self.penalty * PENALTY_GROWTH))
        self.was_rejected = True

    def accepted(self) -> None:
        self.was_rejected = False
        self.penalty = self.penalty * PENALTY_DECAY if self.penalty > MARGIN / 10 else 0.0

    def pause_after_refusals(self, in_a_row: int, longest: float) -> float:
        """How long to be silent: 2 slots after the second refusal in a row, then twice as long each time, up to `longest`.

        A limiter that begins its penalty anew with each request that it refuses is left only by a silence longer than that.
        """
        if in_a_row < REFUSED_TWICE:
            return 0.0
        return min(longest, self.slot * 2.0 ** min(in_a_row - 1, 30))
