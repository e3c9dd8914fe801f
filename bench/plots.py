"""Plots from the JSON in bench/results, into the same folder. Needs matplotlib: `make bench-plots` makes an environment for it."""

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from bench.common import RESULTS, arguments

LIMIT = 50  # items a second


def data(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())["data"]
    return data


def arrival_gaps(axes: Any) -> None:
    """Of the long run: python -m bench.pacing --only "5–20 ms" --seconds 1020."""
    variant = data("pacing-5-20-ms")["5–20 ms"]
    bins = [0.99 + n / 400 for n in range(29)]
    axes.hist([variant["gaps"], variant["gaps of the stock recipe"]], bins=bins, label=["ours", "stock recipe"])
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set(title="Gaps between accepted arrivals, 5–20 ms each way", xlabel="seconds", ylabel="requests")
    axes.legend()


def items_over_time(axes: Any) -> None:
    longest = 0.0
    for name, jobs in data("batches").items():
        axes.step([at for at, _ in jobs], list(accumulate(items for _, items in jobs)), where="post", label=name)
        longest = max(longest, jobs[-1][0])
    axes.plot(
        [0, longest], [LIMIT, LIMIT * (longest + 1)], color="black", linewidth=1, linestyle=":", label="the limit"
    )
    axes.set(title="Items sent, single-item intents", xlabel="seconds", ylabel="items")
    axes.legend()


def claim_time(axes: Any) -> None:
    for name, series in data("claim").items():
        pending = [int(size) for size in series]
        axes.plot(pending, [median for median, _ in series.values()], marker="o", label=f"{name}: p50")
        axes.plot(pending, [p99 for _, p99 in series.values()], marker=".", linestyle=":", label=f"{name}: p99")
    axes.set(
        title="Server time of claiming a full batch",
        xlabel="changes pending",
        ylabel="milliseconds",
        xscale="log",
        ylim=0,
    )
    axes.legend(fontsize="small")


PLOTS: dict[str, Callable[[Any], None]] = {
    "arrival-gaps": arrival_gaps,
    "items-over-time": items_over_time,
    "claim-time": claim_time,
}


def main() -> None:
    given = arguments(__doc__ or "")
    if given.quick:
        return  # short runs are not drawn
    import matplotlib.pyplot as plt

    for name, plot in PLOTS.items():
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        plot(axes)
        figure.savefig(RESULTS / f"{name}.png", dpi=100)
        plt.close(figure)
        print(RESULTS / f"{name}.png")


if __name__ == "__main__":
    main()
