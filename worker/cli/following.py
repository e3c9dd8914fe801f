"""Follows a crowd of intents to its end, twice a second, also across a short absence of Redis."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from redis.exceptions import RedisError

from worker.cli.errors import InterruptedByUserError, UnreachableError
from worker.cli.holdups import NO_REDIS, paused
from worker.cli.progress import Display, Figures
from worker.cli.session import Session
from worker.ledger.vitals import vitals
from worker.operating.views import LaneView, lane_view
from worker.operating.watching import Listed, Totals, Watch, counts_of

TICK = 0.5  # seconds
PATIENCE = 60.0  # seconds without an answer of Redis before giving up
STUCK = 6.0  # seconds in which nothing is taken out of the inbox before the user is told


@dataclass(slots=True)
class Pace:
    """Counts requests from the moment of its making, and how well the slots were used."""

    slot_seconds: float
    slots_before: dict[str, int]
    began_at: float = field(default_factory=time.monotonic)
    first_at: float | None = None  # of the requests
    last_at: float | None = None
    requests: int = 0

    def note(self, views: Sequence[LaneView], now: float) -> None:
        taken = sum(view.figures.slots_taken - self.slots_before.get(view.lane, 0) for view in views)
        if taken > self.requests:
            self.first_at = now if self.first_at is None else self.first_at
            self.last_at, self.requests = now, taken

    @classmethod
    def begin(cls, session: Session) -> Self:
        return cls(session.settings.slot_seconds, {view.lane: view.figures.slots_taken for view in _views(session)})

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_at

    @property
    def slot_use(self) -> float:
        if self.first_at is None or self.last_at is None:
            return 0.0
        return min(1.0, self.requests / (1 + (self.last_at - self.first_at) / self.slot_seconds))


class Follower:
    def __init__(self, session: Session, watch: Watch, pace: Pace) -> None:
        self._session = session
        self._watch = watch
        self._pace = pace
        self._inbox = -1
        self._moved_at = time.monotonic()
        self.remark = ""  # what seems to hold up the work

    def run(self, display: Display, stop: threading.Event, timeout: float | None = None) -> bool:
        """Whether all have ended; False after `stop` was set, or so many seconds."""
        began_at = answered_at = time.monotonic()
        while not stop.is_set():
            try:
                self._watch.look()
                display.show(self._figures())
                answered_at = time.monotonic()
            except RedisError:
                self.remark = NO_REDIS
                display.show(self._figures_without_redis())
                if time.monotonic() - answered_at > PATIENCE:
                    raise UnreachableError(
                        f"Redis has not answered for {PATIENCE:g} s; the work is safe in it."
                        " Look again later with: feishu-batch status"
                    ) from None
            if self._watch.is_over:
                return True
            left = TICK if timeout is None else began_at + timeout - time.monotonic()
            if left <= 0:
                return False
            stop.wait(min(TICK, left))
        return False

    def _figures(self) -> Figures:
        views = _views(self._session)
        self._pace.note(views, time.monotonic())
        left = max((view.requests_left for view in views), default=0) * self._pace.slot_seconds
        self.remark = self._remark(views)
        return Figures(self._watch.totals(), self._pace.requests, self._pace.slot_use, left, self.remark)

    def _figures_without_redis(self) -> Figures:
        """What was seen last."""
        return Figures(self._watch.totals(), self._pace.requests, self._pace.slot_use, 0.0, self.remark)

    def _remark(self, views: Sequence[LaneView]) -> str:
        for view in views:
            if view.pause:
                return paused(view.lane, view.pause["reason"])
        for lane in self._session.lanes.values():
            for trouble, _ in vitals(self._session.redis, lane.prefix).troubles:
                return f"lane {lane.name}: {trouble.in_words()}"
        inbox = self._session.front.inbox_length()
        if inbox != self._inbox:
            self._inbox, self._moved_at = inbox, time.monotonic()
        if inbox and time.monotonic() - self._moved_at > STUCK:
            return "nothing takes the intents in: is `feishu-batch up` running with the same settings?"
        return ""


def _views(session: Session) -> list[LaneView]:
    return [lane_view(session.reading, lane) for lane in session.lanes.values()]


@dataclass(frozen=True, slots=True)
class Followed:
    totals: Totals
    is_over: bool  # False: given up before the end

    @property
    def is_well(self) -> bool:
        return self.is_over and self.totals.succeeded + self.totals.superseded == self.totals.total

    def counts(self) -> dict[str, int]:
        return counts_of(self.totals) | {"open": self.totals.total - self.totals.settled}

    def in_words(self) -> str:
        told = {name: count for name, count in self.counts().items() if name != "total" and count}
        more = "" if self.is_over else "; not ended in the time that was given: feishu-batch status"
        return (", ".join(f"{count} {name}" for name, count in told.items()) or "nothing to wait for") + more


def follow(
    session: Session, intents: Sequence[tuple[str, int]], display: Callable[[int], Display], timeout: float | None
) -> Followed:
    """Each an id and its number of items. Ctrl-C leaves the work going."""
    watch = Watch(session.reading, Listed(intents))
    try:
        with display(watch.totals().total) as shown:
            is_over = Follower(session, watch, Pace.begin(session)).run(shown, threading.Event(), timeout)
    except KeyboardInterrupt:
        raise InterruptedByUserError("Stopped waiting; the work goes on: feishu-batch status") from None
    return Followed(watch.totals(), is_over)
