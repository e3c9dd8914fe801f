"""`feishu-batch undo`: puts back what a change set changed."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import click
from rich.console import Console

from feishu_batch.written import untagged
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.intent_follower import Followed, follow
from worker.cli.options import json_option, waiting_options
from worker.cli.output import console, print_json, table
from worker.cli.progress import usual_display
from worker.cli.sets import in_words
from worker.operating.change_words import ChangeWords
from worker.operating.errors import WrongUseError
from worker.operating.session import Session, open_session
from worker.operating.undo import UndoPlan, enqueue_undo, undo_plan
from worker.reading.held_now import ChangedSince, changed_since
from worker.remote.compare import ABSENT
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
    only if it still holds what the change set wrote. One that was changed since stays as it is: it is listed as "skipped: changed
    since" with what it holds now, and `retry` skips it, too. Changes of the same cells that wait are named before: they are written
    first. Values that cannot be put back are listed before anything is enqueued: of types that cannot be compared (rich
    text), or that the answer left out. The command asks for confirmation, unless --yes is given.

    The change set that puts back is called undo-CHANGE_SET, and can be undone in turn. Undoing twice enqueues nothing twice. Cells that
    other intents wrote since they were put back, for example another import, can be put back again: as undo2-CHANGE_SET.

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
    plan, words = undo_plan(session, change_set), ChangeWords(session)
    out = None if as_json else console()
    if out:
        print_undo_plan(out, plan, words)
    followed = None
    if plan.values and not dry_run:
        followed = _carry_out(session, plan, out, asks=asks, wait=wait, timeout=timeout)
    is_known = followed or (plan.earlier and not plan.is_again)
    skipped = changed_since(session, plan.undo_set) if is_known else []
    if out is None:
        print_json(console(), document(plan, words, followed, skipped, dry_run=dry_run))
    else:
        _print_end(out, plan, followed, len(skipped), dry_run=dry_run)
        _print_skipped(out, words, skipped)
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
        return click.confirm(f"Put back {some(plan.values, 'value')}?", default=False)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def print_undo_plan(out: Console, plan: UndoPlan, words: ChangeWords) -> None:
    if plan.put_back:
        rows = [
            (
                words.field(one.spec),
                len(one.items),
                words.value(one.spec, one.expected, _LONGEST),
                "→",
                words.value(one.spec, one.before, _LONGEST),
                first_few(one.items),
            )
            for one in plan.put_back[:SHOWN]
        ]
        out.print(table(("field", "items", "written", "", "to put back", "which"), rows))
        if len(plan.put_back) > SHOWN:
            out.print(f"… and {len(plan.put_back) - SHOWN} more values (--json lists all)")
    for reason, count in plan.reasons():
        items = [one.item for one in islice((one for one in plan.not_undone if one.why is reason), SHOWN)]
        out.print(f"{some(count, 'value')} cannot be put back: {reason} (item {first_few(items)})", soft_wrap=True)
    for line in (*_history(plan), *_waiting(plan)):
        out.print(line, soft_wrap=True)
    if not plan.values:
        out.print("Nothing to put back.")


def _history(plan: UndoPlan) -> list[str]:
    lines = []
    if plan.forgotten:
        what = f"{some(plan.forgotten, 'intent')} of the set cannot be undone"
        lines.append(f"{what}: the records have expired, and the values from before with them.")
    if plan.untouched:
        lines.append(f"{some(plan.untouched, 'change')} of the set wrote nothing, so there is nothing to undo.")
    if plan.earlier:
        before = f"It was undone before, as {plan.earlier.change_set} ({in_words(plan.earlier)})"
        again = f". {some(plan.values, 'value')} of these cells were written again since."
        lines.append(before + (again if plan.is_again else ": what was enqueued then is not enqueued again."))
    return lines


def _waiting(plan: UndoPlan) -> list[str]:
    cells = dict.fromkeys(one.cell for one in plan.waiting)
    if not cells:
        return []
    items = first_few(list(dict.fromkeys(item for _, _, item in cells)))
    intents = first_few(list(dict.fromkeys(one.note or one.intent_id for one in plan.waiting)))
    what = f"{some(len(cells), 'value')}: a later change of the same field is not written yet (item {items}; {intents})"
    return [f"{what}. It is written first, and if it succeeds, the cell keeps its value."]


def _print_end(out: Console, plan: UndoPlan, followed: Followed | None, skipped: int, *, dry_run: bool) -> None:
    if dry_run and plan.values:
        out.print("Nothing was enqueued: --dry-run.")
    if followed:
        out.print(followed.in_words(skipped), soft_wrap=True)
        if followed.counts()["failed"] > skipped:
            out.print(f"What failed, and why: feishu-batch failures --set {plan.undo_set}", soft_wrap=True)
    elif plan.values and not dry_run:
        out.print(f"To follow it: feishu-batch show --set {plan.undo_set}", soft_wrap=True)


def _print_skipped(out: Console, words: ChangeWords, skipped: Sequence[ChangedSince]) -> None:
    if not skipped:
        return
    out.print(f"{some(len(skipped), 'value')} skipped: changed since. The newer value stays.")
    rows = [
        (
            one.item,
            words.field(one.spec),
            words.value(one.spec, one.spec.after_field_value, _LONGEST),
            _now(words, one),
        )
        for one in skipped[:SHOWN]
    ]
    out.print(table(("item", "field", "not put back", "holds now"), rows))
    if len(skipped) > SHOWN:
        out.print(f"… and {len(skipped) - SHOWN} more values (--json lists all)")


def _now(words: ChangeWords, one: ChangedSince) -> str:
    if one.now is None:
        return "not read"
    return one.now.why if one.now.value is ABSENT else words.value(one.spec, one.now.value, _LONGEST)


def document(
    plan: UndoPlan, words: ChangeWords, followed: Followed | None, skipped: Sequence[ChangedSince], *, dry_run: bool
) -> dict[str, Any]:
    """The documented shape of `feishu-batch undo --json`."""
    return {
        "change_set": plan.change_set,
        "undo_set": plan.undo_set,
        "undone_before": plan.earlier.change_set if plan.earlier else None,
        "dry_run": dry_run,
        "values": plan.values,
        "put_back": [
            {
                "lane": one.lane,
                "project_key": one.spec.project_key,
                "work_item_type_key": one.spec.work_item_type_key,
                "field_key": one.spec.field_key,
                "field_name": words.field(one.spec),
                "written": one.expected,
                "to_put_back": one.before,
                "items": list(one.items),
            }
            for one in plan.put_back
        ],
        "not_undone": [
            {
                "item": one.item,
                "field_key": one.spec.field_key,
                "field_name": words.field(one.spec),
                "reason": str(one.why),
            }
            for one in plan.not_undone
        ],
        "waiting": [
            {"item": one.cell[2], "field_key": one.cell[1].split()[1], "intent_id": one.intent_id, "note": one.note}
            for one in plan.waiting
        ],
        "untouched": plan.untouched,
        "forgotten": plan.forgotten,
        "counts": followed and followed.counts(),
        "changed_meanwhile": [_skipped_json(words, one) for one in skipped],
    }


def _skipped_json(words: ChangeWords, one: ChangedSince) -> dict[str, Any]:
    now = one.now
    return {
        "item": one.item,
        "field_key": one.spec.field_key,
        "field_name": words.field(one.spec),
        "not_put_back": untagged(one.spec.after_field_value),
        "holds_now": None if now is None or now.value is ABSENT else now.value,
        "not_read": "not read" if now is None else now.why or None,
    }
