"""Requests for 10,000 intents, Zipf-distributed over 40 and 200 groups, every change sent and the order per cell kept.

The ledger's own scripts on a real server; the remote side and the clock are simulated: a slot lasts STEP seconds instead
of one, and every other time (a job's length, the longest wait of a group) is shortened alike.

All at once: against the lower bound, the sum over the groups of ⌈changes / 50⌉. As a stream at 0.9 of the limit: against a
plan that knows all arrivals, keeps no order per cell, and like us leaves no slot empty while something waits: full batches
first, then a batch that costs no request more in the end, then the fullest. Beside both: one request per intent, and
grouping by windows of five seconds.
"""

import heapq
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from bench.common import Report, arguments
from bench.server import Server
from bench.world import FIELD, FIRST_ITEM, PROJECT, runtime_for, settings_for, zipf
from worker.ledger.lane import Lane
from worker.ledger.record_calls import NewIntent
from worker.ledger.records import SUCCEEDED, Batch, BatchState

FULL = 50
STEP = 0.03  # real seconds per slot
FIELDS = 4  # the groups are values of so many fields
SHARE_OF_MULTI = 0.3
CELLS_PER_CHANGE = 4  # items of a field per change of it: every fifth meets a change that still waits
FEW_MEET = 100  # the same, where one in a hundred does
JOB_MEDIAN, JOB_SIGMA = 2.0, 0.5  # slots
LONGEST_WAIT = 120.0  # slots
LOAD = 0.9  # of the limit, items of the stream
WINDOW = 5.0  # slots


@dataclass(frozen=True)
class Arrival:
    at: float  # slots
    group: int
    items: tuple[int, ...]


