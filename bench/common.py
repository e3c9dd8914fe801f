"""What the benchmarks share: the command line, tables, quantiles, and what the machine is."""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Row:
    """One line of a result table. `target` is a bound such as '≤ 1.05'; without one the figure is merely stated."""

    what: str
    measured: float
    unit: str = ""
    target: str = ""

    @property
    def verdict(self) -> str:
        if not self.target:
            return ""
        sign, bound = self.target.split()[:2]
        return "ok" if (self.measured <= float(bound) if sign == "≤" else self.measured >= float(bound)) else "MISSED"


def arguments(description: str, argv: Sequence[str] | None = None, **extra: Any) -> argparse.Namespace:
    """`extra`: name=default of further options, of the default's type."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small and short, into results/quick")
    parser.add_argument("--smoke", action="store_true", help="parse the command line and end")
    for name, default in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    given = parser.parse_args(argv)
    if given.smoke:
        raise SystemExit(0)
    return given


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def machine() -> dict[str, Any]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Processes that ran or wanted to, the average of the last minute."""
    return os.getloadavg()[0]


class Report:
    """Collects the rows of a benchmark and writes them as JSON and as a table that people read."""

    def __init__(self, name: str, title: str, *, quick: bool) -> None:
        self.name = name
        self.title = title
        self.folder = RESULTS / "quick" if quick else RESULTS
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.data: dict[str, Any] = {}  # series for the plots
        self._began = time.time()
        self._load = load()

    def add(self, what: str, measured: float, unit: str = "", target: str = "") -> None:
        row = Row(what, round(float(measured), 6), unit, target)
        self.rows.append(row)
        print("  " + _line(row, [64, 18, 12, 10]).rstrip(), flush=True)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
        print(f"  {sentence}", flush=True)

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "title": self.title,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began)),
            "took": round(time.time() - self._began, 1),
            "machine": machine(),
            "load_before": round(self._load, 2),
            "load_after": round(load(), 2),
            "rows": [{**asdict(row), "verdict": row.verdict} for row in self.rows],
            "notes": self.notes,
            "data": self.data,
        }
        (self.folder / f"{self.name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
        (self.folder / f"{self.name}.txt").write_text(self._table(content))

    def _table(self, content: dict[str, Any]) -> str:
        head = content["machine"]
        lines = [
            self.title,
            (
                f"{content['at']}, took {content['took']} s, on {head['cores']} × {head['processor']}, {head['system']}, "
                f"Python {head['python']}, load before {content['load_before']}, after {content['load_after']}"
            ),
            "",
        ]
        widths = [max([20, *(len(row.what) for row in self.rows)]) + 2, 18, 12, 10]
        lines += [_line(row, widths).rstrip() for row in self.rows]
        if self.notes:
            lines += ["", *self.notes]
        return "\n".join(lines) + "\n"


def _line(row: Row, widths: Sequence[int]) -> str:
    parts = [row.what, f"{_number(row.measured)} {row.unit}".strip(), row.target and f"({row.target})", row.verdict]
    return "".join(part.ljust(width) for part, width in zip(parts, widths, strict=True))


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
