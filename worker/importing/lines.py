"""The lines of a text file: decoded one by one, and bounded."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO, Final

from worker.importing.encoding import LONGEST_LINE, encoding_of, skip_line

_TOO_LONG: Final = "\udfff"  # marks a line that was skipped; no file can contain it


def read_lines(stream: BinaryIO, encoding: str | None = None) -> Iterator[str]:
    """Lines with their line breaks. Reads the whole file first: raises `ImportFileError` if its encoding is not certain."""
    found = encoding_of(stream, encoding)
    if stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        stream.seek(0)
    while line := stream.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line.decode(found)
        else:
            skip_line(stream)
            yield f"{_TOO_LONG}\n"


def damage_of(text: str) -> str | None:
    """Why the text cannot be read; None if it can."""
    return f"is longer than {LONGEST_LINE} bytes" if _TOO_LONG in text else None
