"""The rate limits: arrivals by endpoint and plugin, and rejections by each endpoint's limit."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Visitor = tuple[str, str]  # (endpoint, plugin): a renewed token does not change it

SLIDING, FIXED, SMOOTH = "sliding", "fixed", "smooth"
WINDOWS = (SLIDING, FIXED, SMOOTH)


@dataclass(frozen=True)
class Rate:
    """At most `limit` requests in a window: in every one (sliding), in each from one full second to the next (fixed), or
    at equal distances (smooth).
    """

    limit: int
    kind: str = SLIDING


DEFAULT_RATE = Rate(15)
RATES: Mapping[str, Rate] = {"batch_update": Rate(1), "task_result": Rate(1)}


def fits(accepted: Iterable[float], at: float, window: float, limit: int) -> bool:
    """Whether one more arrival keeps every sliding window at its limit.

    Distance counts in both directions, because simulated latency can let a request overtake another.
    """
    return sum(abs(at - other) < window for other in accepted) < limit


def is_within(rate: Rate, accepted: Iterable[float], at: float, window: float) -> bool:
    if rate.kind == FIXED:
        present = math.floor(at / window)
        return sum(math.floor(other / window) == present for other in accepted) < rate.limit
    if rate.kind == SMOOTH:
        return fits(accepted, at, window / rate.limit, 1)
    return fits(accepted, at, window, rate.limit)


@dataclass
class Log:
    """The arrivals for one endpoint and plugin. Only accepted ones count in the window, so that a rejection does not prolong itself.

    A penalty does prolong it: until `closed_until` everything is rejected.
    """

    accepted: list[float] = field(default_factory=list)
    rejected: list[float] = field(default_factory=list)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    closed_until: float = 0.0

    def minimal_gap(self) -> float | None:
        ordered = sorted(self.accepted)
        return min((later - earlier for earlier, later in pairwise(ordered)), default=None)


class Limiter:
    def __init__(self, window: float, penalty: float = 0.0, rates: Mapping[str, Rate] | None = None) -> None:
        """`penalty`: seconds after a rejection in which everything is rejected; each rejection restarts them."""
        self.window = window
        self.penalty = penalty
        self.logs: dict[Visitor, Log] = {}
        self._rates = {**RATES, **(rates or {})}

    def rate_of(self, endpoint: str) -> Rate:
        return self._rates.get(endpoint, DEFAULT_RATE)

    def set_rate(self, endpoint: str, rate: Rate) -> None:
        self._rates[endpoint] = rate

    def admit(self, endpoint: str, plugin: str, at: float) -> bool:
        """Record an arrival and return whether it is accepted."""
        log = self._log(endpoint, plugin)
        if at < log.closed_until or not is_within(self.rate_of(endpoint), log.recent, at, self.window):
            self.close(endpoint, plugin, at)
            log.rejected.append(at)
            return False
        log.accepted.append(at)
        log.recent.append(at)
        return True

    def close(self, endpoint: str, plugin: str, at: float) -> None:
        self._log(endpoint, plugin).closed_until = at + self.penalty

    def opens_in(self, endpoint: str, plugin: str, at: float) -> float:
        """Seconds until the next request is accepted, at the latest."""
        return max(self.window, self._log(endpoint, plugin).closed_until - at)

    def take_back(self, endpoint: str, plugin: str, at: float) -> None:
        """The arrival got a rate limit by an injected fault: it does not count in the window."""
        log = self._log(endpoint, plugin)
        log.recent.remove(at)
        log.accepted.remove(at)

    def clear(self) -> None:
        self.logs.clear()

    def _log(self, endpoint: str, plugin: str) -> Log:
        return self.logs.setdefault((endpoint, plugin), Log())
