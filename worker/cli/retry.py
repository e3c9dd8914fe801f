"""`feishu-batch retry`: what failed, once more, where nothing later would be undone."""

import time
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console

from worker.cli.errors import DONE, SOME_FAILED, WrongUseError
from worker.cli.failures import seconds_of
from worker.cli.following import Followed, follow
from worker.cli.options import json_option, lane_option, waiting_options
from worker.cli.output import as_json as json_text
from worker.cli.output import console, first_few, print_json, some, table
from worker.cli.progress import usual_display
from worker.cli.session import Session, open_session
from worker.operating.retry_decision import Decision, Failure, Why
from worker.operating.steering import (
    Selection,
    document,
    enqueue_again,
    left_alone,
    new_intents,
    retried_items,
    retry_decisions,
)

SHOWN = 20


@click.command("retry", short_help="Enqueue failed items once more.")
@click.option("--intent", "intents", metavar="ID", multiple=True, help="What failed of this intent; repeatable.")
@click.option(
    "--reason", metavar="CODE", help="Only items that failed with this code, as `feishu-batch failures` shows it."
)
@click.option("--field", metavar="KEY", help="Only changes of this field.")
@click.option("--since", metavar="DURATION", help="Only intents of which an item failed since then: 30m, 12h, 7d.")
@click.option("--all", "everything", is_flag=True, help="All that failed and is kept.")
@click.option(
    "--even-if-overtaken", is_flag=True, help="Also items whose field was changed later: this may undo that change."
)
@click.option("--dry-run", is_flag=True, help="Show what would be enqueued, and enqueue nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before enqueueing.")
@waiting_options
@lane_option
@json_option
def retry(
    intents: tuple[str, ...],
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
    """Enqueue failed items once more, as new intents with the note "retry of" and the old id.

    Example:
      feishu-batch retry --reason WorkItemTerminated --since 2h --dry-run

    The selections narrow each other down. An item is left alone if its field was wished otherwise by a later intent that waits, is
    under way or was applied: the old value must not come after the new one. It is left alone as well if intents that came
    later were forgotten (retention), since nobody can say what they did. What a retry covers already is not enqueued again and does not
    count as left; a retry that failed is a failure like any other, though, and the next run retries it. It asks before it enqueues, unless --yes is given,
    and looks once more then: what was enqueued meanwhile is not overwritten either, and it says what dropped out. It prints the ids
    of the new intents; with --wait also what became of their items.

    Exit codes: 0 done, also if there was nothing to do; 1 some of the selected items were left, and it says why, or with --wait: failed
    again, or did not end in time; 2 wrong use, no such intent, or not confirmed; 3 Redis cannot be reached.
    """
    asks = not (yes or dry_run)
    if not (intents or reason or field or since or everything):
        raise WrongUseError("say what to retry: --intent, --reason, --field, --since, or --all")
    if as_json and asks:
        raise WrongUseError("--json needs --yes or --dry-run; nobody can be asked")
    if timeout is not None and not wait:
        raise WrongUseError("--timeout needs --wait")
    session = open_session()
    since_at = time.time() - seconds_of(since) if since else None
    decisions = retry_decisions(session, Selection(intents, reason, field, since_at, lane, even_if_overtaken))
    out = None if as_json else console()
    if out:
        _print(out, decisions)
    followed = None
    if retried_items(decisions) and not dry_run:
        decisions = _enqueue(session, decisions, out, asks=asks, even_if_overtaken=even_if_overtaken)
        followed = follow(session, new_intents(decisions), usual_display(as_json=as_json), timeout) if wait else None
    if out is None:
        print_json(console(), {**document(decisions, dry_run=dry_run), "counts": followed and followed.counts()})
    else:
        _print_end(out, followed, is_dry=dry_run and bool(retried_items(decisions)))
    is_left = any(why is not Why.RETRIED for one in decisions for why in one.left)
    return SOME_FAILED if is_left or (followed and not followed.is_well) else DONE


def _enqueue(
    session: Session, shown: list[Decision], out: Console | None, *, asks: bool, even_if_overtaken: bool
) -> list[Decision]:
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


def _print_done(out: Console, shown: Sequence[Decision], done: Sequence[Decision]) -> None:
    before = left_alone(shown)
    for why, items in left_alone(done).items():
        if dropped := _beyond(before.get(why, []), items):
            out.print(
                f"{some(len(dropped), 'item')} dropped out since: {why} (item {first_few(dropped)})", soft_wrap=True
            )
    ids = [intent_id for intent_id, _ in new_intents(done)]
    out.print(f"Enqueued {some(len(ids), 'intent')}.")
    if ids:
        out.print(f"The new {'intent' if len(ids) == 1 else 'intents'}: {first_few(ids, SHOWN)}", soft_wrap=True)


def _beyond(before: Sequence[int], now: Sequence[int]) -> list[int]:
    return list((Counter(now) - Counter(before)).elements())


def _confirmed(todo: Sequence[Decision]) -> bool:
    try:
        return click.confirm(f"Enqueue {some(retried_items(todo), 'item')} again?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _print(out: Console, decisions: Sequence[Decision]) -> None:
    todo = [one for one in decisions if one.items]
    if todo:
        rows = [_row(one.failure, one.items) for one in todo[:SHOWN]]
        out.print(table(("retry of", "items", "change", "which"), rows))
        if len(todo) > SHOWN:
            out.print(f"… and {len(todo) - SHOWN} more intents (--json lists all)")
        out.print(f"{some(retried_items(todo), 'item')} of {some(len(todo), 'intent')} can be retried.")
    for why, items in left_alone(decisions).items():
        left = f"{some(len(items), 'item')} {'is' if len(items) == 1 else 'are'} left"
        out.print(f"{left}: {why} (item {first_few(items)})", soft_wrap=True)
    if not decisions:
        out.print("nothing that failed was selected")


def _row(failure: Failure, items: Sequence[int]) -> tuple[object, ...]:
    spec = failure.spec
    what = f"{spec.field_key} {spec.update_mode} {json_text(spec.after_field_value, 40)}" if spec else ""
    return failure.intent_id, len(items), what, first_few(items)
