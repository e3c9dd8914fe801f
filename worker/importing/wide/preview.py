"""The columns of a table before anything is known about its space: what a user is asked to match with fields."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from feishu_batch.intents import UpdateIntent, UpdateMode
from worker.catalogue.models import Refusal
from worker.importing.columns import ImportFileError
from worker.importing.source import opened
from worker.importing.table import Table
from worker.importing.wide.fields import FoundField, Place
from worker.importing.wide.options import TableOptions

_ANY: Final = "any"  # a space and a type, which the columns do not depend on


class _SeenEnoughError(Exception):
    """The columns are known; the rows need not be read."""


class _AnyField:
    """Takes every column for a field, and stops at the first cell."""

    def __init__(self) -> None:
        self.columns: list[str] = []

    def field(self, place: Place, word: str, mode: UpdateMode, *, is_named: bool) -> FoundField:  # noqa: ARG002 - as the protocol has it
        self.columns.append(word)
        return FoundField(word, word)

    def meant(self, intent: UpdateIntent) -> UpdateIntent | Refusal:  # noqa: ARG002 - as the protocol has it
        raise _SeenEnoughError


@dataclass(frozen=True, slots=True)
class TablePreview:
    """`columns`: that may be fields, in their order. `has_place`: columns of its own hold the space and the item type."""

    columns: tuple[str, ...]
    has_place: bool


def preview(path: Path, table: Table) -> TablePreview | None:
    """Without the space and the type in `table.as_table`. None for a file of field changes. Raises `ImportFileError`."""
    try:
        columns = _columns(path, table, table.as_table)
        return None if columns is None else TablePreview(columns, has_place=True)
    except ImportFileError as error:
        with suppress(ImportFileError):
            columns = _columns(path, table, replace(table.as_table, space=_ANY, type_key=_ANY))
            return None if columns is None else TablePreview(columns, has_place=False)
        raise error from None


def _columns(path: Path, table: Table, options: TableOptions) -> tuple[str, ...] | None:
    found = _AnyField()
    with opened(str(path), None, None, replace(table, as_table=options, fields=lambda: found)) as source:
        try:
            next(source.rows(), None)
        except _SeenEnoughError:
            return tuple(dict.fromkeys(found.columns))
        return None if source.noticed.table is None else tuple(dict.fromkeys(found.columns))
