"""The file, wherever it comes from: with a name, a format, and an id by which its rows are known again."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
_ID_LENGTH = 16
_OLD_NAME = "its name is that of another kind of workbook: give --format xlsx if it is one, or save it as .xlsx"
_NOT_READ = (".xls", ".xlsb", ".xlt", ".et", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    stream: BinaryIO  # can be read again from its beginning
    format: Format
    import_id: str
    size: int  # bytes
    table: Table = AS_USUAL
    noticed: Noticed = field(default_factory=Noticed)

    def rows(self) -> Iterator[Row | Rejected]:
        """From the first on, also the second time. Raises `ImportFileError` before the first row, or never."""
        self.noticed.restart()
        if instead := kind_instead(self.stream, is_workbook=self.format is Format.XLSX):
            raise ImportFileError(instead)
        rows = read_rows(self.stream, self.format, self.import_id, self.table, self.noticed)
        first = next(rows, None)
        if first is None:
            if self.noticed.left_out:
                return iter(())
            raise ImportFileError("there are no rows in it, so there is nothing to do")
        return each_with_its_id(chain([first], rows))

    def position(self) -> int | None:
        """How many bytes are read; None where that says nothing."""
        return None if self.format is Format.XLSX else self.stream.tell()


@contextmanager
def opened(path: str, kind: str | None, import_id: str | None, table: Table = AS_USUAL) -> Iterator[Source]:
    """`path` may be ``-``: standard input. A pipe is kept in a temporary file while it is worked on."""
    form = _format(path, kind)
    with _stream(path) as stream:
        if form is None:
            raise ImportFileError(kind_instead(stream, is_workbook=True) or _OLD_NAME)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        name = "standard input" if path == "-" else path
        yield Source(name, stream, form, import_id or _digest(stream), size, table)


def _format(path: str, kind: str | None) -> Format | None:
    """None: a name that no file has which can be read."""
    if kind:
        return Format(kind)
    suffix = Path(path).suffix.lower()
    if suffix in _NOT_READ:
        return None
    if suffix not in FORMAT_OF_ENDING:
        if path != "-" and Path(path).is_dir():
            raise ImportFileError(_DIRECTORY)
        told = "it has no name that tells the format" if path == "-" else "its ending does not tell the format"
        raise ImportFileError(f"{told}: give {_FORMATS}")
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
