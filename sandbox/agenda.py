"""What happens later: actions with their time.

Nothing runs in the background. `Agenda.advance(now)` runs every action that is due, by time: time is an argument, and jobs
and single updates interleave exactly by their times.
"""

import heapq
from collections.abc import Callable

Action = Callable[[float], None]  # called with its time


class Agenda:
    def __init__(self) -> None:
        self._due: list[tuple[float, int, Action]] = []
        self._added = 0

    def add(self, at: float, action: Action) -> None:
        self._added += 1
        heapq.heappush(self._due, (at, self._added, action))

    def advance(self, now: float) -> None:
        """Run all actions that are due; they may add others."""
        while self._due and self._due[0][0] <= now:
            at, _, action = heapq.heappop(self._due)
            action(at)

    def clear(self) -> None:
        self._due.clear()
