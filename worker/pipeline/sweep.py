"""Finds work whose hint was lost, work of dead workers, and expired records. Reads only the ledger."""

from collections import Counter
from collections.abc import Sequence

import structlog

from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.pipeline.daily_requests import DailyRequests
from worker.pipeline.hints import IntakeHints, LaneHints
from worker.pipeline.monitored import Monitored
from worker.pipeline.set_ends import SetEnds

log = structlog.get_logger("feishu_batch.sweep")

FORGET_PER_SWEEP = 500


class Sweep:
    def __init__(
        self,
        inbox: Inbox,
        hints: IntakeHints,
        lanes: Sequence["LaneSweep"],
        set_ends: SetEnds,
        retain_failed: float,
        monitored: Monitored | None = None,
    ) -> None:
        """`monitored`: None where nothing shows tasks."""
        self._monitored = monitored
        self._inbox = inbox
        self._keep_failed = retain_failed
        self._set_ends = set_ends
        self._hints = hints
        self._lanes = lanes

    def run(self) -> dict[str, int]:
        """Send missing hints. Returns what it found, over all lanes."""
        waiting = self._inbox.length()
        if waiting:
            self._hints.send()
        seen = Counter({"inbox": waiting})
        self._inbox.delete_dropped_sets(FORGET_PER_SWEEP)
        self._set_ends.run()  # before a lane forgets the last intent of a set
        if self._monitored:
            self._monitored.run()  # before a set is forgotten, too
        self._inbox.forget_lost(self._keep_failed, FORGET_PER_SWEEP)
        for lane in self._lanes:
            seen.update(lane.run())
        return dict(seen)


class LaneSweep:
    def __init__(
        self,
        *,
        inbox: Inbox,
        lane: Lane,
        hints: LaneHints,
        retain_succeeded: float,
        retain_failed: float,
        singles: tuple[int, bool] = (0, True),
        requests: DailyRequests | None = None,
    ) -> None:
        """`singles`: requests a second of the single route, and whether an item is on one route at a time."""
        self._singles = singles
        self._requests = requests
        self._inbox = inbox
        self._lane = lane
        self._hints = hints
        self._keep_succeeded = retain_succeeded
        self._keep_failed = retain_failed

    def run(self) -> dict[str, int]:
        rate, alone = self._singles
        self._lane.singles.configure(rate, alone=alone)
        if self._requests:
            self._requests.run()
        found = self._lane.sweep(self._keep_succeeded, self._keep_failed)
        counts = found.counts
        if counts.ready_groups or counts.due_batches or counts.sending:
            self._hints.submit()
        if counts.open_jobs:
            self._hints.poll()
        if counts.checks:
            self._hints.read_back()
        if found.awaits_look:
            self._hints.look()
        self._hints.publish_if(found.unpublished or found.stopped)
        forgotten = self._forget("succeeded", self._keep_succeeded) if found.forget_succeeded else 0
        forgotten += self._forget("failed", self._keep_failed) if found.forget_failed else 0
        return {
            "ready_groups": counts.ready_groups,
            "open_jobs": counts.open_jobs,
            "forgotten": forgotten,
        }

    def _forget(self, list_name: str, older_than: float) -> int:
        old = self._lane.forgettable(list_name, older_than, FORGET_PER_SWEEP)
        if old:
            forget(self._inbox, self._lane, old)
        return len(old)


def forget(inbox: Inbox, lane: Lane, old: Sequence[tuple[int, str | None]]) -> None:
    """(number, intent id) of intents that have ended. The records come last: what stops half-way can be repeated."""
    ids = {number: intent_id for number, intent_id in old if intent_id}
    members: dict[str, list[tuple[int, str]]] = {}
    for number, name in lane.sets_of(list(ids)).items():
        members.setdefault(name, []).append((number, ids[number]))
    inbox.forget(old)
    inbox.leave_sets(members)
    lane.forget([number for number, _ in old])
