"""Several lanes in the same processes: slot use, processor, memory and commands with 1, 10 and 50 credentials.

Each lane has its own backlog and its own plugin id at one sandbox, which counts each plugin separately.
All lanes share the processes of one `up`. The sandbox's own processor time is stated apart: it is no part of the product.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import Report, arguments, load, median
from bench.idle import processor_seconds, resident
from bench.pacing import SETTLING, rejected_per_1000, slot_use
from bench.stack import Ours, wait_until
from bench.world import FIRST_ITEM, contents
from worker.ledger.inbox import Inbox

SECRET = "FEISHU_BATCH_BENCH_SECRET"
WINDOW = 1.0
ITEMS_PER_LANE = 100_000  # the lanes' items do not overlap


def lanes_file(directory: str, count: int) -> Path:
    tables = [
        f'[lanes.lane{n:02d}]\nplugin_id = "plugin-{n:02d}"\nplugin_secret = {{ env = "{SECRET}" }}\n'
        for n in range(count)
    ]
    path = Path(directory) / "lanes.toml"
    path.write_text("\n".join(tables))
    return path


def enqueue(ours: Ours, lanes: int, requests: int) -> None:
    for n in range(lanes):
        backlog = contents(50 * requests, 50, first=FIRST_ITEM + n * ITEMS_PER_LANE)
        ours.client.enqueue_many([{**one, "lane": f"lane{n:02d}"} for one in backlog])
    inbox = Inbox(ours.server.redis, ours.settings.key_prefix)
    wait_until(lambda: not inbox.length(), 300, "everything is recorded")


def visits_by_plugin(ours: Ours) -> dict[str, dict[str, Any]]:
    found = ours.sandbox.report()
    return {
        one["plugin"]: {"now": found["now"], "accepted": sorted(one["accepted"]), "rejected": sorted(one["rejected"])}
        for one in found["endpoints"]
        if one["endpoint"] == "batch_update"
    }


def usage(ours: Ours) -> dict[str, float]:
    pids = {name: process.pid for name, process in ours.processes.running.items()}
    pids |= {"server": ours.server.pid, "sandbox": ours.sandbox.pid}
    return {name: processor_seconds(pid) for name, pid in pids.items()}


def measure(report: Report, lanes: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        started = Ours(sandbox={"latency": (0.005, 0.02)}, lanes_file=lanes_file(directory, lanes))
        with started as ours:
            enqueue(ours, lanes, int(seconds + SETTLING) + 30)
            time.sleep(SETTLING)
            before, at = usage(ours), time.monotonic()
            ours.server.redis.config_resetstat()
            time.sleep(seconds)
            commands = sum(one["calls"] for one in ours.server.commands().values())
            took = time.monotonic() - at
            used = {name: 100 * (after - before[name]) / took for name, after in usage(ours).items()}
            found = visits_by_plugin(ours)
            memory = {name: resident(process.pid) for name, process in ours.processes.running.items()}
    name = f"{lanes} lane{'s' if lanes > 1 else ''}"
    uses = [slot_use(visits, WINDOW) for visits in found.values()] + [0.0] * (lanes - len(found))
    report.add(f"{name}: slot use, median lane", median(uses))
    report.add(f"{name}: slot use, worst lane", min(uses))
    report.add(f"{name}: rejected, worst lane", max(map(rejected_per_1000, found.values()), default=0), "in 1,000")
    sandbox = used.pop("sandbox")
    report.add(f"{name}: processor, all of ours and Redis", sum(used.values()), "% of a core")
    for process, share in used.items():
        report.add(f"{name}: processor, {process}", share, "% of a core")
    report.add(f"{name}: memory, workers and beat", sum(memory.values()), "MB")
    report.add(f"{name}: commands to Redis, scripts' own included", commands / took, "per second")
    report.note(f"    the sandbox took {sandbox:.0f} % of a core; load {load():.1f}")
    report.data[name] = {"slot use": [round(use, 4) for use in uses], "memory": memory, "processor": used}


def main() -> None:
    given = arguments(__doc__ or "", seconds=60.0)
    os.environ[SECRET] = "secret"
    report = Report("lanes", "Several lanes in the same processes", quick=given.quick)
    for lanes in (1, 3) if given.quick else (1, 10, 50):
        measure(report, lanes, 15.0 if given.quick else given.seconds)
    report.write()


if __name__ == "__main__":
    main()
