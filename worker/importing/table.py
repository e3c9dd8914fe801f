"""How a file is to be understood, and what was noticed about it on the way."""

from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Final
from unicodedata import category

from worker.importing.cells import CellError
from worker.importing.typed_cells import CHINA

MOST_LINES: Final = 20  # that are named; the others are only counted


class Hidden(StrEnum):
    """What becomes of rows that a workbook hides. Without a choice, a file that has some is refused."""

    INCLUDE = "include"
    SKIP = "skip"
    REJECT = "reject"


class Empty(StrEnum):
    """What a row means whose after_field_value is empty."""

    CLEAR = "clear"
    SKIP = "skip"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Table:
    """`sheet` (none: the first that is not hidden), `zone` and `hidden` are about workbooks, `encoding` about all others."""

    sheet: str | None = None
    zone: tzinfo = CHINA
    encoding: str | None = None  # None: what the file shows to be
    hidden: Hidden | None = None
    empty: Empty = Empty.CLEAR


AS_USUAL: Final = Table()


@dataclass(slots=True)
class Lines:
    """Line numbers: how many, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < MOST_LINES:
            self.first.append(line)

    def told(self) -> str:
        """Neighbours together: ``lines 3–5, 9 and 12 more``."""
        spans: list[list[int]] = []
        for line in self.first:
            if spans and line == spans[-1][1] + 1:
                spans[-1][1] = line
            else:
                spans.append([line, line])
        words = [str(first) if first == last else f"{first}–{last}" for first, last in spans]
        more = self.count - len(self.first)
        return f"{'line' if self.count == 1 else 'lines'} {', '.join(words)}{f' and {more} more' if more else ''}"


@dataclass(slots=True)
class Noticed:
    """What a reader of the report should know besides the rows. Sheets and columns are known before the first row."""

    sheet: str = ""
    other_sheets: tuple[str, ...] = ()  # with what they are, where they are hidden
    hidden_columns: tuple[str, ...] = ()  # that were read
    hidden_read: Lines = field(default_factory=Lines)
    hidden_skipped: Lines = field(default_factory=Lines)
    merged: Lines = field(default_factory=Lines)  # rows that took the value of a merged range which begins above them
    empty_skipped: Lines = field(default_factory=Lines)

    @property
    def left_out(self) -> int:
        """Rows that are neither good nor rejected."""
        return self.hidden_skipped.count + self.empty_skipped.count

    def restart(self) -> None:
        """The file is read again from its beginning."""
        self.__init__()  # type: ignore[misc]


def looks_empty(text: str) -> bool:
    """Whether nothing can be seen of it: blanks, also such that no line breaks at, and characters without a width."""
    return all(one.isspace() or category(one) == "Cf" for one in text)


def is_skipped(line: int, empty: Empty, noticed: Noticed) -> bool:
    """Whether a row without a value is left out, by the user's word. Raises `CellError` if it is rejected for it."""
    if empty is Empty.REJECT:
        raise CellError("after_field_value: is empty, which would clear the field, and --empty says reject")
    if empty is Empty.SKIP:
        noticed.empty_skipped.add(line)
    return empty is Empty.SKIP
