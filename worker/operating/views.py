"""Views of the ledger: an overview of a lane. Reads only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from worker.ledger.lane import Lane
from worker.ledger.reads.ledger import LaneFigures, LedgerReads
from worker.ledger.records import LaneCounts
from worker.ledger.request_counts import RequestCounts
from worker.ledger.routes import BATCH
from worker.ledger.single_route import NO_SINGLES, SingleState

MOST_GROUPS = 2000  # groups counted exactly; each further ready group counts as one request
POOR_REQUESTS = 60  # fewer are soon done
POOR_FILL = 0.2  # of a request's places
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class LaneView:
    lane: str
    pause: dict[str, Any] | None  # reason, since (unix seconds), polling
    counts: LaneCounts
    figures: LaneFigures
    recent: tuple[dict[str, Any], ...]  # newest first
    singles: SingleState = NO_SINGLES
    requests_today: Mapping[str, int] = field(default_factory=dict)  # kind → how many
    single_share: float = 0.0  # of the small groups, those that single updates may write; known where that would matter

    @property
    def ready_changes(self) -> int:
        """At least so many: each group that was not counted has one."""
        return sum(self.figures.ready) + self.uncounted + self.singles_left

    @property
    def uncounted(self) -> int:
        """Groups whose changes were not counted."""
        return self.figures.ready_groups - len(self.figures.ready)

    @property
    def requests_left(self) -> int:
        """The fewest batches that the recorded changes still need, without intents in the inbox and changes behind others."""
        counted = sum(-(-changes // BATCH.items) for changes in self.figures.ready)
        return counted + self.uncounted + self.counts.due_batches

    @property
    def is_poor(self) -> bool:
        """Many requests are left, and hardly any of their places are used."""
        groups = self.figures.ready_groups
        in_batches = self.ready_changes - self.singles_left
        return groups >= POOR_REQUESTS and in_batches < POOR_FILL * BATCH.items * groups

    @property
    def groups(self) -> int:
        """With ready changes, for either route."""
        return self.figures.ready_groups + self.figures.single_groups

    def seconds_left(self, slot: float) -> float:
        """At least, for what is ready: both routes work at the same time."""
        singles = self.singles_left / self.singles.rate if self.singles.rate else 0.0
        return max(self.requests_left * slot, singles)

    @property
    def singles_left(self) -> int:
        """Changes that wait for the single route, at least: those of one item share a request."""
        return self.figures.single_changes

    @property
    def longest_wait(self) -> float | None:
        """Seconds for which the longest waiting group has been waiting."""
        since = self.figures.waiting_since
        return None if since is None else max(0.0, self.figures.now - since)


class Remaining(StrEnum):
    """What is known about the remaining time."""

    REQUESTS = "requests"  # at least a slot for each of `requests_left`; then their jobs
    UNKNOWN = "unknown"  # the inbox must be recorded, and cells be read, first
    JOBS = "jobs"  # until the open jobs end
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class InboxView:
    intents: int
    oldest_wait: float | None  # seconds


def what_is_left(view: LaneView, inbox: InboxView) -> Remaining:
    if view.requests_left or view.singles_left:
        return Remaining.REQUESTS
    if inbox.intents or view.figures.to_look_at:
        return Remaining.UNKNOWN
    return Remaining.JOBS if view.counts.owned_cells else Remaining.NOTHING


@dataclass(slots=True)
class Use:
    """Slots used in the last minute, from reads of the counter; `looks`: (time, counter), oldest first."""

    slot_seconds: float
    looks: list[tuple[float, int]] = field(default_factory=list)

    def note(self, now: float, taken: int) -> None:
        self.looks.append((now, taken))
        while len(self.looks) > 2 and self.looks[1][0] <= now - MINUTE:  # noqa: PLR2004 - one at each end
            del self.looks[0]

    @property
    def share(self) -> float | None:
        """None until there are two reads some slots apart."""
        (began, before), (now, after) = self.looks[0], self.looks[-1]
        slots = (now - began) / self.slot_seconds
        return min(1.0, (after - before) / slots) if slots >= 2 else None  # noqa: PLR2004 - fewer are not meaningful


def inbox_view(reads: LedgerReads) -> InboxView:
    intents, oldest_at, now = reads.inbox()
    return InboxView(intents, None if oldest_at is None else max(0.0, now - oldest_at))


def lane_view(reads: LedgerReads, lane: Lane, counts: RequestCounts | None = None) -> LaneView:
    """`counts`: of the lane's requests, where they are shown."""
    figures = reads.figures(lane.name, MOST_GROUPS)
    recent = tuple(json.loads(text) for text in figures.recent)
    view = LaneView(
        lane.name, lane.paused(), lane.counts(), figures, recent, lane.singles.state(), counts.today() if counts else {}
    )
    if view.singles.is_on or not view.is_poor:
        return view
    return replace(view, single_share=reads.share_for_singles(lane.name))
