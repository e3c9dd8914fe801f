"""The report of an import as a file: complete, or not there."""

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from feishu_batch.written import Kind, Written
from worker.catalogue.models import Code
from worker.importing.columns import ImportFileError
from worker.importing.report_columns import COLUMNS, LEFT_OUT, ONLY_JSON, STATE, guarded
from worker.importing.report_sheet import write_workbook

ReportRow = Mapping[str, Any]  # by column; `ONLY_JSON` beside them
REFUSED_CELL = "#VALUE!"  # an import refuses it, in every format


def check_report(path: Path, source: str) -> None:
    """Before anything is enqueued. Raises `ImportFileError`."""
    if path.suffix.lower() not in _WRITERS:
        *most, last = _WRITERS
        raise ImportFileError(f"--report {path}: give it the ending {', '.join(most)} or {last}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ImportFileError(f"--report {path}: its directory does not exist or cannot be written to")
    if path.is_dir():
        raise ImportFileError(f"--report {path}: this is a directory")
    with suppress(OSError):
        if path.samefile(source):
            raise ImportFileError(f"--report {path}: this is the file that is imported")


def write_report(path: Path, rows: Iterable[ReportRow]) -> None:
    """What needs somebody stands first. What is at `path` is replaced at the end, all at once. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        whole = Path(file.name)
    try:
        _WRITERS[path.suffix.lower()](whole, _failed_first(rows))
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.chmod(_usual_mode())
        whole.replace(path)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise


def _failed_first(rows: Iterable[ReportRow]) -> Iterator[ReportRow]:
    """Each part in the order of the file; what can wait, waits on disk."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as others:
        for row in rows:
            if row[STATE] in LEFT_OUT:
                others.write(json.dumps(row) + "\n")
            else:
                yield row
        others.seek(0)
        yield from map(json.loads, others)


def _csv(path: Path, rows: Iterable[ReportRow]) -> None:
    with path.open(
        "w", encoding="utf-8-sig", newline=""
    ) as file:  # with the mark by which spreadsheet programs know it
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([guarded(text_of(value)) for value in _in_columns(row)] for row in rows)


def _json_lines(path: Path, rows: Iterable[ReportRow]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            about = {name: row[name] for name in (*COLUMNS, ONLY_JSON) if name in row}
            file.write(json.dumps(about, ensure_ascii=False) + "\n")


def _workbook(path: Path, rows: Iterable[ReportRow]) -> None:
    write_workbook(path, COLUMNS, ([_cell(value) for value in _in_columns(row)] for row in rows))


def _in_columns(row: ReportRow) -> list[Any]:
    """An empty cell clears the field: a row that had no value at all is given no mode either, so that an import rejects it again."""
    shown = row if "after_field_value" in row else {**row, "update_mode": None}
    if row.get("code") == Code.BAD_VALUE:
        shown = {name: REFUSED_CELL if _has_lost_its_type(value) else value for name, value in shown.items()}
    return [_one_item(shown.get(name)) if name == "work_item_ids" else shown.get(name) for name in COLUMNS]


def _has_lost_its_type(value: Any) -> bool:
    """A date, say, that the field did not take: as a text it would be another value, which the field might take."""
    written = Written.of(value)
    return written is not None and written.kind is not Kind.TEXT


def _one_item(ids: Any) -> Any:
    return ", ".join(map(str, ids)) if isinstance(ids, list) else ids


def text_of(value: Any) -> str:
    """A value as it stands in a cell: a text as it is, what was written as it was, else JSON."""
    if value is None:
        return ""
    if written := Written.of(value):
        return written.text
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> str | int | float | bool | None:
    """Numbers and truth values are typed in a workbook, but for a number that would lose digits there."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float) and abs(value) < 10**15:
        return value
    return text_of(value)


_WRITERS: Mapping[str, Callable[[Path, Iterable[ReportRow]], None]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".xlsx": _workbook,
}


def _usual_mode() -> int:
    """What a file that is simply opened would get; a temporary one is for its owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
