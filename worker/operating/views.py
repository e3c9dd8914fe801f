"""What the ledger looks like at a moment: a lane at a glance. Reads only."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.ledger.lane import Lane
from worker.ledger.reading import LaneFigures, Reading
from worker.ledger.records import LaneCounts
from worker.remote.client import MAX_ITEMS_PER_BATCH

MOST_GROUPS = 2000  # counted one by one; each further ready group counts as one request
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class LaneView:
    lane: str
    pause: dict[str, Any] | None  # reason, since (unix seconds), polling
    counts: LaneCounts
    figures: LaneFigures
    recent: tuple[dict[str, Any], ...]  # newest first

    @property
    def ready_changes(self) -> int:
        return sum(self.figures.ready)

    @property
    def requests_left(self) -> int:
        """Fewest requests that the recorded changes still need. What waits in the inbox, or behind other changes, is not in it."""
        counted = sum(-(-changes // MAX_ITEMS_PER_BATCH) for changes in self.figures.ready)
        uncounted: int = self.figures.ready_groups - len(self.figures.ready)
        return counted + uncounted + self.counts.due_batches

    @property
    def longest_wait(self) -> float | None:
        """Seconds for which the group that waits longest has been waiting for its turn."""
        since = self.figures.waiting_since
        return None if since is None else max(0.0, self.figures.now - since)


class Left(StrEnum):
    """What can be said of the time that is left."""

    REQUESTS = "requests"  # at least a slot for each of `requests_left`; then their jobs
    UNKNOWN = "unknown"  # the inbox has to be taken in first
    JOBS = "jobs"  # until the open jobs end
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class InboxView:
    intents: int
    oldest_wait: float | None  # seconds


def what_is_left(view: LaneView, inbox: InboxView) -> Left:
    if view.requests_left:
        return Left.REQUESTS
    if inbox.intents:
        return Left.UNKNOWN
    return Left.JOBS if view.counts.owned_cells else Left.NOTHING


@dataclass(slots=True)
class Use:
    """Slots taken in the last minute, from looks at the counter; `looks`: (moment, counter), oldest first."""

    slot_seconds: float
    looks: list[tuple[float, int]] = field(default_factory=list)

    def note(self, now: float, taken: int) -> None:
        self.looks.append((now, taken))
        while len(self.looks) > 2 and self.looks[1][0] <= now - MINUTE:  # noqa: PLR2004 - one at each end
            del self.looks[0]

    @property
    def share(self) -> float | None:
        """None before there are two looks some slots apart."""
        (began, before), (now, after) = self.looks[0], self.looks[-1]
        slots = (now - began) / self.slot_seconds
        return min(1.0, (after - before) / slots) if slots >= 2 else None  # noqa: PLR2004 - less says nothing


def inbox_view(reading: Reading) -> InboxView:
    intents, oldest_at, now = reading.inbox()
    return InboxView(intents, None if oldest_at is None else max(0.0, now - oldest_at))


def lane_view(reading: Reading, lane: Lane) -> LaneView:
    figures = reading.figures(lane.name, MOST_GROUPS)
    recent = tuple(json.loads(text) for text in figures.recent)
    return LaneView(lane.name, lane.paused(), lane.counts(), figures, recent)
