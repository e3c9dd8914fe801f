"""`feishu-batch retry`: enqueues failed items again, unless that would undo a later change."""

import time
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console

from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.failures import seconds_of
from worker.cli.intent_follower import Followed, follow
from worker.cli.options import json_option, lane_option, waiting_options
from worker.cli.output import console, print_json, table
from worker.cli.progress import usual_display
from worker.operating.change_words import ChangeWords
from worker.operating.errors import WrongUseError
from worker.operating.retry.decision import Failure, RetryDecision, SkipReason
from worker.operating.retry.operation import (
    Selection,
    document,
    enqueue_again,
    new_intents,
    retried_items,
    retry_decisions,
    skipped_items,
)
from worker.operating.session import Session, open_session
from worker.wording import first_few, some

SHOWN = 20
_NO_TROUBLE = frozenset({SkipReason.RETRIED, SkipReason.CHANGED})


@click.command("retry", short_help="Enqueue failed items again.")
@click.option("--intent", "intents", metavar="ID", multiple=True, help="Only failed items of this intent; repeatable.")
@click.option("--set", "change_set", metavar="ID", help="Only failed items of this change set.")
@click.option(
    "--reason", metavar="CODE", help="Only items that failed with this code, as `feishu-batch failures` shows it."
)
@click.option("--field", metavar="FIELD", help="Only changes of this field: its name, alias or key.")
@click.option("--since", metavar="DURATION", help="Only intents with an item that failed in this time: 30m, 12h, 7d.")
@click.option("--all", "everything", is_flag=True, help="All failed items that are kept.")
@click.option(
    "--even-if-overtaken", is_flag=True, help="Include items whose field was changed later: this may undo that change."
)
@click.option("--dry-run", is_flag=True, help="Show which items would be enqueued, and enqueue nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@waiting_options
@lane_option
@json_option
def retry(
    intents: tuple[str, ...],
    change_set: str | None,
    reason: str | None,
    field: str | None,
    since: str | None,
    everything: bool,
    even_if_overtaken: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
    lane: str | None,
    as_json: bool,
) -> int:
    """Enqueue failed items again, as new intents with the note "retry of" and the old id.

    Example:
      feishu-batch retry --reason WorkItemTerminated --since 2h --dry-run
      feishu-batch retry --set sprint-7 --wait

    The selections are combined with "and". An item is skipped if a later intent set the same field to another value and is waiting, in
    progress or applied: the old value must not overwrite the new one. An item is also skipped if the records of later intents have
    expired (retention), because their changes are unknown. An item whose cell was changed since, so that its condition does not hold, is
    skipped unless --reason changed_meanwhile is given. Items that an earlier retry already covers are not enqueued again and do not
    count as skipped; items of a retry that failed are retried like any other. The command asks for confirmation, unless --yes is given,
    then checks again: it does not overwrite changes that were enqueued meanwhile, and prints the items that it leaves out. It prints the
    ids of the new intents, which belong to the change set of the old ones; with --wait also the results of their items.

    Exit codes: 0 done, also if nothing has failed; 1 selected items were skipped (it prints why), no failed item matches --reason or
    --field, or with --wait: items failed again, or did not end in time; 2 wrong use, no such intent, or not confirmed; 3 Redis cannot
    be reached.
    """
    asks = not (yes or dry_run)
    if not (intents or change_set or reason or field or since or everything):
        raise WrongUseError("nothing selected: give --intent, --set, --reason, --field, --since, or --all")
    if intents and change_set:
        raise WrongUseError("give --intent or --set, not both")
    if as_json and asks:
        raise WrongUseError("--json cannot ask for confirmation; add --yes or --dry-run")
    if timeout is not None and not wait:
        raise WrongUseError("--timeout needs --wait")
    session = open_session()
    since_at = time.time() - seconds_of(since) if since else None
    decisions = retry_decisions(
        session, Selection(intents, reason, field, since_at, lane, even_if_overtaken, change_set)
    )
    out = None if as_json else console()
    if out:
        _print(out, ChangeWords(session), decisions)
        if not decisions:
            out.print(_nothing(reason, field), soft_wrap=True)
    followed = None
    if retried_items(decisions) and not dry_run:
        decisions = _enqueue(session, decisions, out, asks=asks, even_if_overtaken=even_if_overtaken)
        followed = follow(session, new_intents(decisions), usual_display(as_json=as_json), timeout) if wait else None
    if out is None:
        print_json(console(), {**document(decisions, dry_run=dry_run), "counts": followed and followed.counts()})
    else:
        _print_end(out, followed, is_dry=dry_run and bool(retried_items(decisions)))
    if not decisions and (reason or field):
        return SOME_FAILED
    is_left = any(why not in _NO_TROUBLE for one in decisions for why in one.left)
    return SOME_FAILED if is_left or (followed and not followed.is_successful) else DONE


def _enqueue(
    session: Session, shown: list[RetryDecision], out: Console | None, *, asks: bool, even_if_overtaken: bool
) -> list[RetryDecision]:
    if asks and not _confirmed(shown):
        raise WrongUseError("not confirmed; nothing was enqueued")
    done = enqueue_again(session, shown, even_if_overtaken=even_if_overtaken)
    if out:
        _print_done(out, shown, done)
    return done


def _print_end(out: Console, followed: Followed | None, *, is_dry: bool) -> None:
    if is_dry:
        out.print("Nothing was enqueued: --dry-run.")
    if followed:
        out.print(followed.in_words(), soft_wrap=True)


def _print_done(out: Console, shown: Sequence[RetryDecision], done: Sequence[RetryDecision]) -> None:
    before = skipped_items(shown)
    for why, items in skipped_items(done).items():
        if dropped := _beyond(before.get(why, []), items):
            out.print(
                f"{some(len(dropped), 'item')} left out since then: {why} (item {first_few(dropped)})", soft_wrap=True
            )
    ids = [intent_id for intent_id, _ in new_intents(done)]
    out.print(f"Enqueued {some(len(ids), 'intent')}.")
    if ids:
        out.print(f"The new {'intent' if len(ids) == 1 else 'intents'}: {first_few(ids, SHOWN)}", soft_wrap=True)


def _beyond(before: Sequence[int], now: Sequence[int]) -> list[int]:
    return list((Counter(now) - Counter(before)).elements())


def _confirmed(todo: Sequence[RetryDecision]) -> bool:
    try:
        return click.confirm(f"Enqueue {some(retried_items(todo), 'item')} again?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _print(out: Console, words: ChangeWords, decisions: Sequence[RetryDecision]) -> None:
    todo = [one for one in decisions if one.items]
    if todo:
        rows = [_row(words, one.failure, one.items) for one in todo[:SHOWN]]
        out.print(table(("retry of", "items", "change", "which"), rows))
        if len(todo) > SHOWN:
            out.print(f"… and {len(todo) - SHOWN} more intents (--json lists all)")
        out.print(f"{some(retried_items(todo), 'item')} of {some(len(todo), 'intent')} can be retried.")
    for why, items in skipped_items(decisions).items():
        skipped = f"{some(len(items), 'item')} skipped"
        out.print(f"{skipped}: {why} (item {first_few(items)})", soft_wrap=True)


def _nothing(reason: str | None, field: str | None) -> str:
    """A code or a field without any failure is perhaps misspelt."""
    named = [f"the code {reason}" if reason else "", f"the field {field}" if field else ""]
    has = " and ".join(filter(None, named))
    return f"no selected failed item has {has}; see: feishu-batch failures" if has else "no failures"


def _row(words: ChangeWords, failure: Failure, items: Sequence[int]) -> tuple[object, ...]:
    what = words.change(failure.spec, 40) if failure.spec else ""
    return failure.intent_id, len(items), what, first_few(items)
