"""From `enqueue()` to the arrival of the request's first bytes, on an idle lane.

The sandbox reads its arrivals off the same clock (CLOCK_MONOTONIC); its latency is 0, so what is left is ours. The figure
is measured at another server: the request was sent *and* has arrived.
"""

import time

from bench.common import Report, arguments, median, quantile
from bench.stack import Ours, wait_until
from bench.world import FIRST_ITEM, content

SPACING = 2.2  # seconds: the slot, the hints of the intent before and its polls are over


def measure(intents: int, fsync: str) -> list[float]:
    """Milliseconds, one by one."""
    with Ours(fsync=fsync, sandbox={"job_median": 0.3}) as ours:
        ours.client.enqueue(**content([FIRST_ITEM])).wait(30)  # token, connections, scripts
        time.sleep(SPACING)
        asked = []
        for number in range(1, intents + 1):
            asked.append(time.monotonic())
            ours.client.enqueue(**content([FIRST_ITEM + number], f"value {number}"))
            # Not in step with the sweep, which looks every two seconds.
            time.sleep(SPACING + 0.07 * (number % 7))
        wait_until(lambda: len(ours.visits()["accepted"]) > intents, 30, "every request has arrived")
        arrived = ours.visits()["accepted"][1:]
        return [1000 * (arrival - at) for at, arrival in zip(asked, arrived, strict=True)]


def main() -> None:
    given = arguments(__doc__ or "", intents=30)
    report = Report("latency", "From enqueue() to the request, idle lane", quick=given.quick)
    taken = measure(5 if given.quick else given.intents, "always")
    report.add("enqueue to arrival: p50", median(taken), "ms")
    report.add("enqueue to arrival: p95", quantile(taken, 0.95), "ms", "≤ 100")
    report.add("enqueue to arrival: longest", max(taken), "ms")
    report.note(f"{len(taken)} intents, 2.2 to 2.6 s apart; every process with default settings, fsync always.")
    report.data["milliseconds"] = [round(one, 2) for one in taken]
    report.write()


if __name__ == "__main__":
    main()
