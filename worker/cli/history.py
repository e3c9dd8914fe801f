"""`feishu-batch history`: what was done to one work item."""

from collections.abc import Sequence
from itertools import islice

import click
from rich.console import Console

from worker.catalogue.models import Catalogue, Code, RefusedError
from worker.catalogue.naming import field_called
from worker.cli.local_times import moment
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.ledger.records import GroupSpec
from worker.operating.errors import WrongUseError
from worker.operating.history import ItemChange, Wanted, change_json, field_of, item_history
from worker.operating.meanings import Meanings
from worker.operating.session import Session, open_session
from worker.wording import as_json as short_json
from worker.writing.ids import IdError, one_id

LONGEST_VALUE = 80  # characters


@click.command("history", short_help="Show what was done to one work item.")
@click.option("--item", required=True, metavar="ID", help="The work item: its id, or a link to it.")
@click.option("--space", metavar="NAME", help="Only changes in this space: its key, or the name in its links.")
@click.option("--type", "type_key", metavar="TYPE", help="Only changes of this work item type.")
@click.option("--field", metavar="FIELD", help="Only changes of this field: its name, alias or key.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="The newest N changes."
)
@json_option
def history(item: str, space: str | None, type_key: str | None, field: str | None, limit: int, as_json: bool) -> int:
    """Show what was done to one work item: each change of one of its fields, newest first.

    Example:
      feishu-batch history --item 1001 --field priority

    For each change: when it was enqueued, the field and the value, the result, and the intent with its note. Changes that
    people make in Feishu Project are not shown, and those of intents that the retention has removed are not either. The command
    reads Redis only, and needs no credentials.

    Exit codes: 0 shown, whatever there is; 2 wrong use, or no such field in any item type that the workers have looked up;
    3 Redis cannot be reached.
    """
    number = _item(item)
    session = open_session()
    names = Meanings(session.redis, session.lane_keys())
    found = list(islice(item_history(session, number, _wanted(names, space, type_key, field)), limit + 1))
    shown, is_cut = found[:limit], len(found) > limit
    if field and not shown:
        _refuse_unknown(field, _catalogues(session, names, number, space, type_key))
    out = console()
    if as_json:
        print_json(out, {"item": number, "is_cut": is_cut, "changes": [change_json(one, names) for one in shown]})
    elif shown:
        _print(out, session, names, shown)
        if is_cut:
            out.print(f"… and older ones: give a larger --limit than {limit}")
    else:
        narrowed = " that fits" if space or type_key or field else ""
        out.print(f"No change of item {number}{narrowed} is kept. Intents are kept for some days: see --help.")
    return 0


def _item(text: str) -> int:
    try:
        return one_id(text)
    except IdError as error:
        raise WrongUseError(f"--item: {error}") from None


def _wanted(names: Meanings, space: str | None, type_key: str | None, field: str | None) -> Wanted:
    """Whether a change fits the options. A word that no worker has looked up is compared as it is."""

    def is_wanted(spec: GroupSpec) -> bool:
        project_key = names.project_key(space) or space if space else spec.project_key
        if spec.project_key not in (project_key, space or project_key):
            return False
        if type_key and spec.work_item_type_key != type_key:
            return False
        return not field or field == spec.field_key or _is_field(names, spec, field)

    return is_wanted


def _is_field(names: Meanings, spec: GroupSpec, word: str) -> bool:
    own = names.field_key(spec.project_key, spec.work_item_type_key, spec.field_key)
    return own is not None and own == names.field_key(spec.project_key, spec.work_item_type_key, word)


def _catalogues(
    session: Session, names: Meanings, item: int, space: str | None, type_key: str | None
) -> list[Catalogue]:
    """Of the item types that the item's changes and the options name, as far as workers have looked them up."""
    specs = (one.spec for one in item_history(session, item, _wanted(names, space, type_key, None)))
    places = dict.fromkeys((spec.project_key, spec.work_item_type_key) for spec in specs)
    if space and type_key:
        places[space, type_key] = None
    return [found for place in places if (found := names.catalogue(*place))]


def _refuse_unknown(field: str, catalogues: Sequence[Catalogue]) -> None:
    """Raises `WrongUseError` if there are some, and none of them has the field."""
    reasons = []
    for catalogue in catalogues:
        try:
            field_called(catalogue, field)
        except RefusedError as error:
            if error.refusal.code == Code.UNKNOWN_FIELD:
                reasons.append(error.refusal.reason)
    if reasons and len(reasons) == len(catalogues):
        raise WrongUseError(f"--field: {next((one for one in reasons if 'nearest' in one), reasons[0])}")


def _print(out: Console, session: Session, names: Meanings, changes: Sequence[ItemChange]) -> None:
    def row(one: ItemChange) -> tuple[str, ...]:
        when = moment(session.settings, one.enqueued_at) if one.enqueued_at else "in the inbox"
        mode = "" if one.spec.update_mode == "UPDATE" else f"{one.spec.update_mode} "
        outcome = ": ".join(filter(None, (one.view.state.value, one.view.reason or one.view.code)))
        return (
            when,
            field_of(one, names) or one.spec.field_key,
            f"{mode}{short_json(one.value, LONGEST_VALUE)}",
            outcome,
            one.intent_id,
            one.change_set or "",
            one.producer or "",
            one.note or "",
        )

    headings = ("enqueued", "field", "value", "outcome", "intent", "change set", "producer", "note")
    out.print(table(headings, map(row, changes)))
