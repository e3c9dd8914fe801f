"""`feishu-batch cancel`: one intent, several, or all of an import."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

import click

from worker.cli.errors import DONE
from worker.cli.file_options import imported_file_options
from worker.cli.options import json_option
from worker.cli.output import console, print_json
from worker.importing.row import Row
from worker.importing.source import Source
from worker.operating.canceling import Tally, Wanted, cancel_intent, cancel_intents, look_at, unknown
from worker.operating.change_sets import ids_of
from worker.operating.errors import WrongUseError
from worker.operating.session import Session, open_session
from worker.wording import some

NO_ROW = "no row of this file was enqueued here with its present content, options and --import-id"


@click.command("cancel", short_help="Cancel the pending items of intents.")
@click.argument("intents", nargs=-1, metavar="[INTENT]...")
@imported_file_options
@click.option("--set", "change_set", metavar="ID", help="All intents of a change set.")
@click.option("--dry-run", is_flag=True, help="Show how many intents would be canceled, and cancel nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before canceling several intents.")
@json_option
def cancel(
    intents: tuple[str, ...],
    file: Callable[[], AbstractContextManager[Source]] | None,
    change_set: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Cancel the pending items of each INTENT (its id). Items that are already in a request are not affected.

    Example:
      feishu-batch cancel 0b6f1f6e-7e3f-4c36-9c0a-1f9f0d6a3a11

    To cancel a whole import, give its file; the ids of its rows are derived from it. To cancel a change set, give its id:
      feishu-batch cancel --file sprint.csv
      feishu-batch cancel --set sprint-7

    Of several intents, first the sending of all is stopped, then their items are ended.

    Prints how many items were canceled, and how many are still in a request. With --file, --set or several ids, it asks for confirmation,
    unless --yes is given.

    Exit codes: 0 done, also if nothing was left to cancel; 2 no such intent, or not confirmed; 3 Redis cannot be reached, or
    Feishu Project, where it has to say what a table's columns are, or no worker reads the inbox (the intents before that are canceled;
    run it again).
    """
    if [bool(intents), bool(file), bool(change_set)].count(True) != 1:
        raise WrongUseError(
            "nothing to cancel: give intent ids, or --set with a change set, or --file with the file of an import"
        )
    session = open_session()
    if len(intents) == 1 and not (as_json or dry_run):
        click.echo(_one(session, intents[0]))
        return DONE
    asked = _HowToCancel(dry_run, yes, as_json)
    if change_set:
        tally = _many(session, lambda: map(Wanted, ids_of(session, change_set)), [], asked)
    elif file is None:
        tally = _many(session, lambda: map(Wanted, dict.fromkeys(intents)), list(intents), asked)
    else:
        with file() as source:
            tally = _many(session, lambda: _rows_of(source), [], asked)
    if as_json:
        print_json(console(), {**asdict(tally), "dry_run": dry_run})
    else:
        click.echo(_in_words(tally, dry_run=dry_run))
    return DONE


@dataclass(frozen=True, slots=True)
class _HowToCancel:
    dry_run: bool
    yes: bool
    as_json: bool


def _one(session: Session, intent: str) -> str:
    done = cancel_intent(session, intent)
    if done.ended:
        return f"{intent} has already ended: {done.ended}"
    return f"{some(done.items, 'item')} canceled; {done.in_flight} already in a request and not affected"


def _many(session: Session, wanted: Callable[[], Iterator[Wanted]], named: list[str], asked: _HowToCancel) -> Tally:
    """With --yes the file is read once only: every second until the cancel, more items are sent."""
    if named and (
        strange := _first_unknown(session, named)
    ):  # a wrong id is a mistake; a row that was rejected has none
        raise WrongUseError(unknown(strange))
    if not (asked.yes or asked.dry_run) and len(named) != 1:
        _ask(look_at(session, wanted()), as_json=asked.as_json)
    tally = look_at(session, wanted()) if asked.dry_run else cancel_intents(session, wanted())
    if not tally.known:
        raise WrongUseError(NO_ROW)
    return tally


def _ask(found: Tally, *, as_json: bool) -> None:
    if not found.known:
        raise WrongUseError(NO_ROW)
    if found.intents and as_json:
        raise WrongUseError("--json cannot ask for confirmation; add --yes")
    if found.intents and not _confirmed(found.intents):
        raise WrongUseError("not confirmed; nothing was canceled")


def _first_unknown(session: Session, named: list[str]) -> str | None:
    return next((one for one, entry in zip(named, session.reads.entries(named), strict=True) if entry is None), None)


def _confirmed(intents: int) -> bool:
    try:
        return click.confirm(f"Cancel the pending items of {some(intents, 'intent')}?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _rows_of(source: Source) -> Iterator[Wanted]:
    return (Wanted(row.intent.intent_id, row.intent.digest()) for row in source.rows() if isinstance(row, Row))


def _in_words(tally: Tally, *, dry_run: bool) -> str:
    would_be = "would be " if dry_run else ""
    parts = [f"{some(tally.items, 'item')} of {some(tally.intents, 'intent')} {would_be}canceled"]
    parts.append(f"{tally.in_flight} already in requests and not affected")
    if tally.ended:
        parts.append(f"{some(tally.ended, 'intent')} had ended before")
    if tally.unknown:
        parts.append(f"{some(tally.unknown, 'row')} never enqueued, or ended too long ago")
    return ", ".join(parts)
