"""What the single route does for the time that waiting changes take, or would do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from config.pace import MOST_SINGLE_UPDATES
from worker.ledger.routes import BATCH
from worker.operating.views import POOR_REQUESTS, LaneView

MOST_RATE: Final = MOST_SINGLE_UPDATES
WORTH_IT: Final = 0.8  # of the time
SETTING: Final = "FEISHU_BATCH_SINGLE_UPDATES_PER_SECOND"


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Requests that work takes. Batches leave at one a slot, single updates beside them at their own rate."""

    batches: int
    singles: int

    @property
    def requests(self) -> int:
        return self.batches + self.singles

    def seconds(self, slot: float, rate: int) -> float:
        return max(self.batches * slot, self.singles / rate if rate else 0.0)


def by_both(groups: Iterable[tuple[int, bool]], rate: int) -> RoutePlan:
    """`groups`: (changes, whether single updates may write them). Changes of one item that could travel together are counted apart."""
    batches = singles = 0
    for changes, may in groups:
        if may and changes <= rate:
            singles += changes
        else:
            batches += -(-changes // BATCH.items)
    return RoutePlan(batches, singles)


def is_worth_it(alone: int, both: RoutePlan, slot: float, rate: int) -> bool:
    """`alone`: requests without the route. For the work of a minute, changing a setting is not worth it."""
    return alone >= POOR_REQUESTS and both.seconds(slot, rate) < WORTH_IT * alone * slot


def gain(view: LaneView, slot: float) -> RoutePlan | None:
    """What waits in a lane, if it used the single route; None: that is on already, was refused, or would not help."""
    if view.singles.rate or not view.single_share:
        return None
    both = _waiting_by_both(view, MOST_RATE)
    return both if is_worth_it(view.requests_left, both, slot, MOST_RATE) else None


def _waiting_by_both(view: LaneView, rate: int) -> RoutePlan:
    """As if single updates could write all of it, then the share that they can."""
    both = by_both(chain(((changes, True) for changes in view.figures.ready), repeat((1, True), view.uncounted)), rate)
    small = view.requests_left - view.counts.due_batches - both.batches  # a request for each small group
    share = view.single_share
    return RoutePlan(view.requests_left - round(share * small), round(share * both.singles))
