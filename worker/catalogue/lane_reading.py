"""How items of a lane are read: the slots that all readers share, and the sender of one thread."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from worker.catalogue.build import why_paused
from worker.catalogue.queries import QuerySender
from worker.ledger.lane import Lane
from worker.ledger.records import GroupSpec
from worker.pacing.reads import more_in
from worker.pacing.shared import Pacer
from worker.pacing.slots import Slots
from worker.remote.client import RemoteClient
from worker.remote.models import WorkItem
from worker.remote.tokens import TokenSource

_YIELD_STEP, _LONGEST_YIELD = 0.05, 1.0  # seconds: how long a read waits for a read-back that is due
SENDERS: Final = 3  # requests at the same time: with one, the way to the remote system and back would set the pace


def read_slot(per_second: float) -> float:
    """Seconds between two departures, answered or not. Each of the senders may have a request that is late and arrives together with those of
    the next second: there is room for them.
    """
    return 1 / max(per_second - SENDERS, per_second / 2)


@dataclass(frozen=True, slots=True)
class LaneReading:
    """What the reads of a lane share. `slot`: seconds, as `read_slot` has them."""

    lane: Lane
    tokens: TokenSource
    pacer: Pacer
    slot: float

    def slots(self, endpoint: str) -> Callable[[], Slots]:
        return lambda: self.pacer.slots(endpoint, self.slot, hold=0.0)

    def sender_of(self, slots: Slots, patience: float) -> QuerySender:
        """The sender of one thread, for its slots and its patience in seconds."""
        return QuerySender(self.tokens, slots, lambda: why_paused(self.lane), patience, on_stopped=lambda _error: None)


def read_items(
    remote: RemoteClient,
    sender: QuerySender,
    slots: Slots,
    place: GroupSpec,
    items: Sequence[int],
    fields: Sequence[str],
    patience: float,
) -> dict[int, WorkItem]:
    """Those that exist, in the space and type of `place`, as its user sees them. Raises `UnavailableError` or a `RemoteError`.

    `patience`: seconds until a slot opens for each further call that it takes.
    """
    query = partial(
        remote.query_items,
        place.project_key,
        place.work_item_type_key,
        items,
        fields,
        user_key=place.user_key,
        before_next_call=more_in(slots, patience),
    )
    return {item.id: item for item in sender.ask(query, may_stop=False)}


class ReadBacksFirst:
    """Reads share their slots with read-backs, whose outcomes producers wait for. For one process, and all of its threads."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._undone: tuple[str, float] | None = None  # a read-back that no worker does, although it is due

    def wait(self) -> None:
        """If the one that is due longest stays so during the whole wait, no worker does them, and reads wait no longer for this one."""
        first = due = self._lane.first_due_read_back()
        waited = 0.0
        while due and due != self._undone and waited < _LONGEST_YIELD:
            time.sleep(_YIELD_STEP)
            waited += _YIELD_STEP
            due = self._lane.first_due_read_back()
        if due and due == first:
            self._undone = due
