"""The lines of a text file, whatever wrote it: decoded one by one, and bounded."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO, Final

from worker.importing.columns import ImportFileError

# A row with 10,000 ids of 20 digits and two values of 64 KiB fits in; an unclosed quote does not swallow the whole file.
LONGEST_LINE: Final = 1024 * 1024
UTF_8: Final = "utf-8"
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TOO_LONG: Final = "\udfff"  # stands for a line that was skipped; no file can contain it


def text_encoding(name: str) -> str:
    """Raises ValueError for one that is not known, or in which a line end may be part of another character."""
    try:
        is_usable = "\n,".encode(name) == b"\n," and isinstance(b"\n".decode(name), str)
    except (LookupError, UnicodeError):
        raise ValueError(f"{name} is no encoding that is known here; utf-8 and gb18030 are") from None
    if not is_usable:
        raise ValueError(f"a file in {name} cannot be read line by line: save it as “CSV UTF-8”")
    return name


def read_lines(stream: BinaryIO, encoding: str = UTF_8) -> Iterator[str]:
    """With their line ends. Damage becomes lone surrogates, so that a row can be told from its neighbours.

    Raises `ImportFileError` for a file that says by its first bytes that it is UTF-16.
    """
    is_first = True
    while line := stream.readline(LONGEST_LINE):
        is_whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
        if is_first:
            line, encoding = _unmarked(line, encoding)
            is_first = False
        if is_whole:
            yield _decoded(line, encoding)
        else:
            _skip_line(stream)
            yield f"{_TOO_LONG}\n"


def _unmarked(first: bytes, encoding: str) -> tuple[bytes, str]:
    """Spreadsheets put a mark in front, which says more than anybody's word."""
    if first.startswith(_UTF_16_MARKS):
        raise ImportFileError("the file is UTF-16 (“Unicode text”): save it as “CSV UTF-8”")
    if first.startswith(codecs.BOM_UTF8):
        return first.removeprefix(codecs.BOM_UTF8), UTF_8
    return first, encoding


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _decoded(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode("ascii", "surrogateescape")


def damage_of(text: str) -> str | None:
    """Why the text cannot be read, if it cannot."""
    if text.isascii():
        return None
    if _TOO_LONG in text:
        return f"is longer than {LONGEST_LINE} bytes"
    if any("\udc80" <= character <= "\udcff" for character in text):
        return "is not UTF-8: save the file as “CSV UTF-8”, or name its encoding, as in --encoding gb18030"
    return None
