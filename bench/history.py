"""How long `feishu-batch history` takes with a million changes that are kept: as intents of one item, and of fifty.

python -m bench.history [--changes 1000000]

Seconds of one look at the whole ledger, and of the whole command, on a server with nothing else to do. Beside it: the same ids by a
pipeline of HGET, as a program without the script would read them. Also the longest single step: for so long the server answers no other client.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from bench.common import Report, arguments, median
from bench.server import Server
from bench.world import FIRST_ITEM
from feishu_batch.item_log import ItemLog
from feishu_batch.keys import DEFAULT_PREFIX
from worker.ledger.keys import LaneKeys

ITEMS = 30_000  # different work items
ROUNDS = 5
KEYS = LaneKeys(DEFAULT_PREFIX, "default")


def fill(server: Server, changes: int, size: int) -> None:
    """Ended intents as the ledger keeps them."""
    pipe = server.redis.pipeline(transaction=False)
    for number in range(1, changes // size + 1):
        first = number * size
        items = ",".join(str(FIRST_ITEM + (first + n) % ITEMS) for n in range(size))
        fields = {"id": f"8b0fa2f0-6b2c-4b1a-9a6e-{number:012}", "g": number % 40, "it": items, "tot": size, "ok": size}
        pipe.hset(KEYS.intent(number), mapping={**fields, "t": 1796048385735, "end": 1796048395735, "rq": 1, "opn": 0})
        pipe.zadd(KEYS.ended("succeeded"), {str(number): 1796048385735 + number})
        if number % 5_000 == 0:
            pipe.execute()
    pipe.execute()


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def by_pipeline(server: Server, intents: int) -> int:
    found = 0
    for first in range(1, intents + 1, 5_000):
        pipe = server.redis.pipeline(transaction=False)
        for number in range(first, min(first + 5_000, intents + 1)):
            pipe.hget(KEYS.intent(number), "it")
        found += sum(str(FIRST_ITEM) in str(items).split(",") for items in pipe.execute())
    return found


def whole_command(server: Server) -> None:
    subprocess.run(
        [sys.executable, "-m", "worker.cli.main", "history", "--item", str(FIRST_ITEM), "--json"],
        env={**os.environ, "FEISHU_BATCH_REDIS_URL": server.url},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def measure(report: Report, changes: int, size: int) -> None:
    with Server(None) as server:
        fill(server, changes, size)
        log = ItemLog(server.redis)
        what = f"{changes:,} changes as intents of {size}"
        assert len(log.numbers(KEYS.head, FIRST_ITEM)) >= changes // ITEMS
        server.redis.config_set("slowlog-log-slower-than", 1_000)
        server.redis.config_set("slowlog-max-len", 10_000)
        report.add(
            f"{what}: a look",
            median([seconds(lambda: log.numbers(KEYS.head, FIRST_ITEM)) for _ in range(ROUNDS)]),
            "s",
            "≤ 2",
        )
        longest = max((one["duration"] for one in server.redis.slowlog_get(10_000)), default=1_000) / 1_000
        report.add(f"{what}: the longest step", longest, "ms")
        report.add(f"{what}: by a pipeline of HGET", seconds(lambda: by_pipeline(server, changes // size)), "s")
        report.add(
            f"{what}: the whole command", median([seconds(lambda: whole_command(server)) for _ in range(3)]), "s"
        )


def main() -> None:
    given = arguments(__doc__ or "", changes=1_000_000)
    changes = 50_000 if given.quick else given.changes
    report = Report("history", "What was done to one work item", quick=given.quick)
    measure(report, changes, 1)
    measure(report, changes, 50)
    report.write()


if __name__ == "__main__":
    main()
