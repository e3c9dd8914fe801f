"""`feishu-batch fields`: the fields of an item type, with their names and the values that they accept."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import click

from worker.catalogue.models import Catalogue, RefusedError, UnavailableError, folded
from worker.catalogue.naming import nearest
from worker.catalogue.options import FieldOptions, Node
from worker.catalogue.types import is_calculated, is_never_writable, modes_of
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.session import open_session
from worker.reading.field_lookup import open_field_lookup
from worker.remote.models import Field
from worker.wording import duration, iso

OPTIONS_SHOWN = 6


@click.command("fields", short_help="Show the fields of an item type: keys, names, types, modes, options.")
@click.option(
    "--space", "--project-key", "space", required=True, metavar="KEY", help="The space's key, or its simple name."
)
@click.option("--type", "type_key", required=True, metavar="KEY", help="The item type's key: story, issue, ….")
@click.option("--search", metavar="WORD", help="Only fields with this in their key, name, alias, type or options.")
@click.option("--refresh", is_flag=True, help="Look the fields up in Feishu Project now.")
@click.option("--lane", metavar="NAME", help="Use this lane's credential. Default: the lane of the space.")
@json_option
def fields(space: str, type_key: str, search: str | None, refresh: bool, lane: str | None, as_json: bool) -> int:
    """Show the fields of an item type: keys, names, types, allowed modes and options.

    Example:
      feishu-batch fields --space demo --type story --search prio

    A change may name a field by its key, alias or name, and an option by its label. A field without modes cannot be changed: it is
    obsolete, calculated, or of a type that cannot be written. The list is the one that the workers use; the first line says when it
    was looked up. The command needs the workers' credentials and Redis, and changes nothing.

    Exit codes: 0 done; 1 no field matches --search; 2 wrong use; 3 Redis or Feishu Project cannot be reached.
    """
    session = open_session()
    catalogues = open_field_lookup(session)
    project_key = catalogues.project_key(space)
    asked = catalogues.lane_of(project_key, lane)
    try:
        catalogue, at = asked.fields(project_key, type_key, age=0.0 if refresh else None)
    except RefusedError as error:
        raise WrongUseError(error.refusal.reason) from None
    except UnavailableError as error:
        raise UnreachableError(f"the fields of {type_key} cannot be looked up: {error}") from None
    found = [field for field in catalogue.fields if search is None or _mentions(field, search)]
    if as_json:
        print_json(console(), document(project_key, type_key, at, found))
    else:
        _print(catalogue, found, at, search)
    return DONE if found or search is None else SOME_FAILED


def _mentions(field: Field, word: str) -> bool:
    options = (one for node in FieldOptions(field).nodes for one in node.words())
    return any(folded(word) in folded(one) for one in (field.key, field.name, field.alias, field.type_key, *options))


def _print(catalogue: Catalogue, found: list[Field], at: float, search: str | None) -> None:
    out = console()
    age = duration(max(0.0, time.time() - at))
    out.print(f"{len(found)} of {len(catalogue.fields)} fields, looked up {age} ago", soft_wrap=True)
    if found:
        headings = ("key", "name", "alias", "type", "modes", "options")
        rows = ((f.key, f.name, f.alias, f.type_key, _modes(f), _options(f)) for f in found)
        out.print(table(headings, rows))
    elif search is not None and (near := nearest(search, catalogue.words)):
        out.print(f"The nearest is {near}.", soft_wrap=True)


def _modes(field: Field) -> str:
    return " ".join(modes_of(field)) or _why_never(field)


def _why_never(field: Field) -> str:
    if field.is_obsolete:
        return "none: obsolete"
    return "none: calculated" if is_calculated(field) else "none: never written"


def _options(field: Field) -> str:
    every = [_option(node) for node in FieldOptions(field).nodes]
    more = f", … and {len(every) - OPTIONS_SHOWN} more (--json has all)" if len(every) > OPTIONS_SHOWN else ""
    return ", ".join(every[:OPTIONS_SHOWN]) + more


def _option(node: Node) -> str:
    return f"{node.label} ({node.option.value}{', disabled' if node.is_disabled else ''})"


def document(project_key: str, type_key: str, at: float, found: Iterable[Field]) -> dict[str, Any]:
    """The documented shape of `feishu-batch fields --json`."""
    return {
        "project_key": project_key,
        "work_item_type_key": type_key,
        "looked_up_at": iso(at),
        "fields": [_field(field) for field in found],
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "field_key": field.key,
        "name": field.name,
        "alias": field.alias,
        "type": field.type_key,
        "modes": [str(mode) for mode in modes_of(field)],
        "obsolete": field.is_obsolete,
        "calculated": is_calculated(field),
        "never_writable": is_never_writable(field),
        "options": list(_option_rows(field)),
    }


def _option_rows(field: Field) -> Iterator[dict[str, Any]]:
    for node in FieldOptions(field).nodes:
        path = [option.value for option in node.path]
        yield {"value": node.option.value, "label": node.label, "path": path, "disabled": node.is_disabled}
