"""The options of `import` and `plan`: which file, and how to read it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import wraps
from typing import Any, Final, TypeVar

import click

from config.lookups import time_zone
from config.settings import load_settings
from feishu_batch.intents import CHANGE_SET
from worker.cli.table_fields import table_fields
from worker.importing.columns import ImportFileError, UnansweredFileError
from worker.importing.encoding import text_encoding
from worker.importing.row import fitting_id
from worker.importing.rows import Format
from worker.importing.source import Source, opened
from worker.importing.table import Empty, Hidden, Table
from worker.importing.wide.options import TableOptions
from worker.operating.errors import UnreachableError, WrongUseError

F = TypeVar("F", bound=Callable[..., Any])

_CHANGE_SET: Final = re.compile(CHANGE_SET)
_FILE: Final = click.argument("file", type=click.Path(allow_dash=True))
_OPTIONS: Final = (
    click.option(
        "--format", "kind", type=click.Choice([form.value for form in Format]), help="Default: by the file's extension."
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of an XLSX workbook. Default: the first visible one."),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding of a text file: gb18030 for Excel's plain CSV in China. Default: UTF-8; any other file is refused.",
    ),
    click.option(
        "--time-zone",
        "zone",
        metavar="ZONE",
        help="Time zone of the dates in an XLSX workbook: an offset, or a name like Europe/Berlin. Default: FEISHU_BATCH_TIME_ZONE.",
    ),
)
_MORE_OPTIONS: Final = (
    click.option(
        "--empty",
        type=click.Choice([one.value for one in Empty]),
        help="What an empty after_field_value, or an empty cell of a table, means: clear the field, skip it, or reject it."
        " Default: clear; in a table skip.",
    ),
    click.option(
        "--header-row",
        type=click.IntRange(min=1),
        metavar="N",
        help="The row, or line, with the columns' names. Default: the first that is not blank.",
    ),
    click.option("--space", metavar="KEY", help="Of a table: the space of its work items, by key or simple name."),
    click.option(
        "--type", "type_key", metavar="KEY", help="Of a table: the item type of its work items: story, issue, …."
    ),
    click.option(
        "--id-column",
        metavar="COLUMN",
        help="Of a table: the column with the work items' ids. Default: the one called work_item_id, id, 工作项ID or the like.",
    ),
    click.option(
        "--field",
        "named_fields",
        multiple=True,
        metavar="COLUMN=FIELD",
        help="Of a table: the field that a column is about, by key, alias or name. Default: the column's own name. Repeatable.",
    ),
    click.option(
        "--ignore", multiple=True, metavar="COLUMN", help="Of a table: a column that is no field. Repeatable."
    ),
    click.option(
        "--append",
        multiple=True,
        metavar="COLUMN",
        help="Of a table: add this column's values to what the field holds, in place of overwriting it. Repeatable.",
    ),
    click.option(
        "--skip-unchanged/--write-all",
        "skip_unchanged",
        default=None,
        help="Of a table: read each cell before it is sent, and leave out those that hold their value already (the default); or write all.",
    ),
    click.option(
        "--keep-before",
        is_flag=True,
        help="Keep what each cell held before, so that `undo` can put it back.",
    ),
    click.option(
        "--import-id",
        metavar="NAME",
        help="Key for the rows' ids, and the change set's id: letters, digits, _ - . :, 64 at most. Default: a hash of the file."
        " Use a new one to import the same file again.",
    ),
)


def file_options(command: F) -> F:
    """The command gets `file`, a context manager that opens the `Source`, in place of these options."""
    return _decorated(command, _FILE, "Nothing was enqueued.", None)


def imported_file_options(command: F) -> F:
    """The file may be absent, and `file` is None then. Hidden rows are included: an import may have enqueued them."""
    option = click.option(
        "--file",
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="All rows that an import of this file enqueued. Repeat its --sheet, --time-zone and --import-id.",
    )
    return _decorated(command, option, "Nothing was canceled.", Hidden.INCLUDE)


def _decorated(command: F, file_parameter: Callable[[Any], Any], otherwise: str, usual: Hidden | None) -> F:
    """`usual`: how hidden rows are treated without --hidden; None: a file that has some is refused."""

    @wraps(command)
    def with_file(
        file: str | None,
        kind: str | None,
        sheet: str | None,
        encoding: str | None,
        zone: str | None,
        hidden: str | None,
        empty: str | None,
        header_row: int | None,
        space: str | None,
        type_key: str | None,
        id_column: str | None,
        named_fields: tuple[str, ...],
        ignore: tuple[str, ...],
        append: tuple[str, ...],
        skip_unchanged: bool | None,
        keep_before: bool,
        import_id: str | None,
        **others: Any,
    ) -> Any:
        if import_id is not None and not _CHANGE_SET.fullmatch(import_id):
            raise WrongUseError(
                f"--import-id {import_id!r}: use 1 to 64 letters (A to Z, a to z), digits, _ - . :, for example:"
                f" --import-id {fitting_id(import_id)}"
            )
        of_table = TableOptions(space, type_key, id_column, named_fields, ignore, append, skip_unchanged, keep_before)
        if file is None:
            _refuse_without_file(
                kind, sheet, encoding, zone, hidden, empty, header_row, import_id, keep_before, *of_table.given()
            )
            return command(file=None, **others)
        table = Table(
            sheet,
            _zone(zone),
            _encoding(encoding),
            Hidden(hidden) if hidden else usual,
            Empty(empty) if empty else None,
            header_row,
            of_table,
            table_fields,
            keeps_rows=bool(others.get("report")),
        )
        return command(file=_opener(file, kind, import_id, table, otherwise), **others)

    decorated: Any = with_file
    for option in reversed((file_parameter, *_OPTIONS, _hidden_option(usual), *_MORE_OPTIONS)):
        decorated = option(decorated)
    result: F = decorated
    return result


def _hidden_option(usual: Hidden | None) -> Callable[[Any], Any]:
    without = usual or "a file that has some is refused"
    return click.option(
        "--hidden",
        type=click.Choice([one.value for one in Hidden]),
        help=f"How to treat hidden (filtered) rows of an XLSX workbook. Default: {without}.",
    )


def _refuse_without_file(*given: object) -> None:
    if any(given):
        raise WrongUseError("options that say how a file is read need --file: a row's id rests on its content")


def _zone(name: str | None) -> tzinfo:
    try:
        return time_zone(name or load_settings().time_zone)
    except ValueError as error:
        raise WrongUseError(f"--time-zone: {name} {error}") from None


def _encoding(name: str | None) -> str | None:
    try:
        return text_encoding(name) if name else None
    except ValueError as error:
        raise WrongUseError(f"--encoding: {error}") from None


def _opener(path: str, kind: str | None, import_id: str | None, table: Table, otherwise: str) -> Callable[[], Any]:
    @contextmanager
    def open_it() -> Iterator[Source]:
        try:
            with opened(path, kind, import_id, table) as source:
                yield source
        except ImportFileError as error:
            name = "standard input" if path == "-" else path
            kind_of_error = UnreachableError if isinstance(error, UnansweredFileError) else WrongUseError
            raise kind_of_error(f"{name}: {error}. {otherwise}") from None

    return open_it
