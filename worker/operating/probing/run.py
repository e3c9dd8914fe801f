"""What the readings share while they observe: where they write, which value comes next, and how long a read may be behind."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Barrier, BrokenBarrierError
from typing import Any, Final

from worker.operating.probing.place import ProbePlace, TrialField
from worker.operating.probing.sender import ProbeSender
from worker.operating.probing.sent import Sent
from worker.remote.models import WorkItem

CONNECTING: Final = 20.0  # seconds


@dataclass(slots=True)
class ProbeRun:
    """`lag`: seconds after which a read shows a write, found by the first reading."""

    sender: ProbeSender
    place: ProbePlace
    may_single: bool = True
    lag: float = 0.0
    _last: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def second(self) -> float:
        return self.sender.second

    def item(self, turn: int) -> int:
        return self.place.items[turn % len(self.place.items)]

    def next_value(self, item: int, of: TrialField) -> Any:
        """Another one than the time before, for this item and field."""
        number = self._last.get((item, of.key), 1) ^ 1
        self._last[item, of.key] = number
        return of.values[number]

    def write(self, item: int, values: Mapping[str, Any]) -> None:
        self.sender.write(item, values, singly=self.may_single)

    def shown(self, item: int) -> WorkItem | None:
        """The item, read when a write of before is shown."""
        time.sleep(self.lag)
        return self.sender.read([item]).get(item)

    def together(self, writes: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Sent]:
        """Single updates that leave at the same moment, each once its connection is open."""
        barrier = Barrier(len(writes))

        def leave() -> bool:
            with suppress(BrokenBarrierError):
                barrier.wait(CONNECTING)
            return True

        def send(number: int) -> Sent:
            item, values = writes[number]
            return self.sender.put_now(item, values, leave, self.sender.clients[number % len(self.sender.clients)])

        return in_threads(send, len(writes))


def in_threads(send: Callable[[int], Sent], count: int) -> list[Sent]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(send, range(count)))
