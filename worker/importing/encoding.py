"""The encoding of a text file: decided for the whole file, before its first row is used.

UTF-8 can be detected: text in another encoding is hardly ever valid UTF-8, unless it is very short. GB18030 cannot: nearly all
bytes are valid in it. So a file is read as GB18030 only if the user says so.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from worker.importing.columns import ImportFileError

UTF_8: Final = "utf-8"
GB18030: Final = "gb18030"
# A row with 10,000 ids of 20 digits and two values of 64 KiB fits in; an unclosed quote does not swallow the whole file.
LONGEST_LINE: Final = 1024 * 1024
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE: Final = "save the file as “CSV UTF-8”"
_THREE_BYTES: Final = re.compile("[\u0800-\U0010ffff]")
_TWO_BYTES: Final = re.compile("[\x80-\u07ff]+")
_FOREIGN: Final = re.compile(r"[^\x00-\x7f]+")
# About one in five Chinese characters is valid UTF-8 by chance in GBK; eight different ones in a row are not (1 in 400,000).
_ENOUGH: Final = 8
_STRAY: Final = 1000  # of so many lines in GBK, one may look like UTF-8 by chance
_SHOWN: Final = 20
_HEAD: Final = 64 * 1024


def text_encoding(name: str) -> str:
    """Raises ValueError for an unknown encoding, or one in which a line break may be part of another character."""
    try:
        found = codecs.lookup(name).name
        found = UTF_8 if found == "utf-8-sig" else found  # a byte order mark is detected anyway
        is_usable = "\n,".encode(found) == b"\n," and isinstance(b"\n".decode(found), str)
    except (LookupError, UnicodeError):
        raise ValueError(f"{name} is not a known encoding; use utf-8 or gb18030") from None
    if not is_usable:
        raise ValueError(f"a file in {name} cannot be read line by line: {_SAVE}")
    return found


def encoding_of(stream: BinaryIO, named: str | None) -> str:
    """`named`: the encoding that the user gave. Raises `ImportFileError`, with the line, if any part of the file does not match.

    The stream is read from its beginning to its end, line by line, and is at its beginning afterwards.
    """
    stream.seek(0)
    first = stream.read(_HEAD)
    if first.startswith(_UTF_16_MARKS):
        raise ImportFileError(f"the file is UTF-16 (“Unicode text”): {_SAVE}")
    if b"\r" in first.strip() and b"\n" not in first:
        raise ImportFileError(f"its lines end with CR only, as in old Macintosh programs: {_SAVE}")
    has_mark = first.startswith(codecs.BOM_UTF8)
    stream.seek(len(codecs.BOM_UTF8) if has_mark else 0)
    survey = _survey(stream, GB18030 if named in (None, UTF_8) else named)
    stream.seek(0)
    return UTF_8 if has_mark and survey.is_utf_8 else _verdict(survey, UTF_8 if has_mark else named)


@dataclass(slots=True)
class _Survey:
    """The findings in lines that are not ASCII. Lines are counted from 1; 0: none."""

    foreign: int = 0
    certain: int = 0  # lines that are certainly UTF-8
    first_certain: int = 0
    doubtful: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # character: where it was seen first
    not_utf_8: tuple[int, bytes] = (0, b"")  # the first
    not_other: tuple[int, bytes] = (0, b"")  # the first that is not in the other encoding either

    @property
    def is_utf_8(self) -> bool:
        return not self.not_utf_8[0]

    @property
    def is_certain(self) -> bool:
        return bool(self.certain) or len(self.doubtful) >= _ENOUGH


def _survey(stream: BinaryIO, other: str) -> _Survey:
    survey = _Survey()
    for number, line in enumerate(_whole_lines(stream), start=1):
        if b"\0" in line:
            raise ImportFileError(
                f"line {number} has a NUL character: this is not a text file, or it is UTF-16; {_SAVE}"
            )
        if not line.isascii():
            _look_at(survey, number, line, other)
    return survey


def _look_at(survey: _Survey, number: int, line: bytes, other: str) -> None:
    survey.foreign += 1
    if not survey.not_other[0] and _decoded(line, other) is None:
        survey.not_other = (number, line)
    text = _decoded(line, UTF_8)
    if text is None:
        if survey.is_utf_8:
            survey.not_utf_8 = (number, line)
    elif _THREE_BYTES.search(text) or not (doubtful := _doubtful(text)):
        survey.certain += 1
        survey.first_certain = survey.first_certain or number
    else:
        for character in doubtful if len(survey.doubtful) < _ENOUGH else "":
            survey.doubtful.setdefault(character, (number, line))


def _doubtful(text: str) -> str:
    """The non-ASCII characters, if all of them could also be common Chinese ones in GB18030; otherwise nothing."""
    found = []
    for run in _TWO_BYTES.finditer(text):
        before, after = text[: run.start()][-1:], text[run.end() :][:1]
        is_in_word = run[0].isalpha() and any(one.isascii() and one.islower() for one in (before, after))
        if is_in_word or any(_decoded(one.encode(), "gb2312") is None for one in run[0]):
            return ""  # the é of café, or a rare character
        found.append(run[0])
    return "".join(found)


def _verdict(survey: _Survey, named: str | None) -> str:
    if not survey.foreign:
        return named or UTF_8
    if named in (None, UTF_8):
        _require_utf_8(survey, is_named=named is not None)
        return UTF_8
    _require(survey, named or UTF_8)
    return named or UTF_8


def _require_utf_8(survey: _Survey, *, is_named: bool) -> None:
    if survey.is_utf_8:
        if not (is_named or survey.is_certain):
            number, line = next(iter(survey.doubtful.values()))
            raise ImportFileError(
                f"its encoding is not certain: line {number} reads {_sample(line, UTF_8)} as UTF-8 and"
                f" {_sample(line, GB18030)} as GB18030; say which with --encoding utf-8 or --encoding gb18030"
            )
        return
    number, line = survey.not_utf_8
    if survey.certain:
        raise ImportFileError(
            f"it mixes encodings: line {number} is not UTF-8, and line {survey.first_certain} is; {_SAVE}"
        )
    if survey.not_other[0]:
        raise ImportFileError(
            f"line {survey.not_other[0]} is neither UTF-8 nor GB18030: name its encoding with --encoding (Excel in Western Europe"
            f" and America writes cp1252), or {_SAVE}"
        )
    sample = _sample(line, GB18030)
    raise ImportFileError(
        f"it is not UTF-8 but looks like GB18030 (GBK), in which line {number} reads {sample}:"
        f" if that is right, give --encoding gb18030, otherwise {_SAVE}"
    )


def _require(survey: _Survey, named: str) -> None:
    if survey.is_utf_8 and survey.certain:
        raise ImportFileError(f"it is UTF-8, but --encoding says {named}: leave --encoding out")
    if survey.not_other[0]:
        raise ImportFileError(
            f"line {survey.not_other[0]} is not {named}: name its encoding with --encoding, or {_SAVE}"
        )
    if survey.certain * _STRAY > survey.foreign:
        raise ImportFileError(
            f"it mixes encodings: line {survey.first_certain} is UTF-8, but --encoding says {named}; {_SAVE}"
        )


def _sample(line: bytes, encoding: str) -> str:
    """The first non-ASCII words, with some context."""
    text = line.decode(encoding, "replace")
    found = _FOREIGN.search(text)
    start = max(0, found.start() - _SHOWN // 4) if found else 0
    return repr(text[start : start + _SHOWN].strip())


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Without the rest of overlong lines, which are rejected anyway."""
    while line := stream.readline(LONGEST_LINE):
        is_whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
        yield line if is_whole else b""
        if not is_whole:
            skip_line(stream)


def skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass
