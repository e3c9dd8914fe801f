"""How long `enqueue()` of one intent takes a backend process: validated, written into the inbox, hint sent if one is wanted.

Beside it, in turn with it: `delay()` of a plain Celery task with the same arguments.
"""

import time
from collections.abc import Callable

from celery import Celery

from bench.common import Report, arguments, median, quantile
from bench.server import Server
from bench.world import FIRST_ITEM, content
from feishu_batch import FeishuBatch

BLOCK = 100  # calls of one kind in a row
TARGETS = {"everysec": ("≤ 0.4", "≤ 2"), "always": ("≤ 1", "")}


def timed(call: Callable[[int], object], first: int, count: int) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for number in range(first, first + count):
        began = time.perf_counter()
        call(number)
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def side_by_side(fsync: str, calls: int) -> tuple[list[float], list[float]]:
    with Server(fsync) as server, Server(fsync) as other, FeishuBatch(server.url, timeout=10) as client:
        app = Celery("plain", broker=other.url, set_as_current=False)

        @app.task(name="plain.change")
        def change(**_: object) -> None: ...

        def enqueue(number: int) -> object:
            return client.enqueue(**content([FIRST_ITEM + number]))

        def delay(number: int) -> object:
            return change.delay(**content([FIRST_ITEM + number]))

        timed(enqueue, 0, BLOCK)  # connections, scripts
        timed(delay, 0, BLOCK)
        ours: list[float] = []
        plain: list[float] = []
        for start in range(BLOCK, BLOCK + calls, BLOCK):
            ours += timed(enqueue, start, BLOCK)
            plain += timed(delay, start, BLOCK)
        app.close()
        return ours, plain


def main() -> None:
    given = arguments(__doc__ or "", calls=5000)
    report = Report("enqueue", "One enqueue() from a backend process", quick=given.quick)
    for fsync, (most, most_p99) in TARGETS.items():
        ours, plain = side_by_side(fsync, 500 if given.quick else given.calls)
        report.add(f"enqueue, fsync {fsync}: p50", median(ours), "ms", most)
        report.add(f"enqueue, fsync {fsync}: p99", quantile(ours, 0.99), "ms", most_p99)
        report.add(f"delay() of a plain task, fsync {fsync}: p50", median(plain), "ms")
        report.add(f"delay() of a plain task, fsync {fsync}: p99", quantile(plain, 0.99), "ms")
    report.write()


if __name__ == "__main__":
    main()