def workload(
    intents: int, groups: int, *, stream: bool, seed: int, cells_per_change: int = CELLS_PER_CHANGE
) -> list[Arrival]:
    rng = random.Random(seed)
    chosen = zipf(groups, rng)
    sizes = [rng.randint(2, 20) if rng.random() < SHARE_OF_MULTI else 1 for _ in range(intents)]
    cells = range(FIRST_ITEM, FIRST_ITEM + cells_per_change * sum(sizes) // FIELDS)
    length = sum(sizes) / (FULL * LOAD)
    times = sorted(rng.uniform(0, length) for _ in sizes) if stream else [0.0] * intents
    return [Arrival(at, next(chosen), tuple(rng.sample(cells, size))) for at, size in zip(times, sizes, strict=True)]


def new_intent(number: int, arrival: Arrival) -> NewIntent:
    field = f"{FIELD}_{arrival.group % FIELDS}"
    spec = (
        f'{{"project_key":"{PROJECT}","work_item_type_key":"story","field_key":"{field}","update_mode":"UPDATE",'
        f'"before_field_value":null,"after_field_value":"value {arrival.group}","user_key":"7300000000000000001"}}'
    )
    return NewIntent(
        number=number,
        intent_id=f"00000000-0000-4000-8000-{number:012d}",
        digest=f"{arrival.group:024x}",
        spec=spec,
        column=f"{PROJECT} {field}",
        mode="UPDATE",
        priority=5,
        enqueued_at_ms=int(time.time() * 1000),
        expires_at_ms=None,
        keep_every_change=True,
        note=None,
        items=arrival.items,
    )


def lower_bound(changes: Counter[int]) -> int:
    return sum(math.ceil(count / FULL) for count in changes.values())


class Ledger:
    """Sends the arrivals in simulated slots; counts requests and proves the order per cell."""

    def __init__(self, lane: Lane, seed: int) -> None:
        self._lane = lane
        self._rng = random.Random(seed)
        self._open: list[tuple[float, int, Batch]] = []
        self._last: dict[tuple[str, int], int] = {}
        self.requests = 0
        self.items = 0
        self.slots = 0

    def run(self, arrivals: Sequence[Arrival]) -> None:
        began = time.monotonic()
        waiting = sum(len(one.items) for one in arrivals)
        place = 0
        while self.items < waiting or self._open:
            here = place
            while place < len(arrivals) and arrivals[place].at <= self.slots:
                place += 1
            if place > here:
                self._lane.record([new_intent(n + 1, arrivals[n]) for n in range(here, place)])
            while self._open and self._open[0][0] <= self.slots:
                self._settle(heapq.heappop(self._open)[2])
            self._send()
            self.slots += 1
            time.sleep(max(0.0, began + self.slots * STEP - time.monotonic()))

    def _send(self) -> None:
        batch = self._lane.claim(
            owner=str(uuid4()),
            lease=60,
            max_open=10**6,
            max_wait=LONGEST_WAIT * STEP,
            idem_uuid=str(uuid4()),
            token_fingerprint="t",
        )
        if not isinstance(batch, Batch):
            return
        self.requests += 1
        self.items += len(batch.items)
        for item, number in zip(batch.items, batch.intents, strict=True):
            cell = (batch.spec.field_key, item)
            assert self._last.get(cell, 0) < number, f"{cell}: {number} after {self._last[cell]}"
            self._last[cell] = number
        self._lane.advance(
            batch, state=BatchState.SENDING, settled={}, then=BatchState.OPEN, delay=1, fields={"task": "1"}
        )
        ends = self.slots + self._rng.lognormvariate(math.log(JOB_MEDIAN), JOB_SIGMA) + 1
        heapq.heappush(self._open, (ends, batch.number, batch))

    def _settle(self, batch: Batch) -> None:
        settled = dict.fromkeys(batch.cells, SUCCEEDED)
        self._lane.advance(batch, state=BatchState.OPEN, settled=settled, then=BatchState.OPEN)


def plan_with_hindsight(arrivals: Iterable[Arrival]) -> int:
    """Requests of a planner that knows what is to come."""
    coming = list(arrivals)
    future = Counter[int]()
    for one in coming:
        future[one.group] += len(one.items)
    ready = Counter[int]()
    place = requests = slot = 0
    while place < len(coming) or +ready:
        while place < len(coming) and coming[place].at <= slot:
            ready[coming[place].group] += len(coming[place].items)
            future[coming[place].group] -= len(coming[place].items)
            place += 1
        slot += 1
        if waiting := list(+ready):
            group = max(waiting, key=lambda g: (ready[g] >= FULL, _is_free(ready[g], future[g]), ready[g]))
            ready[group] -= min(FULL, ready[group])
            requests += 1
    return requests


def _is_free(ready: int, future: int) -> bool:
    return math.ceil((ready + future) / FULL) == 1 + math.ceil(future / FULL)


def by_windows(arrivals: Iterable[Arrival]) -> int:
    windows: dict[int, Counter[int]] = defaultdict(Counter)
    for one in arrivals:
        windows[int(one.at // WINDOW)][one.group] += len(one.items)
    return sum(lower_bound(changes) for changes in windows.values())


def requests_of_ours(arrivals: Sequence[Arrival], seed: int) -> tuple[int, int]:
    """(requests, slots from the first to the end)"""
    with Server("everysec") as server:
        runtime = runtime_for(settings_for(server.url))
        ledger = Ledger(next(iter(runtime.lanes.values())).lane, seed)
        ledger.run(arrivals)
        return ledger.requests, ledger.slots


def one_case(report: Report, intents: int, groups: int, seed: int, *, stream: bool, cells_per_change: int) -> None:
    name = f"{groups} groups, {'as a stream' if stream else 'all at once'}"
    name += ", few cells twice" if cells_per_change == FEW_MEET else ""
    arrivals = workload(intents, groups, stream=stream, seed=seed, cells_per_change=cells_per_change)
    changes = Counter[int]()
    for one in arrivals:
        changes[one.group] += len(one.items)
    best = plan_with_hindsight(arrivals) if stream else lower_bound(changes)
    requests, slots = requests_of_ours(arrivals, seed)
    against = "the plan with hindsight" if stream else "the lower bound"
    report.add(f"{name}: requests over {against}", requests / best, "×", "≤ 1.10" if stream else "≤ 1.05")
    report.add(f"{name}: requests", requests)
    report.add(f"{name}: {against}", best)
    report.add(f"{name}: lower bound without any time", lower_bound(changes))
    report.add(f"{name}: one request per intent", len(arrivals))
    report.add(f"{name}: windows of {WINDOW:g} s", by_windows(arrivals))
    report.note(f"    {changes.total():,} changes, {slots:,} slots until all were settled")


def main() -> None:
    given = arguments(__doc__ or "", intents=10_000, seed=1)
    intents = 1000 if given.quick else given.intents
    report = Report("packing", f"Requests for {intents:,} intents", quick=given.quick)
    for groups in (40, 200):
        for stream, cells in ((False, FEW_MEET), (False, CELLS_PER_CHANGE), (True, CELLS_PER_CHANGE)):
            one_case(report, intents, groups, given.seed, stream=stream, cells_per_change=cells)
    report.note("The order per cell was checked at every request. The peers are counted without any order per cell.")
    report.write()


if __name__ == "__main__":
    main()
