"""Bulk: items a second from `enqueue_many` into the inbox, and from the inbox through intake into the ledger.

Beside it in the same run: one Celery message per change, sent one by one.
"""

import time

from celery import Celery

from bench.common import Report, arguments, median
from bench.server import Server
from bench.world import content, contents, runtime_for, settings_for
from feishu_batch import FeishuBatch

SHAPES = {"1 item": 1, "50 items": 50, "10,000 items": 10_000}
ROUNDS = 3


def celery_messages(url: str, count: int) -> float:
    """Messages a second, each with one change."""
    app = Celery("plain", broker=url, set_as_current=False)

    @app.task(name="plain.change")
    def change(**_: object) -> None: ...

    change.delay(**content([1]))
    began = time.perf_counter()
    for number in range(count):
        change.delay(**content([number + 2]))
    return count / (time.perf_counter() - began)


def one_shape(fsync: str, per_intent: int, items: int) -> tuple[float, float]:
    """(items/s into the inbox, items/s into the ledger)"""
    with Server(fsync) as server, FeishuBatch(server.url, timeout=30) as client:
        runtime = runtime_for(settings_for(server.url))
        client.enqueue_many([content([1])])
        runtime.intake.drain()
        wanted = list(contents(items, per_intent))
        began = time.perf_counter()
        client.enqueue_many(wanted)
        enqueued = time.perf_counter()
        while runtime.inbox.length():
            runtime.intake.drain(longest=0.5)
        return items / (enqueued - began), items / (time.perf_counter() - enqueued)


def main() -> None:
    given = arguments(__doc__ or "")
    report = Report("bulk", "Bulk: into the inbox and into the ledger", quick=given.quick)
    items = 10_000 if given.quick else 100_000
    for fsync in ("everysec", "always"):
        for name, per_intent in SHAPES.items():
            rounds = [one_shape(fsync, per_intent, items) for _ in range(1 if given.quick else ROUNDS)]
            inbox, ledger = (median([one[side] for one in rounds]) for side in (0, 1))
            report.add(f"enqueue_many, intents of {name}, fsync {fsync}", inbox, "items/s", "≥ 20000")
            report.add(f"intake, intents of {name}, fsync {fsync}", ledger, "items/s", "≥ 10000")
        with Server(fsync) as server:
            rate = celery_messages(server.url, 500 if given.quick else 5000)
            report.add(f"peer: Celery messages one by one, fsync {fsync}", rate, "items/s")
    report.note(
        f"Median of {1 if given.quick else ROUNDS} round(s); the producer validates every intent, the worker again."
    )
    report.write()


if __name__ == "__main__":
    main()
