"""How long `feishu-batch history` takes with a million changes that are kept: as intents of one item, of eleven, and of fifty.

python -m bench.history [--changes 1000000]

Seconds of one search of the whole ledger, and of the whole command, on a server with nothing else to do. Beside it: the same ids by a
pipeline of HGET, as a program without the item log would read them. Also the longest single step: for so long the server answers no other client;
and what the log takes of Redis's memory.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.common import Report, arguments, median
from bench.server import Server
from bench.world import FIRST_ITEM, content, drain, runtime_for, settings_for
from feishu_batch import FeishuBatch
from feishu_batch.item_log import MOST_MARKED, ItemLog
from feishu_batch.keys import DEFAULT_PREFIX
from worker.ledger.keys import LaneKeys

ITEMS = 30_000  # different work items
ROUNDS = 5
PORTION = 50_000  # changes that are enqueued together
SIZES = (1, MOST_MARKED + 1, 50)
KEYS = LaneKeys(DEFAULT_PREFIX, "default")


def contents(changes: int, size: int) -> Iterator[dict[str, Any]]:
    for first in range(0, changes - size + 1, size):
        yield content([FIRST_ITEM + (first + n) % ITEMS for n in range(size)], f"value {first // ITEMS % 40}")


def fill(server: Server, changes: int, size: int) -> float:
    """Recorded as any intent is. Bytes of Redis per change."""
    with FeishuBatch(server.url, timeout=60) as client:
        runtime = runtime_for(settings_for(server.url))
        before = server.memory()
        waiting = list(contents(changes, size))
        for start in range(0, len(waiting), PORTION // size):
            client.enqueue_many(waiting[start : start + PORTION // size])
            drain(runtime)
        return (server.memory() - before) / changes


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def log_memory(server: Server) -> int:
    blocks = server.redis.smembers(KEYS.log_blocks)
    names = [KEYS.log_blocks, *map(KEYS.item_log, blocks)]
    return sum(server.redis.memory_usage(name, samples=0) for name in names)


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
        per_change = fill(server, changes, size)
        log = ItemLog(server.redis)
        what = f"{changes:,} changes as intents of {size}"
        assert len(log.numbers(KEYS.head, FIRST_ITEM)) >= changes // ITEMS
        server.redis.config_set("slowlog-log-slower-than", 1_000)
        server.redis.config_set("slowlog-max-len", 10_000)
        server.redis.slowlog_reset()
        report.add(
            f"{what}: a search",
            median([seconds(lambda: log.numbers(KEYS.head, FIRST_ITEM)) for _ in range(ROUNDS)]),
            "s",
            "≤ 2",
        )
        longest = max((one["duration"] for one in server.redis.slowlog_get(10_000)), default=1_000) / 1_000
        report.add(f"{what}: the longest step", longest, "ms")
        report.add(f"{what}: by a pipeline of HGET", seconds(lambda: by_pipeline(server, changes // size)), "s")
        report.add(
            f"{what}: the whole command",
            median([seconds(lambda: whole_command(server)) for _ in range(3)]),
            "s",
            "≤ 2",
        )
        share = 100 * log_memory(server) / changes / per_change
        report.add(f"{what}: the log in {per_change:.0f} B/change", share, "%", "≤ 3")


def main() -> None:
    given = arguments(__doc__ or "", changes=1_000_000)
    changes = 50_000 if given.quick else given.changes
    report = Report("history", "What was done to one work item", quick=given.quick)
    for size in SIZES:
        measure(report, changes, size)
    report.write()


if __name__ == "__main__":
    main()
