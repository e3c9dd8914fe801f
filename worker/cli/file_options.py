"""What `import` and `plan` have in common: which file, and how it is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import wraps
from typing import Any, Final, TypeVar

import click

from config.catalogue import time_zone
from config.settings import load_settings
from worker.cli.errors import WrongUseError
from worker.importing.columns import ImportFileError
from worker.importing.encoding import text_encoding
from worker.importing.rows import Format
from worker.importing.source import Source, opened
from worker.importing.table import Empty, Hidden, Table

F = TypeVar("F", bound=Callable[..., Any])

_FILE: Final = click.argument("file", type=click.Path(allow_dash=True))
_OPTIONS: Final = (
    click.option(
        "--format", "kind", type=click.Choice([form.value for form in Format]), help="Default: from the file's ending."
    ),
    click.option("--sheet", metavar="NAME", help="Of an XLSX workbook. Default: the first that is not hidden."),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of a text file: gb18030 for Excel's plain CSV in China. Default: UTF-8; a file that is not, as a whole, is refused.",
    ),
    click.option(
        "--time-zone",
        "zone",
        metavar="ZONE",
        help="In which the dates of an XLSX workbook are: an offset, or a name like Europe/Berlin. Default: FEISHU_BATCH_TIME_ZONE.",
    ),
    click.option(
        "--hidden",
        type=click.Choice([one.value for one in Hidden]),
        help="What becomes of hidden rows of an XLSX workbook, as a filter leaves them. Default: a file that has some is refused.",
    ),
    click.option(
        "--empty",
        type=click.Choice([one.value for one in Empty]),
        default=Empty.CLEAR.value,
        show_default=True,
        help="What a row means whose after_field_value is empty: clear the field, skip the row, or reject it.",
    ),
    click.option(
        "--import-id",
        metavar="NAME",
        help="Key for the rows' ids. Default: a hash of the file. Use a new one to import the same file again.",
    ),
)


def file_options(command: F) -> F:
    """The command gets `file`, a context manager that opens the `Source`, in place of these options."""
    return _decorated(command, _FILE, "Nothing was enqueued.")


def imported_file_options(command: F) -> F:
    """The file may be absent, and `file` is None then."""
    option = click.option(
        "--file",
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="All that an import of this file enqueued; give the other options as they were given to it.",
    )
    return _decorated(command, option, "Nothing was canceled.")


def _decorated(command: F, file_parameter: Callable[[Any], Any], otherwise: str) -> F:
    @wraps(command)
    def with_file(
        file: str | None,
        kind: str | None,
        sheet: str | None,
        encoding: str | None,
        zone: str | None,
        hidden: str | None,
        empty: str,
        import_id: str | None,
        **others: Any,
    ) -> Any:
        if file is None:
            _refuse_without_file(kind, sheet, encoding, zone, hidden, import_id)
            return command(file=None, **others)
        chosen = Hidden(hidden) if hidden else None
        table = Table(sheet, _zone(zone), _encoding(encoding), chosen, Empty(empty))
        return command(file=_opener(file, kind, import_id, table, otherwise), **others)

    decorated: Any = with_file
    for option in reversed((file_parameter, *_OPTIONS)):
        decorated = option(decorated)
    result: F = decorated
    return result


def _refuse_without_file(*given: str | None) -> None:
    if any(given):
        raise WrongUseError(
            "--format, --sheet, --encoding, --time-zone, --hidden and --import-id need --file:"
            " a row's id rests on its content"
        )


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
            raise WrongUseError(f"{name}: {error}. {otherwise}") from None

    return open_it
