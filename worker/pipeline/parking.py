"""The Celery door's other half: a task's signature waits in the ledger for the end of its intent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.pipeline.hints import LaneHints
from worker.pipeline.progress import ProgressReports


@dataclass(frozen=True, slots=True)
class ParkingLane:
    lane: Lane
    hints: LaneHints
    progress: ProgressReports


class Parking:
    """`announce` stores the progress of an intent, by its id, that no lane has recorded yet."""

    def __init__(self, front: Front, lanes: Mapping[str, ParkingLane], announce: Callable[[str], None]) -> None:
        self._front = front
        self._lanes = lanes
        self._announce = announce

    def park(self, intent_id: str, signature: str, *, delivered_before: bool) -> None:
        """`delivered_before`: the broker hands the message out again; if its signature was released, nothing is to be done."""
        located = self._front.locate(intent_id)
        if located is None:
            raise LookupError(f"intent {intent_id} vanished from the ledger while it was taken in")
        # First the progress: should it come too late and replace a result, the parked signature's is stored after it.
        self._report(intent_id, *located)
        parked = self._front.park(located[0], intent_id, signature, delivered_before=delivered_before)
        if parked is not None:  # from here on whoever takes it out of the inbox, or ends it, sees the signature
            self._make_known(located[0], parked.lane)

    def make_known_again(self, intent_id: str) -> None:
        """Something was stored under the id. If its intent has ended, its result comes back."""
        located = self._front.locate(intent_id)
        if located is not None:
            self._make_known(*located)

    def _make_known(self, number: int, lane: str | None) -> None:
        here = self._lanes.get(lane or "")
        if here is not None and here.lane.republish_if_ended(number):
            here.hints.publish()

    def _report(self, intent_id: str, number: int, lane: str | None) -> None:
        if lane is None:
            self._announce(intent_id)
        elif lane in self._lanes:
            self._lanes[lane].progress.report([number])
