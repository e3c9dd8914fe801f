"""A value as a cell that an import reads as the same value. Pure.

Several ways of writing are tried, from words to the API's form, and each is read as an import reads it. A value that no cell can hold is
left out: an import skips an empty cell.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.written import Kind, Written
from worker.catalogue.as_written import BETWEEN, Emails, FieldWords, as_text
from worker.catalogue.checks import Checks
from worker.catalogue.models import RefusedError
from worker.importing.cells import CellError
from worker.importing.csv_reading import plain_cell
from worker.importing.report_columns import guarded
from worker.importing.report_sheet import LONGEST_TEXT
from worker.importing.rows import Format
from worker.importing.typed_cells import CHINA
from worker.importing.wide.raw import JsonCells, TextCells, TypedCells
from worker.remote.equality import PROVABLE, holds, is_empty_value

MOST_REMEMBERED: Final = 20_000  # values
_SEVERAL: Final = frozenset(
    {"multi_select", "tree_multi_select", "multi_user", "work_item_related_multi_select", "link_cloud_doc"}
)
_MOST_SHOWN: Final = 10  # characters of a number; of a longer one a spreadsheet shows a rounded form
_NOT_IN_A_CELL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")


class _NotExpressible(Exception):  # noqa: N818 - it is no error
    """No cell of this format means the value."""


@dataclass(frozen=True, slots=True)
class Exported:
    """`is_exact`: an import reads the cell as the same value. Otherwise the cell is empty."""

    cell: Any
    is_exact: bool = True


@dataclass(slots=True)
class CellWriter:
    """For one item type and file format. `template`: an UPDATE of any item."""

    kind: Format
    checks: Checks
    template: UpdateIntent
    _known: dict[tuple[str, str], Exported] = field(default_factory=dict)

    def written(self, words: FieldWords, value: Any, emails: Emails) -> Exported:
        """Of a field that can be written."""
        if is_empty_value(value):
            return Exported(None)
        key = (words.field.key, json.dumps(value, sort_keys=True))
        if key not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._written(words, value, emails)
        return self._known[key]

    def shown(self, words: FieldWords, value: Any, emails: Emails) -> Exported:
        """Of a field that cannot be written: for reading only."""
        text = _NOT_IN_A_CELL.sub(" ", words.text(value, emails))[: LONGEST_TEXT - 1]
        return Exported((guarded(text) if self.kind is Format.CSV else text) or None)

    def _written(self, words: FieldWords, value: Any, emails: Emails) -> Exported:
        for cell in _WAYS[self.kind](replace(words, anywhere=True), value, emails):
            with suppress(_NotExpressible, CellError, RefusedError):
                read = self._read_again(words.field.key, cell)
                if _is_same(words.field.type_key, read, value):
                    return Exported(cell)
        return Exported(None, is_exact=False)

    def _read_again(self, field_key: str, cell: Any) -> Any:
        changes = {"field_key": field_key, "after_field_value": _READ[self.kind](field_key, cell)}
        return self.checks.checked(self.template.model_copy(update=changes)).after_field_value


def template_of(project_key: str, type_key: str) -> UpdateIntent:
    content = {"project_key": project_key, "work_item_type_key": type_key, "work_item_ids": [1], "field_key": "field"}
    return UpdateIntent.parse({**content, "update_mode": UpdateMode.UPDATE, "after_field_value": None})


def _is_same(field_type: str, read: Any, value: Any) -> bool:
    if field_type in PROVABLE:
        return holds(field_type, "UPDATE", None, read, value) is True
    return bool(read == value)


# --- ways of writing --------------------------------------------------------------------------------------------------


def _texts(words: FieldWords, value: Any, emails: Emails) -> Iterator[str]:
    yield words.text(value, emails)
    yield BETWEEN.join(words.by_id(value))
    if not isinstance(value, str):
        yield json.dumps(words.without_labels(value), ensure_ascii=False)


def _in_csv(words: FieldWords, value: Any, emails: Emails) -> Iterator[str]:
    for text in _texts(words, value, emails):
        # A formula with a text as its result: a spreadsheet program shows the text, and an import reads it.
        yield text if guarded(text) == text else f'="{text.replace(chr(34), chr(34) * 2)}"'


def _in_workbook(words: FieldWords, value: Any, emails: Emails) -> Iterator[Any]:
    if words.field.type_key in ("number", "bool"):
        yield value
    yield from _texts(words, value, emails)


def _in_json(words: FieldWords, value: Any, emails: Emails) -> Iterator[Any]:
    if words.field.type_key in ("number", "bool"):
        yield value
    if words.field.type_key in _SEVERAL:
        yield words.parts(value, emails)
        yield words.by_id(value)
    else:
        yield words.text(value, emails)
    if isinstance(value, str):
        yield {f"${Kind.TEXT}": value}
    yield words.without_labels(value)


_WAYS: Final[Mapping[Format, Callable[[FieldWords, Any, Emails], Iterator[Any]]]] = {
    Format.CSV: _in_csv,
    Format.XLSX: _in_workbook,
    Format.JSONL: _in_json,
}


# --- as an import reads them ------------------------------------------------------------------------------------------


def _from_csv(name: str, cell: Any) -> Any:
    if _NOT_IN_A_CELL.search(cell):
        raise _NotExpressible
    return TextCells().value(name, plain_cell(cell))


def _from_workbook(name: str, cell: Any) -> Any:
    return TypedCells(CHINA).value(name, _as_typed(cell))


def _as_typed(cell: Any) -> Written:
    if isinstance(cell, bool):
        return Written(Kind.BOOLEAN, str(cell).upper())
    if isinstance(cell, int | float):
        digits = as_text(cell)
        if len(digits) > _MOST_SHOWN:
            raise _NotExpressible
        return Written(Kind.NUMBER, digits)
    if not isinstance(cell, str) or len(cell) > LONGEST_TEXT or _NOT_IN_A_CELL.search(cell):
        raise _NotExpressible
    return Written(Kind.TEXT, cell)


def _from_json(name: str, cell: Any) -> Any:
    if JsonCells().is_empty(cell):
        raise _NotExpressible
    return JsonCells().value(name, cell)


_READ: Final[Mapping[Format, Callable[[str, Any], Any]]] = {
    Format.CSV: _from_csv,
    Format.XLSX: _from_workbook,
    Format.JSONL: _from_json,
}
