"""Items a second: 3,000 intents of one item with one value, from the first request to the last.

Both ends of the time count as one slot: 60 full requests take 60 slots. Twice one after the other: by a worker that was just
started, which is careful while it knows little of the way to the remote system, and by one that has been at work for a minute.
Beside the first, for a part of the way: the stock recipe, one intent per request.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.common import Report, arguments
from bench.stack import Ours, Stock, wait_until
from bench.world import FIRST_ITEM, content, contents

WINDOW = 1.0
STOCK_SAMPLE = 30.0  # seconds
SANDBOX: dict[str, Any] = {"window": WINDOW, "latency": (0.005, 0.02)}


@dataclass(frozen=True)
class Pass:
    rate: float  # items/s from the first request to the last
    requests: int
    settled: float  # seconds from the first enqueue until every item was settled


def one_pass(ours: Ours, items: int, first: int) -> Pass:
    seen_before = len(ours.visits()["accepted"])
    began = time.monotonic()
    handles = ours.client.enqueue_many(list(contents(items, 1, first=first)))
    results = [handle.wait(items / 50 * 3 + 60) for handle in handles]
    settled = time.monotonic() - began
    assert all(result.counts["succeeded"] == 1 for result in results)
    accepted = ours.visits()["accepted"][seen_before:]
    return Pass(items / (accepted[-1] - accepted[0] + WINDOW), len(accepted), settled)


def stock_rate(stock: Stock, sample: float) -> float:
    """Items a second, over so many seconds."""
    began = stock.visits()["now"]
    stock.enqueue([content([FIRST_ITEM + number]) for number in range(int(sample) + 30)])
    wait_until(lambda: stock.visits()["now"] - began > sample, sample + 30, "the sample is taken")
    seen = stock.visits()["accepted"]
    return (len(seen) - 1) / (seen[-1] - seen[0])


def main() -> None:
    given = arguments(__doc__ or "", items=3000)
    report = Report("throughput", "Items a second, single-item intents with one value", quick=given.quick)
    items = 500 if given.quick else given.items
    sample = 10.0 if given.quick else STOCK_SAMPLE
    with Ours(sandbox=SANDBOX) as ours, Stock(sandbox=SANDBOX) as stock, ThreadPoolExecutor(1) as beside:
        peer = beside.submit(stock_rate, stock, sample)
        young = one_pass(ours, items, FIRST_ITEM)
        at_work = one_pass(ours, items, FIRST_ITEM + items)
    report.add(f"{items:,} intents of one item, worker at work for a minute", at_work.rate, "items/s", "≥ 49")
    report.add(f"{items:,} intents of one item, worker just started", young.rate, "items/s")
    report.add("requests for them", young.requests)
    report.add("until every item was settled, from the first enqueue", young.settled, "s")
    report.add("stock recipe", peer.result(), "items/s")
    report.write()


if __name__ == "__main__":
    main()
