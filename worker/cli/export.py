"""`feishu-batch export`: a table of what work items hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, cast

import click
from rich.console import Console

from config.file_formats import FORMAT_OF_ENDING
from config.lookups import time_zone
from worker.catalogue.models import Catalogue, RefusedError, UnavailableError
from worker.catalogue.naming import field_called
from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError
from worker.cli.export_report import ChosenTable, document, print_export
from worker.cli.options import json_option
from worker.cli.output import console, print_json
from worker.cli.progress import items_bar
from worker.importing.columns import ImportFileError
from worker.importing.lines import read_lines
from worker.importing.report_file import check_report
from worker.importing.rows import Format
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.session import open_session
from worker.operating.set_items import items_of_set
from worker.reading.chosen_ids import ChosenError, ChosenIds, add_lines, add_view, view_id_in
from worker.reading.export_table import ExportFigures, NothingReadError, TableExport, columns_of
from worker.reading.field_lookup import FieldLookup, open_field_lookup
from worker.reading.place_words import PlaceWords
from worker.reading.wanted_cells import ReadPlace
from worker.remote.errors import BatchRefused, RemoteError, SpaceRefused

_ENDS: Final = "Nothing was written."


@click.command("export", short_help="Write a table of what work items hold; import takes it again.")
@click.option("--space", required=True, metavar="KEY", help="The space's key, or its simple name.")
@click.option("--type", "type_key", required=True, metavar="KEY", help="The item type's key: story, issue, ….")
@click.option(
    "--ids",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help='A file with the ids of the work items ("-": standard input).',
)
@click.option("--view", metavar="VIEW", help="All work items of a view: its id, or its address in the browser.")
@click.option("--change-set", metavar="ID", help="All work items of this space and type that a change set names.")
@click.option(
    "--fields",
    multiple=True,
    metavar="NAMES",
    help='Fields with commas between them, by name, alias or key: "Priority,Due date".',
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The table: .xlsx, .csv or .jsonl. An existing file is replaced.",
)
@json_option
def export(
    space: str,
    type_key: str,
    ids: str | None,
    view: str | None,
    change_set: str | None,
    fields: tuple[str, ...],
    output: Path,
    as_json: bool,
) -> int:
    """Write a table of what work items hold: one row per item, one column per field, with names and labels.

    Example:
      feishu-batch export --space demo --type story --view https://…/demo/storyView/kPxLwq7Hg --fields "Priority,Due date" --output sprint.xlsx

    `feishu-batch import` takes the table again, without a change or with yours. Without --fields, the table has only the ids.

    The file of --ids has one id per line, or several with commas or spaces between them; #1001, a range 1001-1020, or a link to a work
    item is an id, too. A view is read as it was saved.

    A cell is empty if the field is empty, if it is hidden from the user, or if no cell can hold its value; an import skips it. Columns that
    cannot be imported are named, with the option that leaves them out. The command needs the workers' credentials and Redis, and changes
    nothing.

    Exit codes: 0 done; 1 some items do not exist or could not be read; 2 wrong use; 3 Redis or Feishu Project cannot be reached.
    """
    if sum(one is not None for one in (ids, view, change_set)) != 1:
        raise WrongUseError("give --ids FILE, --view VIEW or --change-set ID, one of the three")
    _check_output(output, ids)
    session = open_session()
    lookup = open_field_lookup(session)
    words = PlaceWords(lookup.lanes, time_zone(session.settings.time_zone))
    chosen = _chosen(lookup, words, space, type_key, fields, output)
    out, aside = console(), console(stderr=True)
    with ChosenIds() as items, _trouble_in_words():
        if view is not None:
            chosen = _with_view(lookup, chosen, view, items)
        elif change_set is not None:
            items.add(items_of_set(session, change_set, {space, chosen.place.project_key}, type_key))
        else:
            _read_ids(str(ids), items, chosen)
        if not len(items):
            raise WrongUseError(f"{_none_there(view, change_set)}. {_ENDS}")
        figures = _write(lookup, words, chosen, items, aside if as_json else out)
    if as_json:
        print_json(out, document(chosen, figures))
    else:
        print_export(out, chosen, figures)
    return SOME_FAILED if figures.missing_count or figures.not_read else DONE


def _none_there(view: str | None, change_set: str | None) -> str:
    if change_set is not None:
        return f"the change set {change_set} names no work items of this space and type, or they were forgotten"
    return "the view has no work items" if view else "there are no work items"


def _check_output(output: Path, ids: str | None) -> None:
    try:
        check_report(output, ids or "", "--output")
    except ImportFileError as error:
        raise WrongUseError(f"{error}. {_ENDS}") from None


def _chosen(
    lookup: FieldLookup, words: PlaceWords, space: str, type_key: str, fields: tuple[str, ...], output: Path
) -> ChosenTable:
    project_key = lookup.project_key(space)
    lane = lookup.lane_name(project_key)
    place = ReadPlace(lane, project_key, type_key)
    try:
        catalogue, _ = lookup.lanes[lane].fields(project_key, type_key)
        of_fields = {field.key: found for field in catalogue.fields if (found := words.words_of(place, field.key))}
        columns = columns_of(catalogue, [one for given in fields for one in _names_in(given, catalogue)], of_fields)
    except RefusedError as error:
        raise WrongUseError(f"{error.refusal.reason}. {_ENDS}") from None
    except UnavailableError as error:
        raise UnreachableError(f"the fields of {type_key} cannot be looked up: {error}") from None
    return ChosenTable(space, place, catalogue, columns, output)


def _names_in(given: str, catalogue: Catalogue) -> list[str]:
    """A name may contain a comma."""
    try:
        field_called(catalogue, given)
    except RefusedError:
        return [name.strip() for name in given.replace("，", ",").split(",") if name.strip()]
    return [given]


def _with_view(lookup: FieldLookup, chosen: ChosenTable, view: str, items: ChosenIds) -> ChosenTable:
    place = chosen.place
    view_id = view_id_in(view)
    try:
        name = add_view(items, partial(lookup.views[place.lane].page, place.project_key, view_id))
    except (BatchRefused, SpaceRefused) as error:
        raise WrongUseError(f"the view {view_id} cannot be read: {error}. {_ENDS}") from None
    return replace(chosen, view_name=name or view_id)


def _read_ids(path: str, items: ChosenIds, chosen: ChosenTable) -> None:
    try:
        with click.open_file(path, "rb") as file:
            content = cast("BinaryIO", file) if file.seekable() else BytesIO(file.read())
            add_lines(items, read_lines(content), chosen.space, chosen.place.type_key)
    except (ImportFileError, ChosenError) as error:
        raise WrongUseError(f"{'standard input' if path == '-' else path}: {error}. {_ENDS}") from None
    except OSError as error:
        raise WrongUseError(f"{path}: cannot be read: {error.strerror}. {_ENDS}") from None


def _write(
    lookup: FieldLookup, words: PlaceWords, chosen: ChosenTable, items: ChosenIds, aside: Console
) -> ExportFigures:
    kind = Format(FORMAT_OF_ENDING[chosen.output.suffix.lower()])
    table = TableExport(chosen.place, chosen.catalogue, chosen.columns, lookup.reads, words, kind)
    try:
        with items_bar(aside, len(items)) as show:
            table.write(chosen.output, items, show)
    except NothingReadError as error:
        raise UnreachableError(f"the work items {error}. {_ENDS}") from None
    except OSError as error:
        raise WrongUseError(f"--output {chosen.output}: cannot be written: {error.strerror or error}") from None
    return table.figures


@contextmanager
def _trouble_in_words() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedByUserError(f"Stopped while reading. {_ENDS}") from None
    except ChosenError as error:
        raise WrongUseError(f"{error}. {_ENDS}") from None
    except (UnavailableError, RemoteError) as error:
        raise UnreachableError(f"{str(error).rstrip('.')}. {_ENDS}") from None
