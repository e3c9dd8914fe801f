"""Items a second beside celery-batches: single-item intents with one value, and with ten values in turn.

It groups what came together; the ledger groups what waits. With one value there is little difference, with ten there is all.
Its own environment (bench/requirements-batches.txt) is made by `make bench`, since it wants an older Celery.
"""

import os
import time
from typing import Any

from celery import Celery

from bench.common import HERE, Report, arguments, load
from bench.stack import ROOT, Ours, _Side, wait_until
from bench.world import contents
from worker.processes.child import Child

PYTHON = HERE / ".venv-batches" / "bin" / "python"
WINDOW = 1.0
SANDBOX: dict[str, Any] = {"window": WINDOW, "latency": (0.005, 0.02)}


class Grouping(_Side):
    """bench/peers/batches.py: one process that sends, one that follows."""

    def _start(self) -> None:
        env = {"STOCK_REDIS": self.server.url, "STOCK_BASE_URL": self.sandbox.base_url, "PYTHONPATH": str(ROOT)}
        for name, queue in {"change": "celery", "follow": "follow"}.items():
            argv: tuple[str, ...] = (
                str(PYTHON),
                "-m",
                "celery",
                "-A",
                "bench.peers.batches",
                "worker",
                "--loglevel=WARNING",
                "-c",
                "1",
            )
            argv = (*argv, f"--queues={queue}", f"--hostname={name}.{os.getpid()}@%h")
            self.processes.start(name, Child(name, argv, env, self.directory))
        wait_until(lambda: self.nodes() >= 2, 60, "the workers of celery-batches are ready")

    def enqueue(self, bodies: list[dict[str, Any]]) -> None:
        app = Celery("producer", broker=self.server.url, set_as_current=False)
        for body in bodies:
            app.send_task("batches.change", kwargs={"body": body}, ignore_result=True)
        app.close()


def jobs_of(side: Ours | Grouping) -> list[tuple[float, int]]:
    """(when it arrived, after the first one; items) of each request that was let in."""
    jobs = sorted((one["arrived_at"], one["n_items"]) for one in side.sandbox.report()["batches"])
    return [(round(at - jobs[0][0], 3), items) for at, items in jobs]


def rate(jobs: list[tuple[float, int]]) -> float:
    """Items a second between the first and the last request."""
    return sum(items for _, items in jobs[:-1]) / jobs[-1][0]


def main() -> None:
    given = arguments(__doc__ or "", items=3000, seconds=90.0)
    report = Report("batches", "Items a second, beside celery-batches", quick=given.quick)
    if not PYTHON.exists():
        raise SystemExit(f"{PYTHON} is not there; `make bench ONLY=batches` makes it")
    items, seconds = (500, 20.0) if given.quick else (given.items, given.seconds)
    for values in (1, 10):
        with Ours(sandbox=SANDBOX) as ours, Grouping("always", SANDBOX) as peer:
            waiting = list(contents(items, 1, values=values))
            peer.enqueue(waiting)
            ours.client.enqueue_many(waiting)
            time.sleep(seconds)
            name = f"{values} value{'s' if values > 1 else ''}"
            for who, side in (("ours", ours), ("celery-batches", peer)):
                jobs = jobs_of(side)
                report.add(f"{name}: {who}", rate(jobs), "items/s", "≥ 49" if who == "ours" else "")
                report.add(f"{name}: {who}, requests in {seconds:g} s", len(jobs))
                report.add(f"{name}: {who}, rejected", len(side.visits()["rejected"]))
                report.data[f"{name}: {who}"] = jobs
            report.note(f"    load {load():.1f}")
    report.write()


if __name__ == "__main__":
    main()
