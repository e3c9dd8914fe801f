"""The Celery door's other half: a task's signature waits in the ledger for the end of its intent."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.hints import LaneHints
from worker.ledger.front import Front
from worker.ledger.lane import Lane


@dataclass(frozen=True, slots=True)
class ParkingLane:
    lane: Lane
    hints: LaneHints


class Parking:
    def __init__(self, front: Front, lanes: Mapping[str, ParkingLane]) -> None:
        self._front = front
        self._lanes = lanes

    def park(self, intent_id: str, signature: str, *, delivered_before: bool) -> None:
        """`delivered_before`: the broker hands the message out again; if its signature was released, nothing is to be done."""
        located = self._front.locate(intent_id)
        if located is None:
            raise LookupError(f"intent {intent_id} vanished from the ledger while it was taken in")
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
