"""Commands to Redis per sent batch, all processes and everything counted, with 1,000 and 100,000 changes waiting.

By the server's own count (commandstats): each command of a client, and each that a script calls. What the same processes
ask for while idle is included.
"""

import time

from bench.common import Report, arguments
from bench.stack import Ours, wait_until
from bench.world import contents
from worker.ledger.inbox import Inbox

SETTLING = 8.0  # seconds until jobs are followed as they come


def per_batch(backlog: int, seconds: float) -> tuple[float, float, int]:
    """(commands from clients per batch, commands with those inside of scripts, batches)"""
    with Ours(sandbox={"latency": (0.005, 0.02)}) as ours:
        inbox = Inbox(ours.server.redis, ours.settings.key_prefix)
        waiting = list(contents(backlog + 50 * int(seconds + 30), 50))
        ours.client.enqueue_many(waiting)
        wait_until(lambda: not inbox.length(), 120, "everything is recorded")
        time.sleep(SETTLING)
        ours.server.redis.config_resetstat()
        before = len(ours.visits()["accepted"])
        time.sleep(seconds)
        usage = ours.server.commands()
        batches = len(ours.visits()["accepted"]) - before
        every = sum(one["calls"] for one in usage.values())
        scripts = sum(usage.get(name, {"calls": 0})["calls"] for name in ("evalsha", "eval"))
        return every / batches, scripts / batches, batches


def main() -> None:
    given = arguments(__doc__ or "", seconds=30.0)
    report = Report("commands", "Commands to Redis per sent batch", quick=given.quick)
    figures = []
    for backlog in (1_000, 10_000) if given.quick else (1_000, 100_000):
        every, scripts, batches = per_batch(backlog, 10.0 if given.quick else given.seconds)
        report.add(f"{backlog:,} waiting: commands per batch, inside of scripts too", every)
        report.add(f"{backlog:,} waiting: script calls per batch", scripts)
        report.note(f"    {batches} batches of 50 items")
        figures.append(every)
    report.add("with the long backlog over the short one", figures[1] / figures[0], "×", "≤ 1.2")
    report.write()


if __name__ == "__main__":
    main()
