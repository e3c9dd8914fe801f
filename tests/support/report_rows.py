"""The rows of a report, in each of its formats."""

import csv
import json
from pathlib import Path
from typing import Any

import openpyxl


def report_rows(path: Path) -> list[dict[str, Any]]:
    """By column; texts in CSV, values in JSON Lines and workbooks."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return [dict(zip(header, cells, strict=True)) for cells in rows]
