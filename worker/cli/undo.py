"""`feishu-batch undo`: puts back what a change set changed."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import click
from rich.console import Console

from feishu_batch.explained import FailureCode
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.intent_follower import Followed, follow
from worker.cli.options import json_option, waiting_options
from worker.cli.output import console, print_json, table
from worker.cli.progress import usual_display
from worker.operating.change_sets import failures_of
from worker.operating.errors import WrongUseError
from worker.operating.session import Session, open_session
from worker.operating.undo import UndoPlan, enqueue_undo, undo_plan
from worker.wording import as_json as json_text
from worker.wording import first_few, some

SHOWN = 20
_LONGEST = 40  # characters of a value


@click.command("undo", short_help="Put back what a change set changed.")
@click.argument("change_set")
@click.option("--dry-run", is_flag=True, help="Show what would be put back, and enqueue nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@waiting_options
@json_option
def undo(change_set: str, dry_run: bool, yes: bool, wait: bool, timeout: float | None, as_json: bool) -> int:
    """Put back what the change set CHANGE_SET changed, as a change set of its own.

    Example:
      feishu-batch import sprint.csv --space demo --type story --keep-before --import-id sprint-7
      feishu-batch undo sprint-7 --dry-run
      feishu-batch undo sprint-7 --wait

    Only a change set that was enqueued with keep_before can be undone: its values from before were kept. A cell gets its value back
    only if it still holds what the change set wrote. One that was changed since stays as it is, and is listed with the code
    changed_meanwhile. Values that cannot be put back are listed before anything is enqueued: of types that cannot be compared (rich
    text), or that the answer left out. The command asks for confirmation, unless --yes is given.

    The change set that puts back is called undo-CHANGE_SET, and can be undone in turn. Undoing twice enqueues nothing twice.

    Exit codes: 0 done (with --wait: everything was put back), or nothing to put back; 1 some values cannot be put back, or with --wait:
    some cells were changed since, or the time ran out; 2 wrong use, an unknown change set, one that has not ended, or not confirmed; 3
    Redis cannot be reached.
    """
    asks = not (yes or dry_run)
    if as_json and asks:
        raise WrongUseError("--json cannot ask for confirmation; add --yes or --dry-run")
    if timeout is not None and not wait:
        raise WrongUseError("--timeout needs --wait")
    session = open_session()
    plan = undo_plan(session, change_set)
    out = None if as_json else console()
    if out:
        print_undo_plan(out, plan)
    followed = None
    if plan.cells and not dry_run:
        followed = _carry_out(session, plan, out, asks=asks, wait=wait, timeout=timeout)
    changed = _changed_since(session, plan) if followed else []
    if out is None:
        print_json(console(), document(plan, followed, changed, dry_run=dry_run))
    else:
        _print_end(out, plan, followed, changed, dry_run=dry_run)
    return DONE if plan.is_whole and (followed is None or followed.is_successful) else SOME_FAILED


def _carry_out(
    session: Session, plan: UndoPlan, out: Console | None, *, asks: bool, wait: bool, timeout: float | None
) -> Followed | None:
    if asks and not _confirmed(plan):
        raise WrongUseError("not confirmed; nothing was enqueued")
    intents, known = enqueue_undo(session, plan)
    if out:
        before = f", of which {known} were enqueued before" if known else ""
        out.print(f"{some(len(intents), 'intent')} as the change set {plan.undo_set}{before}.", soft_wrap=True)
    if not wait:
        return None
    sizes = [(intent.intent_id, len(intent.work_item_ids)) for intent in intents]
    return follow(session, sizes, usual_display(as_json=out is None), timeout)


def _confirmed(plan: UndoPlan) -> bool:
    try:
        return click.confirm(f"Put back {some(plan.cells, 'value')}?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _changed_since(session: Session, plan: UndoPlan) -> list[tuple[int, str]]:
    """(item, field) of the cells that hold something else by now."""
    found = failures_of(session, plan.undo_set)
    return [(one.item, one.field) for one in found if one.code == FailureCode.CHANGED_MEANWHILE]


def print_undo_plan(out: Console, plan: UndoPlan) -> None:
    if plan.put_back:
        rows = [
            (one.spec.field_key, len(one.items), _shown(one.expected), _shown(one.before), first_few(one.items))
            for one in plan.put_back[:SHOWN]
        ]
        out.print(table(("field", "items", "written", "to put back", "which"), rows))
        if len(plan.put_back) > SHOWN:
            out.print(f"… and {len(plan.put_back) - SHOWN} more values (--json lists all)")
    for reason, count in plan.reasons():
        items = [one.item for one in islice((one for one in plan.not_undone if one.why is reason), SHOWN)]
        out.print(f"{some(count, 'value')} cannot be put back: {reason} (item {first_few(items)})", soft_wrap=True)
    if plan.forgotten:
        out.print(
            f"{some(plan.forgotten, 'intent')} of the set cannot be undone: the records have expired, and the values from before with them.",
            soft_wrap=True,
        )
    if plan.untouched:
        out.print(f"{some(plan.untouched, 'change')} of the set wrote nothing, so there is nothing to undo.")
    if plan.was_undone:
        out.print(
            f"It was undone before, as {plan.undo_set}: what was enqueued then is not enqueued again.", soft_wrap=True
        )
    if not plan.cells:
        out.print("Nothing to put back.")


def _print_end(
    out: Console,
    plan: UndoPlan,
    followed: Followed | None,
    changed: Sequence[tuple[int, str]],
    *,
    dry_run: bool,
) -> None:
    if dry_run and plan.cells:
        out.print("Nothing was enqueued: --dry-run.")
    if followed:
        out.print(followed.in_words(), soft_wrap=True)
    if changed:
        cells = first_few([f"{item} {field}" for item, field in changed], SHOWN)
        out.print(f"{some(len(changed), 'value')} changed since then, and skipped: {cells}", soft_wrap=True)
    elif plan.cells and not dry_run and followed is None:
        out.print(f"To follow it: feishu-batch show --set {plan.undo_set}", soft_wrap=True)


def document(
    plan: UndoPlan, followed: Followed | None, changed: Sequence[tuple[int, str]], *, dry_run: bool
) -> dict[str, Any]:
    """The documented shape of `feishu-batch undo --json`."""
    return {
        "change_set": plan.change_set,
        "undo_set": plan.undo_set,
        "dry_run": dry_run,
        "values": plan.cells,
        "put_back": [
            {
                "lane": one.lane,
                "project_key": one.spec.project_key,
                "work_item_type_key": one.spec.work_item_type_key,
                "field_key": one.spec.field_key,
                "written": one.expected,
                "to_put_back": one.before,
                "items": list(one.items),
            }
            for one in plan.put_back
        ],
        "not_undone": [
            {"item": one.item, "field_key": one.field_key, "reason": str(one.why)} for one in plan.not_undone
        ],
        "untouched": plan.untouched,
        "forgotten": plan.forgotten,
        "counts": followed and followed.counts(),
        "changed_meanwhile": [{"item": item, "field_key": field} for item, field in changed],
    }


def _shown(value: Any) -> str:
    return json_text(value, _LONGEST)
