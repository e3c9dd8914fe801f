"""The report of an import as a file, written atomically."""

import csv
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feishu_batch.written import Kind, Written
from worker.catalogue.models import Code
from worker.importing.columns import ImportFileError
from worker.importing.report_columns import COLUMNS, LEFT_OUT, ONLY_JSON, STATE, guarded
from worker.importing.report_sheet import Colours, write_workbook

ReportRow = Mapping[str, Any]  # by column, and `ONLY_JSON`
REFUSED_CELL = "#VALUE!"  # an import refuses it, in every format


def check_report(path: Path, source: str, option: str = "--report") -> None:
    """Checks the path before any row is enqueued. Raises `ImportFileError`."""
    if path.suffix.lower() not in _WRITERS:
        *most, last = _WRITERS
        raise ImportFileError(f"{option} {path}: the file name must end with {', '.join(most)} or {last}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ImportFileError(f"{option} {path}: its directory does not exist or cannot be written to")
    if path.is_dir():
        raise ImportFileError(f"{option} {path}: this is a directory")
    with suppress(OSError):
        if path.samefile(source):
            raise ImportFileError(f"{option} {path}: this is the imported file itself")


@dataclass(frozen=True, slots=True)
class Shape:
    """`columns` of the report; `state` is its column with the result of a row; `cells` gives a row's values in their order.

    Rows with a state in `last` come after the others. `guard` makes a text safe in CSV; `colours` are for a workbook.
    """

    columns: Sequence[str]
    state: str
    cells: Callable[[ReportRow], list[Any]]
    last: Collection[str] = LEFT_OUT
    colours: Colours | None = None
    guard: Callable[[str], str] = guarded


def shape_of_table(columns: Sequence[str], state: str) -> Shape:
    return Shape(columns, state, lambda row: [row.get(name) for name in columns])


def write_report(path: Path, rows: Iterable[ReportRow], shape: Shape | None = None) -> None:
    """Failed and rejected rows come first. The file at `path` is replaced at the end, atomically. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        whole = Path(file.name)
    try:
        shape = shape or Shape(COLUMNS, STATE, _in_columns)
        _WRITERS[path.suffix.lower()](whole, _failed_first(rows, shape), shape)
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.chmod(_usual_mode())
        whole.replace(path)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise


def _failed_first(rows: Iterable[ReportRow], shape: Shape) -> Iterator[ReportRow]:
    """Each part in the order of the file; the second part is buffered on disk."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as others:
        for row in rows:
            if row[shape.state] in shape.last:
                others.write(json.dumps(row) + "\n")
            else:
                yield row
        others.seek(0)
        yield from map(json.loads, others)


def _csv(path: Path, rows: Iterable[ReportRow], shape: Shape) -> None:
    with path.open(
        "w", encoding="utf-8-sig", newline=""
    ) as file:  # with a byte order mark, by which spreadsheet programs recognise UTF-8
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(shape.columns)
        writer.writerows([shape.guard(text_of(value)) for value in shape.cells(row)] for row in rows)


def _json_lines(path: Path, rows: Iterable[ReportRow], shape: Shape) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            about = {name: row[name] for name in (*shape.columns, ONLY_JSON) if name in row}
            file.write(json.dumps(about, ensure_ascii=False) + "\n")


def _workbook(path: Path, rows: Iterable[ReportRow], shape: Shape) -> None:
    write_workbook(path, shape.columns, ([_cell(value) for value in shape.cells(row)] for row in rows), shape.colours)


def _in_columns(row: ReportRow) -> list[Any]:
    """An empty cell would clear the field: a row without a value gets one that an import rejects again."""
    shown = row if "after_field_value" in row else {**row, "after_field_value": REFUSED_CELL}
    if row.get("code") == Code.BAD_VALUE:
        shown = {name: REFUSED_CELL if has_lost_its_type(value) else value for name, value in shown.items()}
    return [_one_item(shown.get(name)) if name == "work_item_ids" else shown.get(name) for name in COLUMNS]


def has_lost_its_type(value: Any) -> bool:
    """For example a date that the field refused: as a text it would be another value, which the field might accept."""
    written = Written.of(value)
    return written is not None and written.kind is not Kind.TEXT


def _one_item(ids: Any) -> Any:
    return ", ".join(map(str, ids)) if isinstance(ids, list) else ids


def text_of(value: Any) -> str:
    """A value as the text of a cell: a text unchanged, a written value as it was written, otherwise JSON. A number as its workbook
    shows it: that is what an option or a text is called.
    """
    if value is None:
        return ""
    if written := Written.of(value):
        return written.as_seen if written.kind is Kind.NUMBER else written.text
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> str | int | float | bool | None:
    """Numbers and booleans are typed in a workbook, except for numbers that would lose digits there."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float) and abs(value) < 10**15:
        return value
    return text_of(value)


_WRITERS: Mapping[str, Callable[[Path, Iterable[ReportRow], Shape], None]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".xlsx": _workbook,
}


def _usual_mode() -> int:
    """The mode of a newly created file; a temporary file is readable by its owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
