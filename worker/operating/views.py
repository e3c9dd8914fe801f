"""What the ledger looks like at a moment: a lane at a glance, and what failed. Reads only."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from feishu_batch.keys import IntentKeys
from feishu_batch.results import view_of_record
from worker.ledger.lane import Lane
from worker.ledger.reading import LaneFigures, Reading
from worker.ledger.records import LaneCounts
from worker.operating.retried import Retries, retries_of
from worker.remote.client import MAX_ITEMS_PER_BATCH

MOST_GROUPS = 2000  # counted one by one; each further ready group counts as one request
NAMED_ITEMS = 10  # per reason
MINUTE = 60.0
_OF_ONE_REQUEST = re.compile(r", log id [^,)]*| \(log id [^)]*\)")  # of a reason: another one each time


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


@dataclass(slots=True)
class FailureGroup:
    """Items that failed for the same reason. `items`: the first few, each with its intent's id."""

    code: str | None
    reason: str | None
    count: int = 0
    items: list[tuple[str, str]] = field(default_factory=list)


class Failures:
    """Collects failed items by reason, whichever request failed for it; keeps a bounded number of their names."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Any, Any], FailureGroup] = {}
        self.mended = 0  # items that failed and are not counted, since a retry of them has succeeded

    def add(self, intent_id: str, failed: Mapping[str, Mapping[str, Any]]) -> None:
        for item, why in failed.items():
            group = self._group(why["code"], why["reason"])
            group.count += 1
            if len(group.items) < NAMED_ITEMS:
                group.items.append((item, intent_id))

    def join(self, others: "Failures") -> None:
        self.mended += others.mended
        for other in others.groups():
            group = self._group(other.code, other.reason)
            group.count += other.count
            group.items += other.items[: NAMED_ITEMS - len(group.items)]

    def _group(self, code: str | None, reason: str | None) -> FailureGroup:
        same = _OF_ONE_REQUEST.sub("", reason) if reason else reason
        group = self._groups.setdefault((code, same), FailureGroup(code, reason))
        if group.reason != reason:
            group.reason = same
        return group

    def groups(self) -> list[FailureGroup]:
        """The most frequent reason first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def count(self) -> int:
        return sum(group.count for group in self._groups.values())


@dataclass(frozen=True, slots=True)
class FailureReport:
    intents: int  # that were looked at
    is_cut: bool  # there are more than the limit
    failures: Failures


def failure_report(reading: Reading, lane: str, since: float, limit: int) -> FailureReport:
    """Items of the newest `limit` intents that ended badly since then (unix seconds)."""
    numbers = reading.ended_badly(lane, since, limit + 1)
    looked_at = [reading.place_of(lane, number) for number in numbers[:limit]]
    failures = Failures()
    for place, record in zip(looked_at, reading.counts(looked_at), strict=True):
        if record:
            collect(reading, [(record["id"], place, record)], failures)
    return FailureReport(len(looked_at), len(numbers) > limit, failures)


def collect(reading: Reading, ended: Sequence[tuple[str, IntentKeys, Mapping[str, str]]], failures: Failures) -> None:
    """Add the failed items of ended intents, (id, place, counters), less those of which a retry has succeeded."""
    bad = [entry for entry in ended if int(entry[2].get("fl") or 0)]
    retries = Retries(reading, (id_ for _, _, record in bad for id_ in retries_of(record)))
    found = []
    for (intent_id, place, record), outcomes in zip(bad, reading.outcomes([place for _, place, _ in bad]), strict=True):
        told = dict(record)
        if "er" in told:
            told["it"] = ",".join(reading.items(place))
        view = view_of_record(intent_id, place, told, outcomes)
        if view.result:
            found.append((intent_id, view.result.failed, retries.succeeded(retries_of(record))))
    for intent_id, failed, mended in found:  # only when everything was read: a repeat must not add anything twice
        left = {item: why for item, why in failed.items() if item not in mended}
        failures.add(intent_id, left)
        failures.mended += len(failed) - len(left)
