"""What the user says about a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from worker.importing.columns import ImportFileError, folded

_CLOSE_ENOUGH: Final = 0.6


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Columns are named as the header names them. `fields`: each ``COLUMN=FIELD``."""

    space: str | None = None
    type_key: str | None = None
    id_column: str | None = None
    fields: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    skip_unchanged: bool | None = None  # None: yes
    keep_before: bool = False

    @property
    def may_skip(self) -> bool:
        return self.skip_unchanged is not False

    def given(self) -> list[str]:
        """The options that were used, as the user writes them."""
        used = {
            "--space": self.space,
            "--type": self.type_key,
            "--id-column": self.id_column,
            "--field": self.fields,
            "--ignore": self.ignore,
            "--append": self.append,
            "--skip-unchanged": self.skip_unchanged,
            "--write-all": self.skip_unchanged is False,
        }
        return [name for name, value in used.items() if value]


NONE_GIVEN: Final = TableOptions()


def same_name(one: str, other: str) -> bool:
    """As people compare the names of columns: without case, and blanks like underscores."""
    return folded(one) == folded(other)


def is_ignored(name: str, options: TableOptions) -> bool:
    return any(same_name(name, one) for one in options.ignore)


def place_of(name: str, names: Sequence[str], option: str) -> int:
    """Of the column that the option names: the exact name wins. Raises `ImportFileError`."""
    exact = [at for at, one in enumerate(names) if one.strip() == name.strip()]
    found = exact or [at for at, one in enumerate(names) if same_name(one, name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ImportFileError(f"{option}: {len(found)} columns are called {name!r}; rename all but one")
    near = get_close_matches(folded(name), [folded(one) for one in names], n=1, cutoff=_CLOSE_ENOUGH)
    meant = next((one for one in names if near and folded(one) == near[0]), None)
    hint = f"; the nearest is {meant!r}" if meant else f"; the columns are {', '.join(filter(None, names))}"
    raise ImportFileError(f"{option}: no column is called {name!r}{hint}")


def columns_meant(given: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each (column, field) that ``COLUMN=FIELD`` may mean: a column may have an equals sign in its name, but must be there."""
    parts = given.split("=")
    split = (("=".join(parts[:at]).strip(), "=".join(parts[at:]).strip()) for at in range(1, len(parts)))
    return [(column, field) for column, field in split if field and any(same_name(column, one) for one in names)]


def split_field(given: str, names: Sequence[str]) -> tuple[int, str]:
    """``COLUMN=FIELD`` as the column's place and the field. Raises `ImportFileError`."""
    meant = columns_meant(given, names)
    if len(meant) > 1:
        ways = ", or ".join(f"the column {column!r} with the field {field!r}" for column, field in meant)
        raise ImportFileError(f"--field {given!r} may mean {ways}: rename one of the columns")
    column, _, field = given.partition("=")
    column, field = meant[0] if meant else (column.strip(), field.strip())
    if not column or not field:
        raise ImportFileError(f"--field {given!r}: write it as COLUMN=FIELD")
    return place_of(column, names, "--field"), field
