"""The single route beside the batch route alone, and the bound of both limits: seconds, requests and reads.

First the ledger's own scripts on a real server, with a simulated remote side and clock: in a slot of one second one batch leaves, 13 single
updates (the most that the setting allows; the endpoint takes 15), and 15 reads. Then real processes: how long an idle lane's change
takes to its outcome, what a single update costs in processor time and memory, and how many requests arrive in a second.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench.common import Report, arguments, median, quantile
from bench.stack import Ours, wait_until
from bench.tables import ITEMS_PER_READ, PLACE, READS_PER_SLOT, Ledger, Table, Work, distinct, held_before, of_values
from bench.world import FIELD, FIRST_ITEM, content
from worker.ledger.records import SUCCEEDED, Batch, BatchState

RATE: Final = 13
LIMIT: Final = 15  # requests a second at the endpoint
QUIET: Final = 0.32  # seconds: a little more than a group must be quiet
Held = Mapping[tuple[int, str], str]


class TwoRoutes(Ledger):
    """`rate`: single updates a second; 0: batches alone."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self._rate = rate
        self.singles = 0

    def record(self, table: Table, *, looks: bool) -> float:
        self.runtime.intake._single_kind = lambda _lane, _intent: "p"  # the catalogue of a simulated remote side
        self.lane.singles.configure(self._rate, alone=True)
        self.lane.singles.begin("bench", 3600)
        return super().record(table, looks=looks)

    def carry_out(self, held: Held) -> Work:
        done = Work()
        while self.lane.next_look_in() is not None or self.lane.counts().owned_cells:
            done.slots += 1
            for _ in range(READS_PER_SLOT):
                if not self._look(held, done):
                    break
            if self.redis.zcard(self.lane.keys.singles.fresh):
                time.sleep(QUIET)  # less than a slot
            in_flight = [batch for batch in [self._claim()] if batch]
            in_flight += [batch for _ in range(self._rate) if (batch := self._claim_single())]
            for batch in in_flight:  # answered within the slot
                settled = dict.fromkeys(batch.cells, SUCCEEDED)
                then = BatchState.CHECK if batch.route == "single" else BatchState.OPEN
                self.lane.advance(
                    batch, state=BatchState.SENDING, settled=settled, then=then, left=True, reads_behind=10
                )
                done.requests += 1
                self.singles += batch.route == "single"
        return done

    def _claim_single(self) -> Batch | None:
        claimed = self.lane.singles.claim(owner="bench", max_wait=120, idem_uuid="u", token_fingerprint="t", grace=20)
        return claimed if isinstance(claimed, Batch) else None


