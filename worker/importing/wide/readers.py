"""Tables in text files: CSV and JSON Lines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydantic_core import from_json

from worker.importing.cells import CellError, refuse_lost_digits
from worker.importing.columns import folded
from worker.importing.csv_reading import csv_lines, misplaced_cells, plain_cell, reported
from worker.importing.lines import damage_of
from worker.importing.row import Rejected
from worker.importing.table import Empty, looks_empty
from worker.importing.wide.header import ABOUT
from worker.importing.wide.raw import JsonCells, RawTable, WideRow

MOST_LOOKED_AT: Final = 20  # lines, for one that shows which kind of file this is


def csv_table_rows(table: Any, before: int, header: Sequence[str], empty: Empty | None) -> Iterator[WideRow | Rejected]:
    """`before`: how many lines stand above the header."""
    width = max((at for at, name in enumerate(header, start=1) if not looks_empty(name)), default=0)
    plain = reported if set(ABOUT) <= {folded(name) for name in header} else plain_cell
    for line, cells in csv_lines(table, before):
        if isinstance(cells, Rejected):
            yield cells
            continue
        while len(cells) > width and looks_empty(cells[-1]):
            cells.pop()
        if trouble := misplaced_cells(cells, width):
            yield Rejected(line, trouble)
        elif len(cells) < width and empty is not None and empty is not Empty.SKIP:
            yield Rejected(
                line,
                f"ends after {len(cells)} of {width} cells; to clear a field, leave its cell empty but keep its separator",
            )
        else:
            yield WideRow(line, dict(enumerate(map(plain, cells))))


def first_names(lines: Sequence[str]) -> list[str]:
    """The keys of the first line that is a JSON object; none if there is no such line."""
    for line in lines:
        try:
            found = from_json(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return list(found)
    return []


def json_table(names: list[str], lines: Iterable[tuple[int, str]]) -> RawTable:
    """`lines` with their numbers. `names`, of the first object, grow on the way: each object may have others."""
    places = {name: at for at, name in enumerate(names)}
    return RawTable(names, (_json_row(line, text, names, places) for line, text in lines), JsonCells())


def _json_row(line: int, text: str, names: list[str], places: dict[str, int]) -> WideRow | Rejected:
    if damage := damage_of(text):
        return Rejected(line, damage)
    try:
        found = from_json(text, allow_inf_nan=False)
        refuse_lost_digits(text)
    except CellError as error:
        return Rejected(line, str(error))
    except ValueError as error:
        return Rejected(line, f"not valid JSON: {error}")
    if not isinstance(found, dict):
        return Rejected(line, 'a row of a table is a JSON object, like {"work_item_id": 1001, …}')
    for name in found:
        if name not in places:
            places[name] = len(names)
            names.append(name)
    return WideRow(line, {places[name]: value for name, value in found.items()})
