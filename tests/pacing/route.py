"""A route to the remote system in virtual time: what `Spacing` makes of it, without a moment of sleep."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

from worker.pacing.spacing import Spacing


@dataclass
class Route:
    """Sends as soon as it may. `limit`: whether the other side refuses what comes too early, as the real one does."""

    slot: float = 1.0
    seed: int = 1
    limit: bool = True
    penalty: float = 0.0  # seconds of silence that end a refusal; each refusal begins them anew
    arrivals: list[float] = field(default_factory=list)
    now: float = 0.0
    refused: int = 0
    in_a_row: int = 0
    closed_until: float = 0.0

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.spacing = Spacing(self.slot)

    def send(self, requests, there, back, lost=0.0):
        """`there`, `back`: ranges of seconds; `lost`: share of requests whose answer never comes."""
        for _ in range(requests):
            departure = self.now
            arrival = departure + self.random.uniform(*there)
            answered = arrival + self.random.uniform(*back)
            too_early = bool(self.arrivals) and arrival - self.arrivals[-1] < self.slot
            too_early |= arrival < self.closed_until
            if too_early and self.penalty:
                self.closed_until = arrival + self.penalty
            self.arrivals.append(arrival)
            self._learn(departure, answered, refused=self.limit and too_early, lost=self.random.random() < lost)
        return self

    def _learn(self, departure, answered, *, refused, lost):
        if lost:
            self.now = answered + 5.0 + self.spacing.delay_after_silence()  # a time-out
            return
        if refused:
            self.refused += 1
            self.in_a_row += 1
            self.spacing.rejected()
        else:
            self.in_a_row = 0
            self.spacing.accepted()
        self.spacing.learn(answered - departure)
        pause = self.spacing.pause_after_refusals(self.in_a_row, 60.0)
        self.now = answered + max(0.0, pause, self.spacing.delay_after_answer())

    @property
    def gaps(self):
        return [later - earlier for earlier, later in pairwise(self.arrivals)]

    @property
    def too_close(self):
        return sum(gap < self.slot for gap in self.gaps)

    @property
    def use(self):
        """Share of the slots between first and last arrival that was used."""
        return len(self.gaps) * self.slot / (self.arrivals[-1] - self.arrivals[0])
