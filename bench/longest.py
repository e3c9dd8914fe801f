"""The longest time for which one script blocks the server, with a lane in its worst state.

While a script runs, the server answers no other client: no other lane, no producer. So each script limits what it reads. Measured is the
processor time of the server's one thread, which does not grow when other programs want the processor: for each call; of calls in a
pipeline their mean.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.backlog import new_intent, spec_of
from bench.claim import accept, claim, settle
from bench.common import Report, arguments
from bench.server import Server
from bench.world import FIRST_ITEM, runtime_for, settings_for
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.lane import Lane
from worker.ledger.record_calls import NewIntent
from worker.ledger.records import Batch, NoBatch

PORTION = 200  # intents per pipeline
CELLS = 50
BOUND = "≤ 10"  # ms


class Watch:
    """The milliseconds of the longest call of a lane's scripts since it was asked last."""

    def __init__(self, lane: Lane, pid: int) -> None:
        self._schedstat = Path(f"/proc/{pid}/schedstat")
        self._call, self._record = lane._run, lane.record
        self._longest, self._in_pipeline = 0.0, 0
        vars(lane).update(_run=self._timed, record=self._recorded)

    def __call__(self) -> float:
        longest, self._longest = self._longest, 0.0
        return longest

    def _spent(self) -> float:
        return int(self._schedstat.read_text().split()[0]) / 1e6

    def _timed(self, script: str, *args: Any, client: Any = None) -> Any:
        if client is not None:
            self._in_pipeline += 1
            return self._call(script, *args, client=client)
        before = self._spent()
        answer = self._call(script, *args)
        self._longest = max(self._longest, self._spent() - before)
        return answer

    def _recorded(self, intents: Sequence[NewIntent]) -> Any:
        before, self._in_pipeline = self._spent(), 0
        answer = self._record(intents)
        self._longest = max(self._longest, (self._spent() - before) / max(1, self._in_pipeline))
        return answer


@contextmanager
def a_lane() -> Iterator[tuple[Lane, Watch]]:
    with Server("everysec") as server:
        runtime = runtime_for(settings_for(server.url))
        lane = next(iter(runtime.lanes.values())).lane
        lane.end_stopped()  # loads scripts
        yield lane, Watch(lane, server.pid)


def record(lane: Lane, intents: Iterable[NewIntent]) -> None:
    portion: list[NewIntent] = []
    for one in intents:
        portion.append(one)
        if len(portion) == PORTION:
            lane.record(portion)
            portion = []
    if portion:
        lane.record(portion)


def intents(count: int, *, values: int = 1, cells: int = 0, keep: bool = False, first: int = 1) -> Iterator[NewIntent]:
    """Of one item each; all at the first `cells` cells in turn, or each at its own."""
    specs = [spec_of(f"value {value}") for value in range(values)]
    for number in range(first, first + count):
        item = FIRST_ITEM + (number % cells if cells else number)
        yield new_intent(number, specs[number % values], (item,), keep=keep)


def end_all(lane: Lane) -> None:
    while lane.end_stopped().more:
        pass


def cancel_lines(report: Report, count: int) -> None:
    """Thousands wait behind each other at a few cells, and all are canceled."""
    with a_lane() as (lane, longest):
        record(lane, intents(count, cells=CELLS // 10, keep=True))
        report.add(f"record {count:,} changes at {CELLS // 10} cells", longest(), "ms", BOUND)
        lane.stop(range(1, count + 1), OutcomeKind.CANCELED)
        longest()  # a pipeline of marks, each bounded by the length of its list
        end_all(lane)
        report.add("end them", longest(), "ms", BOUND)


def supersede(report: Report, count: int) -> None:
    """Thousands gave way at each cell to the newest value, which is written."""
    with a_lane() as (lane, longest):
        record(lane, intents(count, values=count, cells=CELLS))
        report.add(f"record {count:,} different values for {CELLS} cells", longest(), "ms", BOUND)
        while not isinstance(batch := claim_any(lane), NoBatch):
            accept(lane, batch)
            settle(lane, batch)
        report.add("claim and settle the newest", longest(), "ms", BOUND)
        end_all(lane)
        report.add("end those that gave way", longest(), "ms", BOUND)


def expire(report: Report, count: int, values: int) -> None:
    """Thousands expire at one moment before what lives."""
    groups = "of one group" if values == 1 else "of a group each"
    with a_lane() as (lane, longest):
        soon = round(lane.now() * 1000) + 500 + count // 2
        record(lane, (replace(one, expires_at_ms=soon) for one in intents(count, values=values)))
        record(lane, intents(CELLS, first=count + 1))
        time.sleep(max(0.0, soon / 1000 - lane.now()) + 0.1)
        longest()
        began = time.monotonic()
        batch = claim(lane)
        report.add(
            f"{count:,} intents {groups} have expired: until the next batch is composed",
            1000 * (time.monotonic() - began),
            "ms",
        )
        report.add("the longest step of that", longest(), "ms", BOUND)
        accept(lane, batch)
        settle(lane, batch)
        end_all(lane)
        report.add("end them", longest(), "ms", BOUND)
        ended = [number for number, _ in lane.take_outbox(count, 60)]
        longest()
        lane.confirm_published(ended)
        lane.forget(ended)
        report.add("forget them", longest(), "ms", BOUND)


def claim_any(lane: Lane) -> Batch | NoBatch:
    return lane.claim(owner="bench", lease=6, max_open=10**6, max_wait=120, idem_uuid="u", token_fingerprint="t")


def main() -> None:
    given = arguments(__doc__ or "", waiting=20_000)
    count = 2_000 if given.quick else given.waiting
    report = Report("longest", "The longest that one script holds the server", quick=given.quick)
    cancel_lines(report, count)
    supersede(report, count)
    expire(report, count, 1)
    expire(report, count, count)
    report.write()


if __name__ == "__main__":
    main()
