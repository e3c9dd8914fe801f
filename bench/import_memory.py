"""`feishu-batch import` of long CSV files: peak resident memory of the command, and rows a second, with ten times the rows each.

A bounded memory shows as the same peak for a million rows as for ten thousand. With --wait (for a second, then it gives up) the
command also holds what it follows; with --report it tells of every row. The second run of a file finds every row enqueued.

The same rows as a table, a row per work item, become one intent per value and 10,000 items: their cells are gathered on disk first.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.common import Report, arguments
from bench.server import Server
from bench.world import FIRST_ITEM, PROJECT

ROWS = (10_000, 100_000, 1_000_000)
MB = 1024  # ru_maxrss is in KiB
BOUND = 150  # MB; an import that kept its rows would need more than a kilobyte for each
HEADER = ("project_key", "work_item_type_key", "work_item_ids", "field_key", "update_mode", "after_field_value")


def lines(rows: int) -> Iterator[tuple[object, ...]]:
    yield HEADER
    for number in range(rows):
        yield PROJECT, "story", FIRST_ITEM + number, "field_3f6a90", "UPDATE", number % 100


def write(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines(rows))


def write_table(path: Path, rows: int, values: int) -> None:
    with path.open("w", newline="") as file:
        cells = ((FIRST_ITEM + number, number % values) for number in range(rows))
        csv.writer(file).writerows([("ID", "field_3f6a90")])
        csv.writer(file).writerows(cells)


def run(url: str, path: Path, *options: str, codes: tuple[int, ...] = (0,)) -> tuple[float, float]:
    """(peak MB, seconds) of one run of the command."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    environ |= {"FEISHU_BATCH_REDIS_URL": url, "FEISHU_BATCH_REDIS_TIMEOUT_SECONDS": "30"}
    command = [sys.executable, "-m", "worker.cli.main", "import", str(path), *options]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    assert process.returncode in codes, f"{command} ended with {process.returncode}"
    return used.ru_maxrss / MB, took


def main() -> None:
    given = arguments(__doc__ or "")
    report = Report("import_memory", "Memory and speed of feishu-batch import, CSV, one item a row", quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "rows.csv", Path(folder) / "out.csv"
        for rows in ROWS[:2] if given.quick else ROWS:
            write(path, rows)
            with Server("everysec") as server:
                peak, took = run(server.url, path)
                report.add(f"{rows:,} rows: peak", peak, "MB", f"≤ {BOUND}")
                report.add(f"{rows:,} rows: speed", rows / took, "rows/s")
                peak, took = run(server.url, path, "--report", str(out))
                report.add(f"{rows:,} rows again, with --report: peak", peak, "MB", f"≤ {BOUND}")
                report.add(f"{rows:,} rows again, with --report: speed", rows / took, "rows/s")
                peak, _ = run(server.url, path, "--wait", "--timeout", "1", codes=(1,))
                report.add(f"{rows:,} rows, followed with --wait: peak", peak, "MB", f"≤ {BOUND}")
            for values in (1, 100, rows):
                write_table(path, rows, values)
                with Server("everysec") as server:
                    peak, took = run(server.url, path, "--space", PROJECT, "--type", "story")
                    name = f"a table of {rows:,} rows, {values:,} {'value' if values == 1 else 'values'}"
                    report.add(f"{name}: peak", peak, "MB", f"≤ {BOUND}")
                    report.add(f"{name}: speed", rows / took, "rows/s")
    report.write()


if __name__ == "__main__":
    main()
