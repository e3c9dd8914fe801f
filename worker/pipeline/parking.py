"""The second half of the Celery task: its signature waits in the ledger for the end of its intent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.pipeline.hints import LaneHints
from worker.pipeline.progress import ProgressReports


@dataclass(frozen=True, slots=True)
class ParkingLane:
    lane: Lane
    hints: LaneHints
    progress: ProgressReports


class Parking:
    """`announce` stores the progress of an intent that no lane has recorded yet, by its id."""

    def __init__(self, inbox: Inbox, lanes: Mapping[str, ParkingLane], announce: Callable[[str], None]) -> None:
        self._inbox = inbox
        self._lanes = lanes
        self._announce = announce

    def park(self, intent_id: str, signature: str, *, delivered_before: bool) -> None:
        """`delivered_before`: the broker delivers the message again; if its signature was released, nothing is done."""
        located = self._inbox.locate(intent_id)
        if located is None:
            raise LookupError(f"intent {intent_id} vanished from the ledger while it was recorded")
        # First the progress: if it is late and replaces a result, the parked signature stores the result again after it.
        self._report(intent_id, *located)
        parked = self._inbox.park(located[0], intent_id, signature, delivered_before=delivered_before)
        if parked is not None:  # from here on, every worker that records or ends it sees the signature
            self._publish(located[0], parked.lane)

    def publish_again(self, intent_id: str) -> None:
        """A result was stored under the id. If its intent has ended, its own result is stored again."""
        located = self._inbox.locate(intent_id)
        if located is not None:
            self._publish(*located)

    def _publish(self, number: int, lane: str | None) -> None:
        here = self._lanes.get(lane or "")
        if here is not None and here.lane.republish_if_ended(number):
            here.hints.publish()

    def _report(self, intent_id: str, number: int, lane: str | None) -> None:
        if lane is None:
            self._announce(intent_id)
        elif lane in self._lanes:
            self._lanes[lane].progress.report([number])
