"""The soft cap of a day's requests: what only makes work faster stops first. Batches, their polls and read-backs continue."""

from typing import Final

from worker.ledger.lane import Lane
from worker.ledger.request_counts import RequestCounts
from worker.pipeline.singles_off import switch_off_singles

SETTING: Final = "FEISHU_BATCH_DAILY_REQUESTS"
LOOKS_OFF: Final = 60.0  # seconds; renewed while the cap holds


class DailyRequests:
    """`most`: requests of a lane in a day; 0: no cap."""

    def __init__(self, lane: Lane, counts: RequestCounts, most: int) -> None:
        self._lane = lane
        self._counts = counts
        self._most = most

    def run(self) -> None:
        sent = sum(self._counts.today().values()) if self._most else 0
        if not self._most or sent < self._most:
            return self._lift()
        left = self._counts.left_of_today()
        why = f"{sent:,} of today's {self._most:,} requests are sent ({SETTING})"
        if self._lane.singles.state().is_on:
            switch_off_singles(self._lane, left, why)
        return self._lane.stop_looks(min(left, LOOKS_OFF))

    def _lift(self) -> None:
        """The cap was raised or removed since."""
        if SETTING in self._lane.singles.state().why:
            self._lane.singles.switch_on()
