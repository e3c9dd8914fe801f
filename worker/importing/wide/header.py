"""Which column of a table is what. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum, auto
from typing import Final

from feishu_batch.intents import UpdateMode
from worker.importing.cells import ALIASES
from worker.importing.columns import ImportFileError, folded
from worker.importing.wide.options import TableOptions, columns_meant, place_of, same_name, split_field
from worker.writing.characters import one_line

MOST_COLUMNS: Final = 1000
# By these, a file of field changes is known: it has a row per change, and says in it which field it is about.
_OF_LONG_FILES: Final = frozenset({"field_key", "update_mode", "before_field_value", "after_field_value"})
_FIELD_COLUMN: Final = frozenset({"字段", "字段名", "字段名称", "更新方式", "更新模式"})
_TYPING_MISTAKE: Final = 0.85  # of difflib: a letter or two
# Compared without underscores. Those of the second row count only where none of the first is there.
_ITEM: Final = (
    frozenset({"workitemid", "workitemids", "id", "ids", "工作项id", "工作项实例id", "itemid", "itemids"}),
    frozenset({"工作项", "workitem", "item"}),
)
_SPACE: Final = frozenset({"space", "projectkey", "空间", "所属空间"})
_TYPE: Final = frozenset({"type", "workitemtypekey", "workitemtype", "类型", "工作项类型"})
_NO_FIELD: Final = frozenset({"projectkey", "workitemtypekey"})  # which no field is called


# What the report of a table has before the table's own columns.
LINE, STATE, CODE, REASON = ABOUT = ("import_line", "import_state", "import_code", "import_reason")


class Role(StrEnum):
    ITEM = auto()
    SPACE = auto()
    TYPE = auto()
    FIELD = auto()
    IGNORED = auto()
    NAMELESS = auto()
    ABOUT = auto()  # what the report of an import says of a row


@dataclass(frozen=True, slots=True)
class Column:
    """`word`: the field as the user calls it; `is_named`: by --field. `is_taken`: an option says what the column would."""

    name: str
    role: Role
    word: str = ""
    mode: UpdateMode = UpdateMode.UPDATE
    is_named: bool = False


def is_wide(header: Sequence[str], options: TableOptions) -> bool:
    """Whether the header is that of a table: it names the work item, and no column says which field a row is about."""
    if _is_blank(header) or any(map(_is_of_long_file, header)):
        return False
    return options.id_column is not None or bool(_items_among(header))


def may_name_a_field(name: str) -> bool:
    """Whether a column of this name is taken for a field, whichever other columns there are."""
    has_other_role = any(_bare(name) in names for names in (*_ITEM, _SPACE, _TYPE)) or folded(name) in ABOUT
    return bool(name.strip()) and one_line(name) == name and not has_other_role and not _is_of_long_file(name)


def refuse_no_table(header: Sequence[str], options: TableOptions) -> None:
    """For a header that is not that of a table: the options of one do not fit. Raises `ImportFileError`."""
    if options.given() and _is_blank(header):
        raise ImportFileError(
            "it is empty; its first line must name the columns: one with the ids of the work items, and one per field"
        )
    refuse_options(options)


def refuse_options(options: TableOptions) -> None:
    """Of a file that is no table. Raises `ImportFileError`."""
    if given := options.given():
        names = " and ".join([", ".join(given[:-1]), given[-1]] if given[1:] else given)
        raise ImportFileError(
            f"{names} {'belong' if given[1:] else 'belongs'} to a table, which has a row per work item, a column with its id, and a"
            " column per field; this file has none of them, or says in each row which field it is about (field_key)"
        )


def _is_blank(header: Sequence[str]) -> bool:
    return not any(map(folded, header))


def _is_of_long_file(name: str) -> bool:
    word = ALIASES.get(folded(name), folded(name))
    if word in _OF_LONG_FILES or word in _FIELD_COLUMN:
        return True
    near = (SequenceMatcher(None, word, one).ratio() for one in ("field_key", "after_field_value"))
    return max(near) >= _TYPING_MISTAKE


def _bare(name: str) -> str:
    return folded(name).replace("_", "")


def _items_among(header: Sequence[str]) -> list[int]:
    for names in _ITEM:
        if found := [at for at, name in enumerate(header) if _bare(name) in names]:
            return found
    return []


@dataclass(slots=True)
class Header:
    """Grows where the columns are only known row by row, as in JSON Lines."""

    options: TableOptions
    names: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    is_report: bool = False

    def extend(self, names: Sequence[str]) -> None:
        """Take the next columns. The first call has to have those of the item, space and type. Raises `ImportFileError`."""
        begun = len(self.names)
        self.names += [one_line(name) for name in names]
        if len(self.names) > MOST_COLUMNS:
            raise ImportFileError(f"the table has more than {MOST_COLUMNS} columns")
        if begun == 0:
            self.is_report = set(ABOUT) <= {folded(name) for name in self.names}
        fields = dict(split_field(one, self.names) for one in self.options.fields if columns_meant(one, self.names))
        own = self._own_roles() if begun == 0 else {}
        ignored = {place_of(one, self.names, "--ignore") for one in self.options.ignore if self._is_here(one)}
        append = {place_of(one, self.names, "--append") for one in self.options.append if self._is_here(one)}
        for at in range(begun, len(self.names)):
            self.columns.append(self._column(at, own, fields, ignored, append))
        self._refuse_twice()

    def refuse_unused(self) -> None:
        """Options that name a column which is not there. Raises `ImportFileError`."""
        for one in self.options.fields:
            split_field(one, self.names)
        for option, names in (("--ignore", self.options.ignore), ("--append", self.options.append)):
            for name in names:
                place_of(name, self.names, option)
        for column in self.columns:
            if column.role is not Role.FIELD and self._is_append(column.name):
                raise ImportFileError(f"--append: {column.name!r} is not a column of a field")

    def place(self, role: Role) -> int | None:
        return next((at for at, one in enumerate(self.columns) if one.role is role), None)

    def field_columns(self) -> list[int]:
        return [at for at, one in enumerate(self.columns) if one.role is Role.FIELD]

    def _is_here(self, name: str) -> bool:
        return any(same_name(name, one) for one in self.names)

    def _is_append(self, name: str) -> bool:
        return any(folded(one) == folded(name) for one in self.options.append)

    def _own_roles(self) -> dict[int, Role]:
        roles = {self._item(): Role.ITEM}
        for role, names, given, option in (
            (Role.SPACE, _SPACE, self.options.space, "--space"),
            (Role.TYPE, _TYPE, self.options.type_key, "--type"),
        ):
            found = [at for at, name in enumerate(self.names) if _bare(name) in names and not self._is_spoken_for(name)]
            if given is None:
                roles[self._only(found, role, option)] = role
            elif clash := next((self.names[at] for at in found if _bare(self.names[at]) in _NO_FIELD), None):
                raise ImportFileError(
                    f"{option} and the column {clash!r} say the same thing: leave {option} out, or give --ignore {clash!r}"
                )
        return roles

    def _is_spoken_for(self, name: str) -> bool:
        meant = (column for one in self.options.fields for column, _ in columns_meant(one, self.names))
        return any(same_name(name, one) for one in (*self.options.ignore, *self.options.append, *meant))

    def _item(self) -> int:
        if self.options.id_column is not None:
            return place_of(self.options.id_column, self.names, "--id-column")
        found = [at for at in _items_among(self.names) if not self._is_spoken_for(self.names[at])]
        if len(found) == 1:
            return found[0]
        if found:
            named = ", ".join(repr(self.names[at]) for at in found)
            raise ImportFileError(
                f"{len(found)} columns may hold the ids of the work items, {named}: say which with --id-column"
            )
        raise ImportFileError("no column holds the ids of the work items: name it with --id-column")

    def _only(self, found: list[int], role: Role, option: str) -> int:
        if len(found) == 1:
            return found[0]
        what = "space" if role is Role.SPACE else "item type"
        if found:
            named = ", ".join(repr(self.names[at]) for at in found)
            raise ImportFileError(
                f"{len(found)} columns may hold the {what}, {named}: give {option}, or --ignore all but one"
            )
        raise ImportFileError(
            f"a table needs the {what} of its work items: give {option}, or a column {option.removeprefix('--')!r}"
        )

    def _column(
        self, at: int, own: dict[int, Role], fields: dict[int, str], ignored: set[int], append: set[int]
    ) -> Column:
        name = self.names[at]
        if at in own:
            return Column(name, own[at])
        if at in ignored:
            return Column(name, Role.IGNORED)
        if not name:
            return Column(name, Role.NAMELESS)
        if self.is_report and folded(name) in ABOUT:
            return Column(name, Role.ABOUT)
        mode = UpdateMode.APPEND if at in append else UpdateMode.UPDATE
        return Column(name, Role.FIELD, fields.get(at, name), mode, is_named=at in fields)

    def _refuse_twice(self) -> None:
        names = [folded(one.name) for one in self.columns if one.role not in (Role.IGNORED, Role.NAMELESS)]
        if twice := next((one for one in names if names.count(one) > 1), None):
            written = next(one.name for one in self.columns if folded(one.name) == twice)
            raise ImportFileError(f"two columns are called {written!r}: rename one of them")
