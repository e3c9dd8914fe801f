"""Intents that end before they are sent, beside living work: real stack, one request a second.

20,000 intents of one item, and 2 of 10,000, that expire at one moment: the longest gap between two requests of the others from
then on. And `feishu-batch cancel --file` of 15,000 intents that are being sent: from the start of the command to the last
request with one of them, and to its end. In the order of enqueueing, all of these come before the work that continues.
"""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.common import Report, arguments
from bench.stack import Ours, wait_until
from bench.world import FIRST_ITEM, content, contents
from worker.ledger.inbox import Inbox

LIVING_FIRST = FIRST_ITEM + 5_000_000
HEADER = ("project_key", "work_item_type_key", "work_item_ids", "field_key", "update_mode", "after_field_value")


def all_recorded(ours: Ours) -> None:
    inbox = Inbox(ours.server.redis, ours.settings.key_prefix)
    wait_until(lambda: not inbox.length(), 300, "everything is recorded")


def live(ours: Ours, requests: int) -> None:
    """Other work for so many requests, in the same group."""
    ours.client.enqueue_many(contents(50 * requests, 50, first=LIVING_FIRST))


def requests(ours: Ours) -> list[tuple[float, set[int]]]:
    """When each arrived, by this machine's monotonic clock, and its items."""
    output = ours.sandbox.report(with_items=True)
    return sorted((one["arrived_at"], set(one["item_ids"])) for one in output["batches"])


def longest_gap(arrivals: Iterable[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(arrivals)), default=0.0)


def expire_together(report: Report, name: str, dying: list[dict[str, Any]], watched: float) -> None:
    with Ours() as ours:
        ours.lane.pause("until everything is recorded", polling=True)
        expires_at = datetime.now(UTC) + timedelta(seconds=8 + len(dying) / 2_000)
        ours.client.enqueue_many([{**one, "expires_at": expires_at.isoformat()} for one in dying])
        live(ours, 100)
        all_recorded(ours)
        late = (datetime.now(UTC) - expires_at).total_seconds()
        assert late < -1, f"recorded {late:.1f} s too late: nothing would be left to expire"
        ours.lane.resume()
        begun = time.monotonic()
        stopping = [ours.lane.keys.named("stopping"), ours.lane.keys.named("expiring")]
        over_at = begun - late
        time.sleep(max(0.0, over_at - time.monotonic()))
        wait_until(lambda: not ours.server.redis.exists(*stopping), 120, "all have ended")
        ended = time.monotonic() - over_at
        wait_until(lambda: not ours.lane.counts().unpublished, 300, "all results are published")
        published = time.monotonic() - over_at
        time.sleep(max(0.0, over_at + watched - time.monotonic()))
        seen = requests(ours)
        arrivals = [at for at, _ in seen if at > over_at - 2]
        dead = {item for one in dying for item in one["work_item_ids"]}
        late_items = sum(len(items & dead) for at, items in seen if at > over_at + 0.1)
        report.add(f"{name}: longest gap between requests from then on", longest_gap(arrivals), "s", "≤ 1.5")
        report.add(f"{name}: until all have ended", ended, "s")
        report.add(f"{name}: until all results are published", published, "s")
        report.add(f"{name}: expired items in later requests", late_items, "", "≤ 0")


def cancel_at_work(report: Report, intents: int) -> None:
    with Ours() as ours:
        path = ours.directory / "plan.csv"
        write_rows(path, intents)
        command(ours, "import", str(path))
        live(ours, 200)
        all_recorded(ours)
        time.sleep(3)
        begun = time.monotonic()
        output = command(ours, "cancel", "--file", str(path), "--yes")
        took = time.monotonic() - begun
        time.sleep(5)
        canceled = set(range(FIRST_ITEM, FIRST_ITEM + intents))
        seen = requests(ours)
        last = max(at for at, items in seen if items & canceled)
        report.add(f"cancel --file of {intents:,} intents: until the last request with one of them", last - begun, "s")
        report.add(f"cancel --file of {intents:,} intents: the command", took, "s")
        report.add(
            "longest gap between requests meanwhile", longest_gap(at for at, _ in seen if at > begun - 2), "s", "≤ 1.5"
        )
        report.note(f"    {output.strip()}")


def write_rows(path: Path, count: int) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        one = content([1])
        for item in range(FIRST_ITEM, FIRST_ITEM + count):
            rows.writerow([one[name] if name != "work_item_ids" else item for name in HEADER])


def command(ours: Ours, *args: str) -> str:
    given = {"BASE_URL": ours.sandbox.base_url, "REDIS_URL": ours.server.url, "PLUGIN_ID": "plugin"}
    given |= {"PLUGIN_SECRET": "secret", "USER_KEY": "7300000000000000001", "DATA_DIR": str(ours.directory)}
    env = {**os.environ, **{f"FEISHU_BATCH_{name}": value for name, value in given.items()}}
    argv = [str(Path(sys.executable).parent / "feishu-batch"), *args]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout


def main() -> None:
    given = arguments(__doc__ or "", intents=20_000, canceled=15_000)
    report = Report("ending", "Canceled and expired intents beside living work", quick=given.quick)
    count, canceled = (2_000, 1_500) if given.quick else (given.intents, given.canceled)
    expire_together(report, f"{count:,} intents of one item", list(contents(count, 1)), 15)
    expire_together(report, "2 intents of 10,000 items", list(contents(20_000, 10_000)), 15)
    cancel_at_work(report, canceled)
    report.write()


if __name__ == "__main__":
    main()
