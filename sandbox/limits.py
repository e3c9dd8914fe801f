"""The rate limits: arrivals by endpoint and plugin, and rejections by the limit of the sliding window."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Visitor = tuple[str, str]  # (endpoint, plugin): a renewed token does not change it

DEFAULT_LIMIT = 15
LIMITS: Mapping[str, int] = {"batch_update": 1, "task_result": 1}


def fits(accepted: Iterable[float], at: float, window: float, limit: int) -> bool:
    """Whether one more arrival keeps every sliding window at its limit.

    Distance counts in both directions, because simulated latency can let a request overtake another.
    """
    return sum(abs(at - other) < window for other in accepted) < limit


@dataclass
class Log:
    """The arrivals for one endpoint and plugin. Only accepted ones count in the window, so that a rejection does not prolong itself.

    A penalty does prolong it: until `closed_until` everything is rejected.
    """

    limit: int
    accepted: list[float] = field(default_factory=list)
    rejected: list[float] = field(default_factory=list)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    closed_until: float = 0.0

    def minimal_gap(self) -> float | None:
        ordered = sorted(self.accepted)
        return min((later - earlier for earlier, later in pairwise(ordered)), default=None)


class Limiter:
    def __init__(self, window: float, penalty: float = 0.0) -> None:
        """`penalty`: seconds after a rejection in which everything is rejected; each rejection restarts them."""
        self.window = window
        self.penalty = penalty
        self.logs: dict[Visitor, Log] = {}

    def admit(self, endpoint: str, plugin: str, at: float) -> bool:
        """Record an arrival and return whether it is accepted."""
        log = self._log(endpoint, plugin)
        if at < log.closed_until or not fits(log.recent, at, self.window, log.limit):
            self.close(endpoint, plugin, at)
            log.rejected.append(at)
            return False
        log.accepted.append(at)
        log.recent.append(at)
        return True

    def close(self, endpoint: str, plugin: str, at: float) -> None:
        self._log(endpoint, plugin).closed_until = at + self.penalty

    def opens_in(self, endpoint: str, plugin: str, at: float) -> float:
        """Seconds until the next request is accepted."""
        return max(self.window, self._log(endpoint, plugin).closed_until - at)

    def take_back(self, endpoint: str, plugin: str, at: float) -> None:
        """The arrival got a rate limit by an injected fault: it does not count in the window."""
        log = self._log(endpoint, plugin)
        log.recent.remove(at)
        log.accepted.remove(at)

    def clear(self) -> None:
        self.logs.clear()

    def _log(self, endpoint: str, plugin: str) -> Log:
        return self.logs.setdefault((endpoint, plugin), Log(LIMITS.get(endpoint, DEFAULT_LIMIT)))
