"""From the rows of a table to intents: each cell is read, compared with cells that contradict it, and gathered with cells that agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from pydantic_core import from_json, to_json

from feishu_batch import IntentError, UpdateIntent, parse_intent
from feishu_batch.intents import BULK_PRIORITY, UpdateMode
from feishu_batch.written import untagged
from worker.catalogue.models import Refusal
from worker.importing.cells import CellError, refuse_other_place
from worker.importing.columns import ImportFileError, UnansweredFileError, folded
from worker.importing.report_columns import LEFT_OUT
from worker.importing.row import Rejected, Row, change_set_of, hashed
from worker.importing.table import Empty, Noticed, Table
from worker.importing.wide.fields import Fields, FoundField, NotAFieldError, Place, PlaceError
from worker.importing.wide.header import STATE, Column, Header, Role
from worker.importing.wide.notes import TableNotes
from worker.importing.wide.options import TableOptions
from worker.importing.wide.raw import RawTable, WideRow
from worker.importing.wide.spool import GatheredCell, Spool
from worker.writing.characters import one_line

MOST_PLACES: Final = 1000  # spaces and item types of one table
MOST_KNOWN: Final = 20_000  # values whose meaning is kept in memory
_MOST_NAMED: Final = 10  # columns
_SHOWN: Final = 60  # characters of a value in a message


def table_rows(raw: RawTable, table: Table, import_id: str, noticed: Noticed) -> Iterator[Row | Rejected]:
    """Reads all of it. Raises `ImportFileError`."""
    gatherer = Gatherer(
        raw, table.as_table, table.empty or Empty.SKIP, table.fields(), import_id, keeps_rows=table.keeps_rows
    )
    gatherer.begin()
    rows = gatherer.rows()
    noticed.table = gatherer.notes
    return rows


@dataclass(frozen=True, slots=True)
class _InPlace:
    """A column in one space and type. `number`: of the spool; `template`: an intent without its items and value."""

    number: int
    column: Column
    found: FoundField
    template: UpdateIntent


@dataclass(frozen=True, slots=True)
class _Refused:
    field: str
    reason: str


class Gatherer:
    """`import_id` as in `row_of`. `keeps_rows`: for a report."""

    def __init__(
        self,
        raw: RawTable,
        options: TableOptions,
        empty: Empty,
        fields: Fields,
        import_id: str,
        *,
        keeps_rows: bool = False,
    ) -> None:
        self.spool = Spool()
        self.header = Header(options)
        self.notes = TableNotes(self.header, self.spool, skips_empty=empty is Empty.SKIP)
        self._raw = raw
        self._options = options
        self._empty = empty
        self._fields = fields
        self._import_id = import_id
        self._keeps_rows = keeps_rows
        self._places: dict[Place, dict[int, _InPlace | NotAFieldError] | PlaceError] = {}
        self._by_number: dict[int, _InPlace] = {}
        self._known: dict[tuple[int, type, Any], int | _Refused] = {}

    def begin(self) -> None:
        """Look at the header. Raises `ImportFileError`."""
        self.header.extend(list(self._raw.names))
        if self._options.space is not None and self._options.type_key is not None:
            place = Place(self._options.space, self._options.type_key)
            try:
                self._columns_in(place)
            except PlaceError as error:
                raise ImportFileError(str(error)) from None
            self._refuse_unknown_columns()

    def rows(self) -> Iterator[Row | Rejected]:
        """Reads all of the table first. Raises `ImportFileError` before the first row, or never."""
        for row in self._raw.rows:
            self.notes.rows += 1
            if isinstance(row, Rejected):
                self._reject(row.line, None, "", row.reason)
            else:
                self._take(row)
        self.header.refuse_unused()
        self._refuse_unknown_columns()
        if not self.notes.rows:
            raise ImportFileError("there are no rows in it, so there is nothing to do")
        if not self.header.field_columns():
            raise ImportFileError("no column of it is a field, so there is nothing to do")
        self._count()
        return self._handed_out()

    def _handed_out(self) -> Iterator[Row | Rejected]:
        yield from self.spool.rejected()
        for gathered in self.spool.gathered():
            own = self._by_number[gathered.column]
            value = {"work_item_ids": gathered.items, "after_field_value": from_json(gathered.value)}
            intent = own.template.model_copy(update=value)
            named = intent.model_copy(update={"intent_id": hashed(f"{self._import_id}\0{intent.digest()}")})
            self.spool.note_intent(gathered, named.intent_id)
            yield Row(gathered.line, named, is_gathered=True)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _take(self, row: WideRow) -> None:
        if len(self._raw.names) > len(self.header.names):
            self.header.extend(self._raw.names[len(self.header.names) :])
        if self.header.is_report and self._state(row) in LEFT_OUT:
            self.notes.left_out += 1
            return
        items: list[int] = []
        columns: dict[int, _InPlace | NotAFieldError] = {}
        try:
            self._refuse_nameless(row)
            place = self._place_of(row)
            items = self._items_of(row, place)
            columns = self._columns_in(place)
        except (CellError, PlaceError) as error:
            self._reject(row.line, None, "", str(error))
        else:
            number = list(self._places).index(place)
            is_first = [self.spool.is_first_row_of(number, item, row.line) for item in items]
            self._take_cells(row, columns, items, is_new=all(is_first))
        if self._keeps_rows:
            self._keep(row, columns, items)

    def _keep(self, row: WideRow, columns: dict[int, _InPlace | NotAFieldError], items: list[int]) -> None:
        written = {
            at: None if isinstance(cell, CellError) else self._raw.cells.written(cell) for at, cell in row.cells.items()
        }
        numbers = {at: own.number for at, own in columns.items() if isinstance(own, _InPlace)}
        self.spool.keep_row(row.line, items, numbers, written)

    def _state(self, row: WideRow) -> str:
        at = next(at for at, name in enumerate(self.header.names) if folded(name) == STATE)
        cell = row.cells.get(at)
        return "" if cell is None or isinstance(cell, CellError) else self._raw.cells.text(STATE, cell)

    def _refuse_nameless(self, row: WideRow) -> None:
        for at, cell in row.cells.items():
            is_nameless = at >= len(self.header.columns) or self.header.columns[at].role is Role.NAMELESS
            if is_nameless and (isinstance(cell, CellError) or not self._raw.cells.is_empty(cell)):
                raise CellError(f"has a value in column {at + 1}, which has no name in the header")

    def _place_of(self, row: WideRow) -> Place:
        return Place(
            self._options.space or one_line(self._text(row, Role.SPACE)),
            self._options.type_key or self._text(row, Role.TYPE),
        )

    def _text(self, row: WideRow, role: Role) -> str:
        name, cell = self._cell(row, role)
        text = self._raw.cells.text(name, cell)
        if not text:
            raise CellError(f"{name}: the cell is empty")
        return text

    def _items_of(self, row: WideRow, place: Place) -> list[int]:
        name, cell = self._cell(row, Role.ITEM)
        ids = self._raw.cells.ids(name, cell)
        try:
            refuse_other_place(ids, {"project_key": place.space, "work_item_type_key": place.type_key})
        except CellError as error:
            raise CellError(f"{name}{str(error).removeprefix('work_item_ids')}") from None
        return list(dict.fromkeys(ids.ids))

    def _cell(self, row: WideRow, role: Role) -> tuple[str, Any]:
        """Of the column with this part in the row. Raises `CellError` for an empty one."""
        at = self.header.place(role)
        name = self.header.names[at] if at is not None else str(role)
        cell = row.cells.get(at) if at is not None else None
        if isinstance(cell, CellError):
            raise cell
        if cell is None or self._raw.cells.is_empty(cell):
            raise CellError(f"{name}: the cell is empty")
        return name, cell

    # --- cells ------------------------------------------------------------------------------------------------------

    def _take_cells(
        self, row: WideRow, columns: dict[int, _InPlace | NotAFieldError], items: list[int], *, is_new: bool
    ) -> None:
        cells: list[GatheredCell] = []
        for at, cell in row.cells.items():
            own = columns.get(at)
            if own is None:
                continue
            value = self._value(row.line, at, own, cell)
            if isinstance(own, _InPlace) and value is not None:
                slot = value if own.column.mode is UpdateMode.APPEND else 0
                cells += [GatheredCell(own.number, item, slot, value, row.line) for item in items]
        self.spool.add(cells if is_new else [one for one in cells if self._is_agreed(one)])

    def _value(self, line: int, at: int, own: _InPlace | NotAFieldError, cell: Any) -> int | None:
        """The number of what the cell says. None: nothing, or it is rejected."""
        name = self.header.names[at]
        if isinstance(cell, CellError):
            self._reject(line, at, "", str(cell))
            return None
        is_empty = cell is None or self._raw.cells.is_empty(cell)
        if is_empty and (self._empty is Empty.SKIP or self.header.columns[at].mode is UpdateMode.APPEND):
            self.notes.skipped += 1
            return None
        if isinstance(own, NotAFieldError):
            if not is_empty:
                self._reject(line, at, self._shown(cell), f"{name}: {own}")
            return None
        if is_empty and self._empty is Empty.REJECT:
            self._reject(line, at, "", f"{name}: is empty, which would clear the field, and --empty says reject")
            return None
        found = self._number_of(line, own, None if is_empty else cell)
        if isinstance(found, _Refused):
            self._reject(line, at, self._shown(cell), f"{name}: {found.reason}")
            return None
        self.notes.cleared += is_empty
        return found

    def _number_of(self, line: int, own: _InPlace, cell: Any) -> int | _Refused:
        """Most cells say what one above them says: those are not looked at twice."""
        key = (own.number, type(cell), cell if cell.__hash__ else to_json(cell))  # of 1 and True the type differs
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._looked_at(line, own, cell)
        return found

    def _looked_at(self, line: int, own: _InPlace, cell: Any) -> int | _Refused:
        name = own.column.name
        try:
            value = None if cell is None else self._raw.cells.value(name, cell)
        except CellError as error:
            return _Refused(own.found.shown, str(error).removeprefix(f"{name}: "))
        written = own.template.model_copy(update={"after_field_value": value})
        meant = self._fields.meant(written)
        if isinstance(meant, Refusal):
            return _Refused(own.found.shown, f"{meant.code}: {meant.reason}")
        digest = blake2b(to_json([own.number, meant.after_field_value]), digest_size=16).digest()
        return self.spool.value(digest, own.number, line, to_json(value).decode())

    def _is_agreed(self, cell: GatheredCell) -> bool:
        """A row above names the same item. Where both give the cell a value, these have to agree."""
        held = self.spool.held(cell.column, cell.item, cell.slot)
        if held is None or held[0] == cell.value:
            return True
        own = self._by_number[cell.column]
        reason = f"{own.column.name}: item {cell.item} has another value here in another row of the table"
        for line in (held[1], cell.line) if held[0] else (cell.line,):
            self.spool.reject(line, own.column.name, own.found.shown, str(cell.item), reason)
        self.spool.contest(cell.column, cell.item)
        return False

    def _reject(self, line: int, at: int | None, value: str, reason: str) -> None:
        column = "" if at is None else self.header.names[at]
        self.spool.reject(line, column, self._field_of(at), value, reason)

    def _field_of(self, at: int | None) -> str:
        found = (one.get(at) for one in self._places.values() if isinstance(one, dict) and at is not None)
        return next((one.found.shown for one in found if isinstance(one, _InPlace)), "")

    def _shown(self, cell: Any) -> str:
        seen = untagged(self._raw.cells.written(cell))
        text = seen if isinstance(seen, str) else to_json(seen).decode()
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

    # --- columns ----------------------------------------------------------------------------------------------------

    def _columns_in(self, place: Place) -> dict[int, _InPlace | NotAFieldError]:
        """By their places in the header. Raises `PlaceError`."""
        found = self._places.get(place)
        if isinstance(found, PlaceError):
            raise found
        if found is None:
            if len(self._places) >= MOST_PLACES:
                raise ImportFileError(f"the table has more than {MOST_PLACES} spaces and item types")
            found = self._places[place] = {}
        try:
            for at in self.header.field_columns():
                if at not in found:
                    found[at] = self._column_in(place, at, found)
        except PlaceError as error:
            self._places[place] = error
            raise
        return found

    def _column_in(
        self, place: Place, at: int, others: dict[int, _InPlace | NotAFieldError]
    ) -> _InPlace | NotAFieldError:
        column = self.header.columns[at]
        template = self._template(place, column)
        try:
            found = self._fields.field(place, column.word, column.mode, is_named=column.is_named)
        except NotAFieldError as error:
            return error
        for other in others.values():
            if isinstance(other, _InPlace) and other.found.key == found.key:
                raise ImportFileError(
                    f"the columns {other.column.name!r} and {column.name!r} are both the field {found.shown}:"
                    f" give --ignore {column.name!r}, or --ignore {other.column.name!r}"
                )
        number = len(self._by_number) + 1
        self._by_number[number] = _InPlace(number, column, found, template)
        return self._by_number[number]

    def _template(self, place: Place, column: Column) -> UpdateIntent:
        content = {
            "project_key": place.space,
            "work_item_type_key": place.type_key,
            "work_item_ids": [1],
            "field_key": column.word,
            "update_mode": column.mode,
            "after_field_value": None,
            "priority": BULK_PRIORITY,
            "change_set": change_set_of(self._import_id),
            "skip_unchanged": self._options.may_skip,
            "keep_before": self._options.keep_before,
        }
        try:
            return parse_intent(content)
        except IntentError as error:
            if str(error).startswith("field_key"):
                raise ImportFileError(f"column {column.name!r}: {str(error).partition(': ')[2]}") from None
            problems = "; ".join(str(error).splitlines())
            raise PlaceError(problems.replace("project_key", "space").replace("work_item_type_key", "type")) from None

    def _refuse_unknown_columns(self) -> None:
        """Columns that are a field nowhere. Raises `ImportFileError`."""
        known = [one for one in self._places.values() if isinstance(one, dict)]
        if not known:
            return
        strange = {
            at: [error for one in known if isinstance(error := one.get(at), NotAFieldError)]
            for at in self.header.field_columns()
        }
        wrong = {at: errors[0] for at, errors in strange.items() if errors and len(errors) == len(known)}
        if not wrong:
            return
        named = {self.header.names[at]: error for at, error in wrong.items()}
        if reason := next((str(error) for error in named.values() if error.is_unanswered), ""):
            raise UnansweredFileError(_unanswered(list(named), reason))
        raise ImportFileError(_not_fields(named))

    def _count(self) -> None:
        notes = self.notes
        notes.cells = self.spool.count_cells()
        notes.ignored = [one.name for one in self.header.columns if one.role is Role.IGNORED]
        seen = {(one.column.name, one.found.shown, str(one.column.mode)) for one in self._by_number.values()}
        order = {name: at for at, name in enumerate(self.header.names)}
        notes.columns = sorted(seen, key=lambda one: order[one[0]])


def _not_fields(wrong: dict[str, NotAFieldError]) -> str:
    """Columns that are no field, as far as known."""
    doubtful = [name for name, error in wrong.items() if error.is_doubt]
    problems = [
        f"column {name!r} is no field that can be written: {error}"
        for name, error in wrong.items()
        if not error.is_doubt
    ]
    if doubtful:
        why = wrong[doubtful[0]]
        problems.append(f"column{'s' if doubtful[1:] else ''} {', '.join(map(repr, doubtful))}: {why}")
    credentials = ", or the workers' credentials in the environment" if doubtful else ""
    return f"{'; '.join(problems)}. Give {_options_for(list(wrong))}{credentials}"


def _unanswered(names: list[str], reason: str) -> str:
    return (
        f"Feishu Project could not be asked which {'fields the columns' if names[1:] else 'field the column'}"
        f" {', '.join(map(repr, names))} {'are' if names[1:] else 'is'} ({reason}): check FEISHU_BATCH_BASE_URL, and run"
        f" `feishu-batch doctor`. To import without its answer, give {_options_for(names)}"
    )


def _options_for(names: list[str]) -> str:
    ignored = " ".join(f'--ignore "{name}"' for name in names[:_MOST_NAMED])
    return f'--field "{names[0]}=FIELD", or {ignored}'
