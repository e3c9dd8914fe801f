"""The imported file: its name, its format, and the id from which the ids of its rows are derived."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from config.file_formats import FORMAT_OF_ENDING
from worker.importing.columns import ImportFileError
from worker.importing.other_kinds import kind_instead
from worker.importing.row import Rejected, Row
from worker.importing.row_ids import each_with_its_id
from worker.importing.rows import Format, read_rows
from worker.importing.table import AS_USUAL, Noticed, Table

_FORMATS = f"--format {', '.join(list(Format)[:-1])} or {list(Format)[-1]}"
_DIRECTORY = "this is a directory, not a file"
_EMPTY = "it is empty"
_ID_LENGTH = 16
_OLD_NAME = (
    "its extension is that of another kind of workbook: give --format xlsx if it is an XLSX file, or save it as .xlsx"
)
_NOT_READ = (".xls", ".xlsb", ".xlt", ".et", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    stream: BinaryIO  # can be read again from its beginning
    format: Format
    import_id: str
    size: int  # bytes
    table: Table = AS_USUAL
    id_is_of_content: bool = True  # False: the user named it
    noticed: Noticed = field(default_factory=Noticed)

    def rows(self) -> Iterator[Row | Rejected]:
        """Starts at the first row at each call. Raises `ImportFileError` before the first row, or never."""
        self.noticed.restart()
        if self.format is Format.XLSX and not self.size:
            raise ImportFileError(_EMPTY)
        if instead := kind_instead(self.stream, is_workbook=self.format is Format.XLSX):
            raise ImportFileError(instead)
        rows = read_rows(self.stream, self.format, self.import_id, self.table, self.noticed)
        first = next(rows, None)
        if first is None:
            if self.noticed.left_out or self.noticed.table:
                return iter(())
            raise ImportFileError(_EMPTY if self.format is Format.JSONL else "it contains no rows")
        every = each_with_its_id(chain([first], rows))
        return map(_keeping_values, every) if self.table.as_table.keep_before else every

    def position(self) -> int | None:
        """The number of bytes read; None if it is not meaningful."""
        return None if self.format is Format.XLSX else self.stream.tell()


def _keeping_values(row: Row | Rejected) -> Row | Rejected:
    if isinstance(row, Rejected):
        return row
    return replace(row, intent=row.intent.model_copy(update={"keep_before": True}))


@contextmanager
def opened(path: str, kind: str | None, import_id: str | None, table: Table = AS_USUAL) -> Iterator[Source]:
    """`path` may be ``-``: standard input. A pipe is copied to a temporary file."""
    form = _format(path, kind)
    with _stream(path) as stream:
        if form is None:
            raise ImportFileError(kind_instead(stream, is_workbook=True) or _OLD_NAME)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        name = "standard input" if path == "-" else path
        yield Source(name, stream, form, import_id or _digest(stream), size, table, not import_id)


def _format(path: str, kind: str | None) -> Format | None:
    """None: the extension is not that of a known format."""
    if kind:
        return Format(kind)
    suffix = Path(path).suffix.lower()
    if suffix in _NOT_READ:
        return None
    if suffix not in FORMAT_OF_ENDING:
        if path != "-" and Path(path).is_dir():
            raise ImportFileError(_DIRECTORY)
        why = "standard input has no extension" if path == "-" else "its extension is not that of a known format"
        raise ImportFileError(f"{why}: give {_FORMATS}")
    return Format(FORMAT_OF_ENDING[suffix])


@contextmanager
def _stream(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        with _kept(sys.stdin.buffer) as kept:
            yield kept
        return
    with _open(path) as file:
        if file.seekable():
            yield file
            return
        with _kept(file) as kept:
            yield kept


@contextmanager
def _kept(pipe: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(pipe, kept)
        yield cast("BinaryIO", kept)


def _open(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise ImportFileError("there is no such file") from None
    except IsADirectoryError:
        raise ImportFileError(_DIRECTORY) from None
    except OSError as error:
        raise ImportFileError(f"the file cannot be read: {error.strerror}") from None


def _digest(stream: BinaryIO) -> str:
    readable: Any = stream
    digest = file_digest(readable, "blake2b").hexdigest()[:_ID_LENGTH]
    stream.seek(0)
    return digest
