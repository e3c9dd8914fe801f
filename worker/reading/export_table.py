"""A table of what work items hold: one row per item, one column per field, in words that an import reads again."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from worker.catalogue.as_written import FieldWords
from worker.catalogue.checks import Checks
from worker.catalogue.models import Catalogue, Code, RefusedError
from worker.catalogue.naming import field_called
from worker.catalogue.types import modes_of
from worker.importing.report_columns import guarded
from worker.importing.report_file import Shape, write_report
from worker.importing.rows import Format
from worker.importing.wide.header import may_name_a_field
from worker.reading.chosen_ids import ChosenIds
from worker.reading.export_cells import CellWriter, Exported, template_of
from worker.reading.item_reads import ItemReads, ItemsRead, ReadingRun
from worker.reading.place_words import PlaceWords
from worker.reading.wanted_cells import ReadPlace
from worker.remote.compare import ABSENT
from worker.remote.equality import PROVABLE
from worker.remote.models import Field, WorkItem

ID_COLUMN: Final = "work_item_id"
MOST_LISTED: Final = 1000  # items that do not exist
# Types whose values look the same when they were read and written again, though an equal one proves nothing.
_WRITTEN_AS_READ: Final = frozenset({"multi_pure_text", "telephone", "link_cloud_doc"})
_SEPARATORS: Final = ",;\t\r\n"


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """`name`: in the header. `why_not`: why an import cannot write it back; "": it can."""

    name: str
    field: Field
    words: FieldWords
    why_not: str = ""


@dataclass(slots=True)
class ExportFigures:
    """`left_out`, `not_exact`: cells by column that are empty, because the answer had no such field or no cell means the value."""

    items: int = 0
    written: int = 0
    missing_count: int = 0
    missing: list[int] = field(default_factory=list)
    not_read: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    not_exact: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    failed: int = 0
    seconds: float = 0.0


def columns_of(catalogue: Catalogue, named: Sequence[str], words: Mapping[str, FieldWords]) -> list[ExportColumn]:
    """In the given order. Raises `RefusedError` for a name that is no field, and for a field that is named twice."""
    columns: list[ExportColumn] = []
    for word in named:
        found = field_called(catalogue, word)
        if any(one.field.key == found.key for one in columns):
            raise RefusedError(Code.AMBIGUOUS, f"{word!r} is a field that is named twice")
        columns.append(ExportColumn(_title(catalogue, found), found, words[found.key], _why_not(found)))
    return columns


def _title(catalogue: Catalogue, found: Field) -> str:
    """The name if an import takes it for this field, else the key."""
    try:
        is_certain = field_called(catalogue, found.name).key == found.key
    except RefusedError:
        is_certain = False
    is_plain = guarded(found.name) == found.name and not any(one in found.name for one in _SEPARATORS)
    return found.name if is_certain and is_plain and may_name_a_field(found.name) else found.key


def _why_not(found: Field) -> str:
    if not modes_of(found):
        return "it is obsolete, calculated, or of a type that is never changed in bulk"
    if found.type_key not in PROVABLE and found.type_key not in _WRITTEN_AS_READ:
        return f"a value of the type {found.type_key} may lose its formatting or its parts"
    return ""


@dataclass(frozen=True, slots=True)
class ItemsToRead:
    place: ReadPlace
    items: Sequence[int]
    fields: Sequence[str]


class NothingReadError(Exception):
    """No item could be read; the message is a clause that says why."""


class TableExport:
    """For one thread; written once."""

    def __init__(
        self,
        place: ReadPlace,
        catalogue: Catalogue,
        columns: Sequence[ExportColumn],
        reads: Mapping[str, ItemReads],
        words: PlaceWords,
        kind: Format,
    ) -> None:
        self._place = place
        self._columns = columns
        self._reads = reads
        self._words = words
        zone = words.zone
        template = template_of(place.project_key, place.type_key)
        self._cells = CellWriter(kind, Checks(catalogue, self._keys_of, zone), template)
        self.figures = ExportFigures()

    def write(self, path: Path, chosen: ChosenIds, show: Callable[[int], None]) -> None:
        """The file at `path` is replaced at the end, atomically. Raises OSError, and `NothingReadError`."""
        names = [ID_COLUMN, *(column.name for column in self._columns)]
        shape = Shape(names, ID_COLUMN, lambda row: [row.get(name) for name in names], (), guard=_as_it_is)
        write_report(path, self._rows(chosen, show) if self._columns else self._ids(chosen), shape)

    def _ids(self, chosen: ChosenIds) -> Iterator[dict[str, Any]]:
        for part in chosen.parts():
            self.figures.items += len(part)
            self.figures.written += len(part)
            yield from ({ID_COLUMN: item} for item in part)

    def _rows(self, chosen: ChosenIds, show: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        figures, began = self.figures, time.monotonic()
        keys = [column.field.key for column in self._columns]
        run = ReadingRun(self._reads)
        for asked, answer in run.read(ItemsToRead(self._place, part, keys) for part in chosen.parts()):
            figures.items += len(asked.items)
            figures.requests, figures.failed, figures.seconds = run.requests, run.failed, time.monotonic() - began
            self._note_absent(asked, answer)
            found = [answer.items[item] for item in asked.items if item in answer.items]
            self._words.learn_people(self._place, [cell for item in found for cell in item.fields.items()])
            for item in found:
                figures.written += 1
                yield self._row(item)
            show(figures.items)
        if figures.troubles and not figures.written:
            [(why, _)] = figures.troubles.most_common(1)
            raise NothingReadError(why)

    def _note_absent(self, asked: ItemsToRead, answer: ItemsRead) -> None:
        figures = self.figures
        if answer.trouble:
            figures.not_read += len(asked.items)
            figures.troubles[answer.trouble] += len(asked.items)
            return
        missing = [item for item in asked.items if item not in answer.items]
        figures.missing_count += len(missing)
        figures.missing += missing[: MOST_LISTED - len(figures.missing)]

    def _row(self, item: WorkItem) -> dict[str, Any]:
        row: dict[str, Any] = {ID_COLUMN: item.id}
        for column in self._columns:
            value = item.fields.get(column.field.key, ABSENT)
            if value is ABSENT:
                self.figures.left_out[column.name] += 1
                continue
            exported = self._exported(column, value)
            if not exported.is_exact:
                self.figures.not_exact[column.name] += 1
            if exported.cell is not None:
                row[column.name] = exported.cell
        return row

    def _exported(self, column: ExportColumn, value: Any) -> Exported:
        if not modes_of(column.field):
            return self._cells.shown(column.words, value, self._words.emails)
        return self._cells.written(column.words, value, self._words.emails)

    def _keys_of(self, words: list[str]) -> Mapping[str, str]:
        """By what was read: an address of two people means neither."""
        found = {word: self._words.key_of(word) if "@" in word else word for word in words}
        if None in found.values():
            raise RefusedError(Code.UNKNOWN_PERSON, "not certain", is_name=True)
        return {word: key for word, key in found.items() if key}


def _as_it_is(text: str) -> str:
    """Each cell has its form already."""
    return text
