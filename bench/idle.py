"""What `feishu-batch up` costs while nothing is to be done: processor time and memory of each of its processes."""

import os
import time
from pathlib import Path

from bench.common import Report, arguments
from bench.stack import Ours
from bench.world import FIRST_ITEM, content

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


def processor_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """MB that are its own or shared."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    given = arguments(__doc__ or "", seconds=120.0)
    seconds = 15.0 if given.quick else given.seconds
    report = Report("idle", "An idle `up`", quick=given.quick)
    with Ours() as ours:
        ours.client.enqueue(**content([FIRST_ITEM])).wait(30)  # it has worked once: everything is imported
        time.sleep(10)
        pids = {name: process.pid for name, process in ours.processes.running.items()} | {"server": ours.server.pid}
        before = {name: (processor_seconds(pid), resident(pid)) for name, pid in pids.items()}
        commands = ours.server.redis.info("stats")["total_commands_processed"]
        time.sleep(seconds)
        after = {name: (processor_seconds(pid), resident(pid)) for name, pid in pids.items()}
        commands = ours.server.redis.info("stats")["total_commands_processed"] - commands
    used = {name: 100 * (after[name][0] - before[name][0]) / seconds for name in pids}
    report.add("all processes", sum(used.values()), "% of a core", "≤ 1")
    for name in pids:
        report.add(f"{name}: processor", used[name], "% of a core")
        report.add(f"{name}: memory", after[name][1], "MB", "≤ 90")
        report.add(f"{name}: growth", (after[name][1] - before[name][1]) * 600 / seconds, "MB in 10 min")
    report.add("commands to Redis, scripts' own included", commands / seconds, "per second")
    report.note("The supervisor itself, which only waits for its children, is not among them.")
    report.write()


if __name__ == "__main__":
    main()
