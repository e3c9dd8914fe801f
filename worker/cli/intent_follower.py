"""Follows many intents until they have ended; looks twice a second, and survives a short outage of Redis."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from redis.exceptions import RedisError

from feishu_batch.outcomes import SUCCESSES
from feishu_batch.set_reads import read_sets
from worker.cli.blockers import NO_REDIS, paused
from worker.cli.errors import InterruptedByUserError
from worker.cli.progress import Display, Figures
from worker.ledger.reads.lane_health import read_lane_health
from worker.operating.errors import UnreachableError
from worker.operating.session import Session
from worker.operating.tracking import IntentTracker, Listed, Totals, counts_of
from worker.operating.views import LaneView, lane_view
from worker.wording import duration

TICK = 0.5  # seconds
PATIENCE = 60.0  # seconds without an answer from Redis before giving up
STUCK = 6.0  # seconds without any intent leaving the inbox, before the user sees a remark


@dataclass(slots=True)
class Throughput:
    """Counts the requests since it was created, and the share of slots used. `change_set`: whose requests are counted apart."""

    slot_seconds: float
    slots_before: dict[str, int]
    change_set: str | None = None
    set_before: int = 0
    of_set: int | None = None
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
    def begin(cls, session: Session, change_set: str | None = None) -> Self:
        slots = {view.lane: view.figures.slots_taken for view in _views(session)}
        before = requests_of_set(session, change_set) or 0
        return cls(session.settings.slot_seconds, slots, change_set, before)

    def look(self, session: Session, views: Sequence[LaneView]) -> None:
        self.note(views, time.monotonic())
        if (of_set := requests_of_set(session, self.change_set)) is not None:
            self.of_set = of_set - self.set_before

    @property
    def shown(self) -> int:
        """Of the set if it is known, else of the lanes, for any intent."""
        return self.requests if self.of_set is None else self.of_set

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_at

    @property
    def slot_use(self) -> float:
        if self.first_at is None or self.last_at is None:
            return 0.0
        return min(1.0, self.requests / (1 + (self.last_at - self.first_at) / self.slot_seconds))


class IntentFollower:
    def __init__(self, session: Session, watch: IntentTracker, pace: Throughput) -> None:
        self._session = session
        self._watch = watch
        self._pace = pace
        self._inbox = -1
        self._moved_at = time.monotonic()
        self.remark = ""  # what seems to block the work

    def run(self, display: Display, stop: threading.Event, timeout: float | None = None) -> bool:
        """True: all have ended. False: `stop` was set, or `timeout` seconds passed."""
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
                        f"Redis has not answered for {PATIENCE:g} s; the recorded work is safe in it."
                        " Check later with: feishu-batch status"
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
        self._pace.look(self._session, views)
        left = max((view.seconds_left(self._pace.slot_seconds) for view in views), default=0.0)
        self.remark = self._remark(views)
        return Figures(self._watch.totals(), self._pace.shown, self._pace.slot_use, left, self.remark)

    def _figures_without_redis(self) -> Figures:
        """The last known figures."""
        return Figures(self._watch.totals(), self._pace.shown, self._pace.slot_use, 0.0, self.remark)

    def _remark(self, views: Sequence[LaneView]) -> str:
        for view in views:
            if view.pause:
                return paused(view.lane, view.pause["reason"])
        for lane in self._session.lanes.values():
            for trouble, _ in read_lane_health(self._session.redis, lane.keys).last_errors:
                return f"lane {lane.name}: {trouble.in_words()}"
        for view in views:
            if view.singles.off_for > 0:
                return f"single updates are off for another {duration(view.singles.off_for)}, so everything goes by batches: {view.singles.why}"
        inbox = self._session.inbox.length()
        if inbox != self._inbox:
            self._inbox, self._moved_at = inbox, time.monotonic()
        if inbox and time.monotonic() - self._moved_at > STUCK:
            return "no worker is reading the inbox: is `feishu-batch up` running with the same settings?"
        return ""


def requests_of_set(session: Session, change_set: str | None) -> int | None:
    """None: no such set is known."""
    if change_set is None:
        return None
    [found] = read_sets(session.redis, session.settings.key_prefix, [change_set])
    return found.requests if found else None


def _views(session: Session) -> list[LaneView]:
    return [lane_view(session.reads, lane) for lane in session.lanes.values()]


@dataclass(frozen=True, slots=True)
class Followed:
    totals: Totals
    is_over: bool  # False: given up before the end

    @property
    def is_successful(self) -> bool:
        return self.is_over and sum(getattr(self.totals, label) for label in SUCCESSES) == self.totals.total

    def counts(self) -> dict[str, int]:
        return counts_of(self.totals) | {"open": self.totals.total - self.totals.settled}

    def in_words(self, skipped: int = 0) -> str:
        """`skipped`: of the failed ones, those that were changed since."""
        shown = self.counts()
        shown |= {"failed": max(0, shown["failed"] - skipped), "skipped": skipped}
        counts = {name: count for name, count in shown.items() if name != "total" and count}
        more = "" if self.is_over else "; not all ended in time: feishu-batch status"
        return (", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to wait for") + more


def follow(
    session: Session, intents: Sequence[tuple[str, int]], display: Callable[[int], Display], timeout: float | None
) -> Followed:
    """`intents`: (id, number of items). Ctrl-C stops the waiting, not the work."""
    watch = IntentTracker(session.reads, Listed(intents))
    try:
        with display(watch.totals().total) as shown:
            is_over = IntentFollower(session, watch, Throughput.begin(session)).run(shown, threading.Event(), timeout)
    except KeyboardInterrupt:
        raise InterruptedByUserError("Stopped waiting; the work continues: feishu-batch status") from None
    return Followed(watch.totals(), is_over)