def bound(table: Table, held: Held) -> float:
    """Seconds that no assignment of values to routes beats: batches at one a second, beside them 15 items a second."""
    groups: dict[tuple[str, str], set[int]] = {}
    for (item, name), value in held.items():
        if value != table[item][name]:
            groups.setdefault((name, table[item][name]), set()).add(item)
    by_size = sorted(groups.values(), key=len, reverse=True)
    best, batches = float("inf"), 0.0
    rest = [set[int]()] * (len(by_size) + 1)
    for at in range(len(by_size) - 1, -1, -1):
        rest[at] = rest[at + 1] | by_size[at] if len(by_size) <= MOST_GROUPS else rest[at + 1]
    if len(by_size) > MOST_GROUPS:  # nearly all values differ
        return len(set().union(*by_size)) / (LIMIT + 1)
    for at in range(len(by_size) + 1):
        best = min(best, max(batches, len(rest[at]) / LIMIT))
        batches += -(-len(by_size[at]) // ITEMS_PER_READ) if at < len(by_size) else 0
    return best


MOST_GROUPS: Final = 5_000


def compare(report: Report, name: str, table: Table, unchanged: float, *, looks: bool, target: str = "") -> None:
    held = held_before(table, unchanged)
    work: dict[int, Work] = {}
    singles = 0
    for rate in (0, RATE):
        with TwoRoutes(rate) as ledger:
            ledger.record(table, looks=looks)
            work[rate] = ledger.carry_out(held)
            singles = ledger.singles
    least = max(bound(table, held), len(table) / (READS_PER_SLOT * ITEMS_PER_READ) if looks else 0.0)
    alone, both = work[0], work[RATE]
    report.add(f"{name}: batches alone", alone.slots, "s")
    report.add(f"{name}: with single updates", both.slots, "s", f"≤ {alone.slots}")
    report.add(f"{name}: to the bound of {least:.1f} s", both.slots / least, "", target)
    report.add(f"{name}: batches alone, requests", alone.requests)
    most = "" if target else f"≤ {alone.requests}"  # where the route has nothing to gain, it must not cost anything
    report.add(f"{name}: with single updates, requests", both.requests, "", most)
    report.add(f"{name}: of these single updates", singles)
    if looks:
        report.add(f"{name}: reads", both.reads)


def mixed(items: int) -> Table:
    """Five fields: two with a value of their own for each item, one with 40 values, one with seven, one with one."""
    return {
        item: {
            "field_00000a": f"own {item}",
            "field_00000b": f"number {item}",
            "field_00000c": f"one of forty {item % 40}",
            "field_00000d": f"one of seven {item % 7}",
            "field_00000e": "the same",
        }
        for item in range(FIRST_ITEM, FIRST_ITEM + items)
    }


def scenes(size: int) -> Iterator[tuple[str, Table, float, bool, str]]:
    few = size // 5
    yield f"{size:,} distinct values", distinct(size, 1), 0.0, False, "≤ 1.7"
    yield f"{size:,} distinct, 90 % unchanged", distinct(size, 1), 0.9, True, "≤ 1.7"
    yield f"{few:,} items x 5 mixed fields", mixed(few), 0.0, False, "≤ 1.7"
    yield f"{few:,} items x 5 mixed fields, 90 % unchanged", mixed(few), 0.9, True, "≤ 1.7"
    yield f"{size:,} items, 40 values", of_values(size, 40), 0.0, False, ""


def idle_change(report: Report, changes: int) -> None:
    """One at a time on an idle lane, from `enqueue()` to its outcome, with and without the route, in turn."""
    for rate in (0, RATE):
        taken = []
        with Ours(sandbox={"job_median": 0.3}, single_updates_per_second=rate) as ours:
            ours.client.enqueue(**content([FIRST_ITEM])).wait(30)
            wait_until(lambda: ours.lane.singles.state().is_on or not rate, 30, "the route is as the settings say")  # noqa: B023
            for number in range(1, changes + 1):
                time.sleep(2.2)
                began = time.monotonic()
                ours.client.enqueue(**content([FIRST_ITEM + number], f"value {number}")).wait(30)
                taken.append(time.monotonic() - began)
        what = "with single updates" if rate else "batches alone"
        report.add(f"idle lane, a change to its outcome, {what}: p50", median(taken), "s", "≤ 0.6" if rate else "")
        report.add(f"idle lane, a change to its outcome, {what}: p95", quantile(taken, 0.95), "s")


def arrivals(window: str, requests: int) -> dict[str, Any]:
    """Real processes: `requests` different values through the single route, at an endpoint with this window."""
    with Ours(sandbox={"put_window": window}, single_updates_per_second=RATE) as ours:
        ours.client.enqueue(**content([FIRST_ITEM])).wait(30)
        wait_until(lambda: ours.lane.singles.state().is_on, 30, "the route is on")
        pids = {name: process.pid for name, process in ours.processes.running.items()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        redis_before = ours.server.redis.info("commandstats")
        server_before = cpu_seconds(ours.server.pid)
        began = time.monotonic()
        rows = {FIRST_ITEM + number: {FIELD: f"value {number}"} for number in range(1, requests + 1)}
        changes = ours.client.enqueue_table(rows, **PLACE, change_set="bench", skip_unchanged=False)
        result = changes.wait(requests)
        took = time.monotonic() - began
        seen = ours.visits("update_item")
        sent = max(1, len(seen["accepted"]) + len(seen["rejected"]))
        commands = sum(one["calls"] for one in ours.server.redis.info("commandstats").values())
        return {
            "took": took,
            "succeeded": result.counts["succeeded"],
            "requests": sent,
            "rejected": len(seen["rejected"]),
            "most": most_in_a_second(sorted(seen["accepted"] + seen["rejected"])),
            "cpu": sum(cpu_seconds(pid) - before[name] for name, pid in pids.items()) / sent,
            "server": (cpu_seconds(ours.server.pid) - server_before) / sent,
            "commands": (commands - sum(one["calls"] for one in redis_before.values())) / sent,
            "memory": {name: memory_of(pid) for name, pid in pids.items() if name != "beat"},
        }


def most_in_a_second(arrivals: list[float]) -> int:
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory_of(pid: int) -> float:
    """MB, resident."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def all_windows(report: Report, requests: int) -> None:
    windows = ("sliding", "fixed", "smooth")
    with ThreadPoolExecutor(len(windows)) as pool:  # side by side: each waits most of the time
        found = dict(zip(windows, pool.map(lambda window: arrivals(window, requests), windows), strict=True))
    for window, one in found.items():
        report.add(f"{window} window: requests", one["requests"])
        report.add(f"{window} window: refused by the limit", one["rejected"], "", "≤ 0" if window != "smooth" else "")
        report.add(f"{window} window: most in one second", one["most"], "", f"≤ {LIMIT}")
        report.add(
            f"{window} window: {requests:,} different values", one["took"], "s", f"≤ {1.7 * requests / LIMIT:.1f}"
        )
    sliding = found["sliding"]
    report.add("a single update: processor time of the workers", 1000 * sliding["cpu"], "ms")
    report.add("a single update: processor time of Redis", 1000 * sliding["server"], "ms")
    report.add("a single update: Redis commands, in scripts too", sliding["commands"])
    for name, megabytes in sliding["memory"].items():
        report.add(f"memory of the {name} worker", megabytes, "MB", "≤ 90")


def main() -> None:
    given: Any = arguments(__doc__ or "", cells=10_000, changes=20, requests=10_000, part="all")
    size = 1_000 if given.quick else given.cells
    report = Report("singles", "Single updates beside batches alone", quick=given.quick)
    if given.part in ("all", "simulated"):
        for name, table, unchanged, looks, target in scenes(size):
            compare(report, name, table, unchanged, looks=looks, target=target)
    if given.part in ("all", "idle"):
        idle_change(report, 4 if given.quick else given.changes)
    if given.part in ("all", "arrivals"):
        all_windows(report, 200 if given.quick else given.requests)
    report.note(
        "Bound: every batch at one a second, beside them 15 items a second, with the best choice for each value."
    )
    report.write()


if __name__ == "__main__":
    main()
