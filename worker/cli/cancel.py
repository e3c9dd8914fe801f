"""`feishu-batch cancel`: one intent, several, or all of an import."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict

import click

from worker.cli.errors import DONE, WrongUseError
from worker.cli.file_options import imported_file_options
from worker.cli.options import json_option
from worker.cli.output import console, print_json, some
from worker.cli.session import Session, open_session
from worker.importing.row import Row
from worker.importing.source import Source
from worker.operating.canceling import Tally, Wanted, cancel_intent, cancel_intents, look_at, unknown

NO_ROW = "no row of the file was enqueued here as it stands there now, with this --import-id"


@click.command("cancel", short_help="End what is still pending of intents.")
@click.argument("intents", nargs=-1, metavar="[INTENT]...")
@imported_file_options
@click.option("--yes", is_flag=True, help="Do not ask before several intents are canceled.")
@json_option
def cancel(
    intents: tuple[str, ...], file: Callable[[], AbstractContextManager[Source]] | None, yes: bool, as_json: bool
) -> int:
    """End what is still pending of each INTENT (its id); what is already in a request keeps its course.

    Example:
      feishu-batch cancel 0b6f1f6e-7e3f-4c36-9c0a-1f9f0d6a3a11

    A whole import is canceled with its file, from which the ids of its rows are derived:
      feishu-batch cancel --file sprint.csv

    Prints how many items were canceled, and how many are still under way. With --file, or several ids, it asks before it cancels,
    unless --yes is given.

    Exit codes: 0 done, also if nothing was left to cancel; 2 there is no such intent, or not confirmed; 3 Redis cannot be reached, or
    no worker takes the intents in (those before them are canceled; run it again).
    """
    if bool(intents) == bool(file):
        raise WrongUseError("say what to cancel: intents by their ids, or --file with the file of an import")
    session = open_session()
    if len(intents) == 1 and not as_json:
        click.echo(_one(session, intents[0]))
        return DONE
    if file is None:
        told = _many(session, lambda: map(Wanted, dict.fromkeys(intents)), list(intents), yes=yes, as_json=as_json)
    else:
        with file() as source:
            told = _many(session, lambda: _rows_of(source), [], yes=yes, as_json=as_json)
    if as_json:
        print_json(console(), asdict(told))
    else:
        click.echo(_in_words(told))
    return DONE


def _one(session: Session, intent: str) -> str:
    done = cancel_intent(session, intent)
    if done.ended:
        return f"{intent} has already ended: {done.ended}"
    return f"{some(done.items, 'item')} canceled, {done.in_flight} in a request that goes on"


def _many(
    session: Session, wanted: Callable[[], Iterator[Wanted]], named: list[str], *, yes: bool, as_json: bool
) -> Tally:
    """Where nobody has to be asked, the file is not read twice: each second counts until nothing more is sent."""
    if named and (
        strange := _first_unknown(session, named)
    ):  # a wrong id is a mistake; a row that was rejected has none
        raise WrongUseError(unknown(strange))
    if not yes and len(named) != 1:
        _ask(look_at(session, wanted()), as_json=as_json)
    told = cancel_intents(session, wanted())
    if not told.known:
        raise WrongUseError(NO_ROW)
    return told


def _ask(found: Tally, *, as_json: bool) -> None:
    if not found.known:
        raise WrongUseError(NO_ROW)
    if found.intents and as_json:
        raise WrongUseError("--json needs --yes; nobody can be asked")
    if found.intents and not _confirmed(found.intents):
        raise WrongUseError("not confirmed; nothing was canceled")


def _first_unknown(session: Session, named: list[str]) -> str | None:
    return next((one for one, entry in zip(named, session.reading.entries(named), strict=True) if entry is None), None)


def _confirmed(intents: int) -> bool:
    try:
        return click.confirm(f"Cancel what is pending of {some(intents, 'intent')}?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _rows_of(source: Source) -> Iterator[Wanted]:
    return (Wanted(row.intent.intent_id, row.intent.digest()) for row in source.rows() if isinstance(row, Row))


def _in_words(told: Tally) -> str:
    parts = [f"{some(told.items, 'item')} of {some(told.intents, 'intent')} canceled"]
    parts.append(f"{told.in_flight} in requests that go on")
    if told.ended:
        parts.append(f"{some(told.ended, 'intent')} had ended before")
    if told.unknown:
        parts.append(f"{some(told.unknown, 'row')} never enqueued or forgotten")
    return ", ".join(parts)
