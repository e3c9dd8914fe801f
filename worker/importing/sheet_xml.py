"""The rows of a sheet from its XML, one after the other, and its layout."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from xml.parsers import expat

from worker.importing.workbook import CHUNK, MAIN, TRUE

_LETTERS: Final = 26


@dataclass(slots=True)
class RawCell:
    """`type`, as in the file: n number, s shared text, str and inlineStr text, b boolean, e error, d date. No `text`: no value."""

    type: str
    style: int
    text: str | None = None
    is_formula: bool = False

    @property
    def is_blank(self) -> bool:
        return not self.is_formula and not (self.text or "").strip()


@dataclass(slots=True)
class RawRow:
    number: int
    is_hidden: bool
    cells: dict[int, RawCell] = field(default_factory=dict)  # by column, from 0


@dataclass(frozen=True, slots=True)
class Merge:
    """Rows from 1, columns from 0; both ends are included."""

    top: int
    left: int
    bottom: int
    right: int


class SheetReader:
    """Reads one sheet; its layout is complete after all rows were read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.merges: list[Merge] = []
        self.hidden_columns: list[tuple[int, int]] = []  # from, to
        self._rows: list[RawRow] = []
        self._row: RawRow | None = None
        self._cell: RawCell | None = None
        self._number = 0
        self._column = -1
        self._pieces: list[str] | None = None
        self._aside = 0  # depth within phonetic hints
        self._starts: dict[str, Callable[[dict[str, str]], None]] = {
            f"{MAIN} {name}": handler
            for name, handler in {
                "row": self._start_row,
                "c": self._start_cell,
                "v": self._start_text,
                "t": self._start_text,
                "f": self._start_formula,
                "rPh": self._start_aside,
                "col": self._start_column,
                "mergeCell": self._start_merge,
            }.items()
        }
        self._ends: dict[str, Callable[[], None]] = {
            f"{MAIN} {name}": handler
            for name, handler in {
                "row": self._end_row,
                "c": self._end_cell,
                "v": self._end_text,
                "t": self._end_text,
                "rPh": self._end_aside,
            }.items()
        }

    def rows(self) -> Iterator[RawRow]:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        while chunk := self._stream.read(CHUNK):
            parser.Parse(chunk, False)
            yield from self._rows
            self._rows.clear()
        parser.Parse(b"", True)
        yield from self._rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if (handler := self._starts.get(name)) is not None:
            handler(attributes)

    def _end(self, name: str) -> None:
        if (handler := self._ends.get(name)) is not None:
            handler()

    def _text(self, text: str) -> None:
        if self._pieces is not None:
            self._pieces.append(text)

    # --- rows and cells -------------------------------------------------------------------------------------------

    def _start_row(self, attributes: dict[str, str]) -> None:
        self._number = int(attributes.get("r", self._number + 1))
        self._column = -1
        is_hidden = attributes.get("hidden") in TRUE or _is_zero(attributes.get("ht"))
        self._row = RawRow(self._number, is_hidden)

    def _end_row(self) -> None:
        if self._row is not None:
            self._rows.append(self._row)
        self._row = None

    def _start_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        self._column = self._column + 1 if place is None else column_of(place)
        self._cell = RawCell(attributes.get("t", "n"), int(attributes.get("s", 0)))

    def _end_cell(self) -> None:
        cell, self._cell = self._cell, None
        if self._row is not None and cell is not None and (cell.text is not None or cell.is_formula):
            self._row.cells[self._column] = cell

    def _start_formula(self, _: dict[str, str]) -> None:
        if self._cell is not None:
            self._cell.is_formula = True

    def _start_text(self, _: dict[str, str]) -> None:
        if self._cell is not None and not self._aside:
            self._pieces = []

    def _end_text(self) -> None:
        if self._cell is not None and self._pieces is not None:
            self._cell.text = (self._cell.text or "") + "".join(self._pieces)
        self._pieces = None

    def _start_aside(self, _: dict[str, str]) -> None:
        self._aside += 1

    def _end_aside(self) -> None:
        self._aside -= 1

    # --- layout ---------------------------------------------------------------------------------------------------

    def _start_column(self, attributes: dict[str, str]) -> None:
        if attributes.get("hidden") in TRUE or _is_zero(attributes.get("width")):
            self.hidden_columns.append((int(attributes["min"]) - 1, int(attributes["max"]) - 1))

    def _start_merge(self, attributes: dict[str, str]) -> None:
        first, _, last = attributes["ref"].partition(":")
        last = last or first
        self.merges.append(Merge(_row_of(first), column_of(first), _row_of(last), column_of(last)))


def _is_zero(size: str | None) -> bool:
    return size is not None and float(size) == 0


def column_of(place: str) -> int:
    """``C12`` → 2."""
    column = 0
    for letter in place.replace("$", ""):
        if not letter.isalpha():
            break
        column = column * _LETTERS + ord(letter.upper()) - ord("A") + 1
    return column - 1


def letter_of(column: int) -> str:
    """2 → ``C``."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        letters = chr(ord("A") + rest) + letters
    return letters


def _row_of(place: str) -> int:
    return int("".join(one for one in place if one.isdigit()))
