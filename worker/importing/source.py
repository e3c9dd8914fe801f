"""The file, wherever it comes from: with a name, a format, and an id by which its rows are known again."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO, cast

from worker.importing.rows import Format, ImportFileError

_FORMAT_OF = {".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    stream: BinaryIO  # can be read again from its beginning
    format: Format
    import_id: str


@contextmanager
def opened(path: str, kind: str | None, import_id: str | None) -> Iterator[Source]:
    """`path` may be ``-``: standard input, which is kept in a temporary file while it is worked on."""
    form = _format(path, kind)
    with _stream(path) as stream:
        yield Source("standard input" if path == "-" else path, stream, form, import_id or _digest(stream))


def _format(path: str, kind: str | None) -> Format:
    if kind:
        return Format(kind)
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMAT_OF:
        what = "standard input" if path == "-" else f"the ending of {path}"
        raise ImportFileError(f"{what} does not tell the format: give --format csv or --format jsonl")
    return _FORMAT_OF[suffix]


@contextmanager
def _stream(path: str) -> Iterator[BinaryIO]:
    if path != "-":
        with Path(path).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.seek(0)
        yield cast("BinaryIO", kept)


def _digest(stream: BinaryIO) -> str:
    readable: Any = stream
    digest = file_digest(readable, "blake2b").hexdigest()[:_ID_LENGTH]
    stream.seek(0)
    return digest
