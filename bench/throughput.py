"""Items a second: 3,000 intents of one item with one value, from the first request to the last.

Both ends of the time count as one slot: 60 full requests take 60 slots. Beside it at the same time, for a part of the
way: the stock recipe, one intent per request.
"""

import time
from typing import Any

from bench.common import Report, arguments
from bench.stack import Ours, Stock, wait_until
from bench.world import FIRST_ITEM, content, contents

WINDOW = 1.0
STOCK_SAMPLE = 30.0  # seconds
SANDBOX: dict[str, Any] = {"window": WINDOW, "latency": (0.005, 0.02)}


def ours_and_stock(items: int, sample: float) -> tuple[float, float, int, float]:
    """(items/s of ours, items/s of the stock recipe, requests of ours, seconds until every item was settled)"""
    with Ours(sandbox=SANDBOX) as ours, Stock(sandbox=SANDBOX) as stock:
        stock.enqueue([content([FIRST_ITEM + number]) for number in range(int(sample) + 30)])
        began = time.monotonic()
        handles = ours.client.enqueue_many(list(contents(items, 1)))
        wait_until(lambda: stock.visits()["now"] - began > sample, sample + 30, "the sample is taken")
        seen = stock.visits()["accepted"]
        peer = (len(seen) - 1) / (seen[-1] - seen[0])
        results = [handle.wait(items / 50 * 3 + 60) for handle in handles]
        settled = time.monotonic() - began
        assert all(result.counts["succeeded"] == 1 for result in results)
        accepted = ours.visits()["accepted"]
        return items / (accepted[-1] - accepted[0] + WINDOW), peer, len(accepted), settled


def main() -> None:
    given = arguments(__doc__ or "", items=3000)
    report = Report("throughput", "Items a second, single-item intents with one value", quick=given.quick)
    items = 500 if given.quick else given.items
    rate, peer, requests, settled = ours_and_stock(items, 10.0 if given.quick else STOCK_SAMPLE)
    report.add(f"{items:,} intents of one item", rate, "items/s", "≥ 49")
    report.add("requests for them", requests)
    report.add("until every item was settled, from the first enqueue", settled, "s")
    report.add("stock recipe", peer, "items/s")
    report.write()


if __name__ == "__main__":
    main()
