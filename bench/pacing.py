"""Slot use with a backlog behind a strict sliding second, where every request takes a different time to arrive.

A slot is used when a request arrives in time and is let in. Counted from five seconds after the first arrival, between
two arrivals, so that neither end of the window counts a part of a slot. Rejected ones are counted from the very first.
Beside it at the same time, with a sandbox and a server of its own: the stock recipe of bench/peers/stock.py.
"""

import multiprocessing
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.common import Report, arguments, load, median, quantile
from bench.stack import Ours, Stock
from bench.world import FIRST_ITEM, content, contents

WINDOW = 1.0
SETTLING = 5.0  # seconds after the first arrival from which slots are counted
Side = Ours | Stock


@dataclass(frozen=True)
class Variant:
    name: str
    latency: tuple[float, float]
    least: float
    most_rejected: float
    hogs: int = 0
    twin: bool = False
    restart: bool = False


VARIANTS = [
    Variant("5–20 ms", (0.005, 0.02), 0.98, 1),
    Variant("5–20 ms, two CPU hogs", (0.005, 0.02), 0.95, 5, hogs=2),
    Variant("5–20 ms, two submit workers", (0.005, 0.02), 0.95, 5, twin=True),
    Variant("5–20 ms, rolling restart", (0.005, 0.02), 0.95, 5, restart=True),
    Variant("20–300 ms", (0.02, 0.3), 0.75, 1),
]


def slot_use(visits: dict[str, Any], window: float, settling: float = SETTLING) -> float:
    """Accepted arrivals per slot; a stall at the end counts too."""
    accepted = visits["accepted"]
    if not accepted:
        return 0.0
    counted = [at for at in accepted if at >= accepted[0] + settling]
    if len(counted) < 2:
        return 0.0
    end = visits["now"] if visits["now"] - counted[-1] > 2 * window else counted[-1]
    return (len(counted) - 1) * window / (end - counted[0])


def rejected_per_1000(visits: dict[str, Any]) -> float:
    arrivals = len(visits["accepted"]) + len(visits["rejected"])
    return 1000 * len(visits["rejected"]) / arrivals if arrivals else 0.0


def burn() -> None:
    while True:
        pass


def disturb(variant: Variant, sides: list[Side], seconds: float) -> None:
    """The first third undisturbed; then the restart, if any: the new worker comes first, as deployments do it."""
    end = time.monotonic() + seconds
    if variant.restart:
        time.sleep(seconds / 3)
        for side in sides:
            side.start_another_submit("submit-new")
        time.sleep(8)
        for side in sides:
            side.processes.ask_to_end("submit" if isinstance(side, Ours) else "stock")
    time.sleep(max(0.0, end - time.monotonic()))


def run(variant: Variant, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    sandbox = {"window": WINDOW, "latency": variant.latency}
    requests = int(seconds / WINDOW) + 60
    with ExitStack() as stack:
        ours = stack.enter_context(Ours(sandbox=sandbox))
        stock = stack.enter_context(Stock(sandbox=sandbox))
        if variant.twin:
            ours.start_another_submit("submit-twin")
            stock.start_another_submit("stock-twin")
            time.sleep(5)
        hogs = [multiprocessing.Process(target=burn, daemon=True) for _ in range(variant.hogs)]
        for hog in hogs:
            hog.start()
        try:
            stock.enqueue([content([FIRST_ITEM + number]) for number in range(requests)])
            ours.client.enqueue_many(list(contents(50 * requests, 50)))
            disturb(variant, [ours, stock], seconds + SETTLING)
            return ours.visits(), stock.visits()
        finally:
            for hog in hogs:
                hog.kill()
                hog.join()


def gaps(visits: dict[str, Any]) -> list[float]:
    return [round(later - earlier, 4) for earlier, later in pairwise(visits["accepted"])]


def main(measure: Callable[[Variant, float], tuple[dict[str, Any], dict[str, Any]]] = run) -> None:
    given = arguments(__doc__ or "", seconds=75.0, only="")
    chosen = [one for one in VARIANTS if one.name == given.only] or [one for one in VARIANTS if given.only in one.name]
    label = "-".join(["pacing", *re.findall(r"\w+", given.only)])
    report = Report(label, "Slot use behind a strict sliding second", quick=given.quick)
    for variant in chosen:
        ours, stock = measure(variant, 15.0 if given.quick else given.seconds)
        name = variant.name
        report.add(f"{name}: slot use", slot_use(ours, WINDOW), "", f"≥ {variant.least}")
        report.add(f"{name}: rejected", rejected_per_1000(ours), "in 1,000", f"≤ {variant.most_rejected:g}")
        report.add(f"{name}: slot use, stock recipe", slot_use(stock, WINDOW))
        report.add(f"{name}: rejected, stock recipe", rejected_per_1000(stock), "in 1,000")
        between = gaps(ours) or [0.0]
        arrivals = len(ours["accepted"]) + len(ours["rejected"])
        report.note(
            f"    {arrivals} arrivals; gaps min {min(between):.4f}, p50 {median(between):.4f}, "
            f"p95 {quantile(between, 0.95):.4f} s; load {load():.1f}"
        )
        report.data[name] = {"gaps": between, "gaps of the stock recipe": gaps(stock)}
    report.write()


if __name__ == "__main__":
    main()
