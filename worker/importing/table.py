"""How to read a file, and the notes about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Final
from unicodedata import category

from worker.importing.cells import CellError
from worker.importing.typed_cells import CHINA
from worker.importing.wide.fields import Fields, no_lookup
from worker.importing.wide.notes import TableNotes
from worker.importing.wide.options import NONE_GIVEN, TableOptions

MOST_LINES: Final = 20  # listed; the others are only counted


class Hidden(StrEnum):
    """How to treat hidden rows of a workbook. Without a choice, a file that has some is refused."""

    INCLUDE = "include"
    SKIP = "skip"
    REJECT = "reject"


class Empty(StrEnum):
    """How to treat a row with an empty after_field_value."""

    CLEAR = "clear"
    SKIP = "skip"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Table:
    """How a file is read. `sheet` (None: the first visible one), `zone` and `hidden` are for workbooks, `encoding` for all other
    formats, `as_table` and `fields` for files that are tables.
    """

    sheet: str | None = None
    zone: tzinfo = CHINA
    encoding: str | None = None  # None: detected
    hidden: Hidden | None = None
    empty: Empty | None = None  # None: a file of field changes clears, a table skips
    header_row: int | None = None  # None: the first that is not blank
    as_table: TableOptions = NONE_GIVEN
    fields: Callable[[], Fields] = no_lookup  # called once, for a file that is a table
    keeps_rows: bool = False  # of a table, for a report


AS_USUAL: Final = Table()


@dataclass(slots=True)
class LineNumbers:
    """Line numbers: how many, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < MOST_LINES:
            self.first.append(line)

    def in_words(self) -> str:
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
    """Notes for the reader of the report. Sheets and columns are known before the first row."""

    sheet: str = ""
    other_sheets: tuple[str, ...] = ()  # with "(hidden)" for hidden ones
    hidden_columns: tuple[str, ...] = ()  # that were read
    hidden_read: LineNumbers = field(default_factory=LineNumbers)
    hidden_skipped: LineNumbers = field(default_factory=LineNumbers)
    merged: LineNumbers = field(
        default_factory=LineNumbers
    )  # rows with the value of a merged range that begins above them
    empty_skipped: LineNumbers = field(default_factory=LineNumbers)
    table: TableNotes | None = None  # of a file that is a table; complete when its first row is handed out

    @property
    def left_out(self) -> int:
        """Rows that are neither enqueued nor rejected."""
        return self.hidden_skipped.count + self.empty_skipped.count

    def restart(self) -> None:
        """The file is read again from its beginning."""
        self.__init__()  # type: ignore[misc]


def looks_empty(text: str) -> bool:
    """Whether the text is invisible: spaces, also no-break ones, and zero-width characters."""
    return all(one.isspace() or category(one) == "Cf" for one in text)


def is_skipped(line: int, empty: Empty | None, noticed: Noticed) -> bool:
    """Whether a field change without a value is skipped, as the user chose. Raises `CellError` if it is rejected."""
    if empty is Empty.REJECT:
        raise CellError("after_field_value: is empty, and --empty reject was given")
    if empty is Empty.SKIP:
        noticed.empty_skipped.add(line)
    return empty is Empty.SKIP
