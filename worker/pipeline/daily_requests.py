"""The soft cap of a day's requests: what only makes work faster stops first. Batches, their polls and read-backs continue."""

from typing import Final

import structlog

from worker.ledger.lane import Lane
from worker.ledger.request_counts import RequestCounts

log = structlog.get_logger("feishu_batch.sweep")

LOOKS_OFF: Final = 60.0  # seconds; renewed while the cap holds


class DailyRequests:
    """`most`: requests of a lane in a day; 0: no cap."""

    def __init__(self, lane: Lane, counts: RequestCounts, most: int) -> None:
        self._lane = lane
        self._counts = counts
        self._most = most
        self._said = ""

    def run(self) -> None:
        if not self._most or (sent := sum(self._counts.today().values())) < self._most:
            return
        left = self._counts.left_of_today()
        why = f"{sent:,} of today's {self._most:,} requests are sent (FEISHU_BATCH_DAILY_REQUESTS)"
        if self._lane.singles.state().is_on:
            self._lane.singles.switch_off(left, why)
            log.warning("singles.off", lane=self._lane.name, seconds=round(left), reason=why)
        self._lane.stop_looks(min(left, LOOKS_OFF))
