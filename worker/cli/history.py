"""`feishu-batch history`: what was done to one work item."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import click
from rich.console import Console

from worker.catalogue.models import Catalogue, Code, RefusedError
from worker.catalogue.naming import field_called
from worker.cli.local_times import moment
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.ledger.records import GroupSpec
from worker.operating.change_words import ChangeWords
from worker.operating.errors import WrongUseError
from worker.operating.history import ItemChange, Wanted, change_json, item_history
from worker.operating.meanings import Meanings
from worker.operating.session import Session, open_session
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
    places = {(space, type_key): None} if space and type_key else {}
    changes = _of_field(names, field, item_history(session, number, _wanted(names, space, type_key)), places)
    found = list(islice(changes, limit + 1))
    shown, is_cut = found[:limit], len(found) > limit
    if field and not shown:
        _refuse_unknown(field, [catalogue for place in places if (catalogue := names.catalogue(*place))])
    out = console()
    if as_json:
        print_json(out, {"item": number, "is_cut": is_cut, "changes": [change_json(one, names) for one in shown]})
    elif shown:
        _print(out, session, ChangeWords(session, names), shown)
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


def _wanted(names: Meanings, space: str | None, type_key: str | None) -> Wanted:
    """Whether a change fits the options. A word that no worker has looked up is compared as it is."""

    def is_wanted(spec: GroupSpec) -> bool:
        project_key = names.project_key(space) or space if space else spec.project_key
        if spec.project_key not in (project_key, space or project_key):
            return False
        return not type_key or spec.work_item_type_key == type_key

    return is_wanted


def _is_field(names: Meanings, spec: GroupSpec, word: str) -> bool:
    own = names.field_key(spec.project_key, spec.work_item_type_key, spec.field_key)
    return own is not None and own == names.field_key(spec.project_key, spec.work_item_type_key, word)


def _of_field(
    names: Meanings, field: str | None, changes: Iterable[ItemChange], places: dict[tuple[str, str], None]
) -> Iterator[ItemChange]:
    """Those of this field. Notes the (space, item type) of the others as well, in `places`."""
    for one in changes:
        spec = one.spec
        places[spec.project_key, spec.work_item_type_key] = None
        if not field or field == spec.field_key or _is_field(names, spec, field):
            yield one


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


def _print(out: Console, session: Session, words: ChangeWords, changes: Sequence[ItemChange]) -> None:
    def row(one: ItemChange) -> tuple[str, ...]:
        when = moment(session.settings, one.enqueued_at) if one.enqueued_at else "in the inbox"
        outcome = ": ".join(filter(None, (one.view.state.value, one.view.reason or one.view.code)))
        return (
            when,
            words.field(one.spec),
            words.written(one.spec, LONGEST_VALUE),
            outcome,
            one.intent_id,
            one.change_set or "",
            one.producer or "",
            one.note or "",
        )

    headings = ("enqueued", "field", "value", "outcome", "intent", "change set", "producer", "note")
    out.print(table(headings, map(row, changes)))
