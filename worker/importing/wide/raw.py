"""The rows of a table as a reader of its format hands them over, and how it reads the cells. One set of rules per format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Protocol

from feishu_batch.values import canonical_value
from feishu_batch.written import Kind, Written
from worker.importing.cells import CellError, field_value, item_ids, refuse_failure
from worker.importing.row import Rejected
from worker.importing.table import looks_empty
from worker.importing.typed_cells import checked_cell, ids_of_cell, in_zone, text_of_cell
from worker.writing.ids import Ids

_TEXT = "note"  # any column that is a text without rules of its own


@dataclass(frozen=True, slots=True)
class WideRow:
    """`cells`: what stands in them, by the column's place. A `CellError` stands for a cell that cannot be read."""

    line: int
    cells: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class RawTable:
    """`names`: of the columns, as the file has them; of JSON Lines more are added while the rows are read."""

    names: Sequence[str]
    rows: Iterator[WideRow | Rejected]
    cells: "CellRules"


class CellRules(Protocol):
    """Each raises `CellError`; `name` is the column's, for its text."""

    def is_empty(self, cell: Any) -> bool: ...

    def ids(self, name: str, cell: Any) -> Ids: ...

    def text(self, name: str, cell: Any) -> str: ...

    def value(self, name: str, cell: Any) -> Any:
        """In the form in which it travels, so that equal ones mean the same."""

    def written(self, cell: Any) -> Any:
        """For a report, in the form in which it travels as well."""


class TextCells:
    """Of CSV: all are texts."""

    def is_empty(self, cell: str) -> bool:
        return looks_empty(cell)

    def ids(self, name: str, cell: str) -> Ids:
        return _renamed(name, item_ids, cell)

    def text(self, name: str, cell: str) -> str:  # noqa: ARG002 - as the protocol has it
        return cell.strip()

    def value(self, name: str, cell: str) -> Any:
        return field_value(name, cell)

    def written(self, cell: str) -> Any:
        return cell


@dataclass(frozen=True, slots=True)
class TypedCells:
    """Of a workbook: each a `Written`, or None. A date without an offset is meant in `zone`."""

    zone: tzinfo

    def is_empty(self, cell: Written | None) -> bool:
        return cell is None

    def ids(self, name: str, cell: Written | None) -> Ids:
        return _renamed(name, lambda given: ids_of_cell(checked_cell("work_item_ids", given, self.zone)), cell)

    def text(self, name: str, cell: Written | None) -> str:
        return text_of_cell(_TEXT, checked_cell(name, cell, self.zone)).strip()

    def value(self, name: str, cell: Written | None) -> Any:
        return field_value(name, checked_cell(name, cell, self.zone))

    def written(self, cell: Written | None) -> Any:
        if cell is None:
            return None
        return (in_zone(cell, self.zone) if cell.kind is Kind.DATE else cell).to_json()


class JsonCells:
    """Of JSON Lines: plain JSON, and what was written before as `feishu_batch.written` has it."""

    def is_empty(self, cell: Any) -> bool:
        return cell is None or (isinstance(cell, str) and looks_empty(cell))

    def ids(self, name: str, cell: Any) -> Ids:
        members = cell if isinstance(cell, list) else [cell]
        found = Ids()
        for member in members:
            if (written := Written.of(member)) is not None:
                found.ids += _renamed(name, ids_of_cell, written).ids
            elif isinstance(member, str):
                more = _renamed(name, item_ids, member)
                found.ids += more.ids
                found.places += more.places
            elif isinstance(member, int) and not isinstance(member, bool) and member > 0:
                found.ids.append(member)
            else:
                raise CellError(f"{name}: holds no work item id, like 1001")
        if not found.ids:
            raise CellError(f"{name}: names no work item")
        return found

    def text(self, name: str, cell: Any) -> str:
        if (written := Written.of(cell)) is not None:
            return text_of_cell(_TEXT, written).strip()
        if not isinstance(cell, str):
            raise CellError(f"{name}: must be a text, in quotes")
        return cell.strip()

    def value(self, name: str, cell: Any) -> Any:
        try:
            refuse_failure({"after_field_value": cell})
        except CellError as error:
            raise CellError(f"{name}{str(error).removeprefix('after_field_value')}") from None
        try:
            return canonical_value(cell)
        except ValueError as error:
            raise CellError(f"{name}: {error}") from None

    def written(self, cell: Any) -> Any:
        return cell


def _renamed(name: str, read: Any, cell: Any) -> Ids:
    """The rules of a long file call the column by its own name."""
    try:
        found: Ids = read(cell)
    except CellError as error:
        raise CellError(f"{name}{str(error).removeprefix('work_item_ids')}") from None
    return found
