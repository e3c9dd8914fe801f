"""Where the routes of a lane live in Redis: who sends on each, and what is next. As `worker.ledger.keys`."""

from dataclasses import dataclass

from worker.ledger.routes import SINGLE, Route


@dataclass(frozen=True, slots=True)
class RouteKeys:
    """What belongs to the batch route of a lane: who sends on it, which group is next, and its slot."""

    head: str  # as `LaneKeys.head`
    route: Route

    def _named(self, name: str) -> str:
        return f"{self.head}route:{self.route.name}:{name}"

    @property
    def lease(self) -> str:
        """Hash: which batch is being sent right now: owner, until, batch, fence."""
        return self._named("lease")

    @property
    def full(self) -> str:
        """Sorted set: groups with a whole request ready, by their best ready change."""
        return self._named("full")

    @property
    def part(self) -> str:
        """Sorted set: the other groups with ready changes."""
        return self._named("part")

    @property
    def since(self) -> str:
        """Sorted set: groups with ready changes, by since when none of them was sent."""
        return self._named("since")

    @property
    def overdue_turn_in(self) -> str:
        """String: how many batches are composed before a group that waits too long may have a turn again."""
        return self._named("overdue-turn-in")

    @property
    def slot(self) -> str:
        """`LaneKeys.slot` of the route's endpoint."""
        return f"{self.head}slot:{self.route.endpoint}"


@dataclass(frozen=True, slots=True)
class SingleKeys:
    """What belongs to the single route of a lane. A group is in `small` or `fresh`, or on the batch route."""

    head: str  # as `LaneKeys.head`

    def _named(self, name: str) -> str:
        return f"{self.head}route:{SINGLE.name}:{name}"

    @property
    def state(self) -> str:
        """Hash with the fields of `SingleField`."""
        return self._named("state")

    @property
    def small(self) -> str:
        """Sorted set: groups to send, by urgency, then size, then age."""
        return self._named("small")

    @property
    def fresh(self) -> str:
        """Sorted set: groups that have grown a moment ago, or cannot be sent now, by when they may be sent."""
        return self._named("fresh")

    @property
    def sizes(self) -> str:
        """Hash: group of the route → how many of its changes are ready."""
        return self._named("sizes")

    @property
    def since(self) -> str:
        """Sorted set: groups of the route, by since when none of their changes was sent."""
        return self._named("since")

    @property
    def flight(self) -> str:
        """Hash: update that is being sent → the process that sends it."""
        return self._named("flight")

    @property
    def owners(self) -> str:
        """Hash: process → until when its lease is valid (ms); an unknown process has none."""
        return self._named("owners")

    @property
    def items(self) -> str:
        """Hash: item → its update that is, or may still be, on its way."""
        return self._named("items")

    @property
    def due(self) -> str:
        """Sorted set: updates that are to be sent again, by when."""
        return self._named("due")

    @property
    def checks(self) -> str:
        """Sorted set: updates that are to be read back, by when."""
        return self._named("checks")

    @property
    def slot(self) -> str:
        """`LaneKeys.slot` of the route's endpoint."""
        return f"{self.head}slot:{SINGLE.endpoint}"
