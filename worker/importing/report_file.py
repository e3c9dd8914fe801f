"""The report of an import as a file: complete, or not there."""

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from worker.importing.columns import ImportFileError

FIELDS = ("line", "intent_id", "item", "state", "code", "reason")
Write = Callable[[Mapping[str, object]], object]


def check_report(path: Path, source: str) -> None:
    """Before anything is enqueued. Raises `ImportFileError`."""
    if path.suffix.lower() not in _WRITERS:
        raise ImportFileError(f"--report {path}: give it the ending {' or '.join(_WRITERS)}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ImportFileError(f"--report {path}: its directory does not exist or cannot be written to")
    if path.is_dir():
        raise ImportFileError(f"--report {path}: this is a directory")
    with suppress(OSError):
        if path.samefile(source):
            raise ImportFileError(f"--report {path}: this is the file that is imported")


@contextmanager
def report_at(path: Path) -> Iterator[Write]:
    """Takes a row at a time; what is at `path` is replaced at the end, all at once. Raises OSError."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            yield _WRITERS[path.suffix.lower()](file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(_usual_mode())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _csv(file: IO[str]) -> Write:
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    return writer.writerow


def _json_lines(file: IO[str]) -> Write:
    return lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


_WRITERS: Mapping[str, Callable[[IO[str]], Write]] = {".csv": _csv, ".jsonl": _json_lines}


def _usual_mode() -> int:
    """What a file that is simply opened would get; a temporary one is for its owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
