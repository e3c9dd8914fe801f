"""`feishu-batch sets`: change sets, newest first; and one of them, for `show --set` and `failures --set`."""

from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from feishu_batch.change_set import FailedChange
from worker.cli.local_times import moment
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.operating.change_sets import SetView, failures_of, newest_sets, set_view
from worker.operating.session import Session, open_session
from worker.wording import iso, some

LISTED = 200  # failed changes, for people
_COUNTS = ("pending", "in_flight", "succeeded", "failed", "superseded", "canceled", "expired")


@click.command("sets", short_help="Show change sets, newest first.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many of them.")
@json_option
def sets(limit: int, as_json: bool) -> int:
    """Show change sets, newest first: intents that belong together, such as those of one import or one table.

    Example:
      feishu-batch sets --limit 5

    Prints how many intents each has and the results of their changes. The set of an import is called as its --import-id.
    `show --set`, `failures --set` and `cancel --set` are about one of them. It reads Redis only, and needs no credentials.

    Exit codes: 0 shown; 2 wrong use; 3 Redis cannot be reached.
    """
    session = open_session()
    found = newest_sets(session, limit)
    out = console()
    if as_json:
        print_json(out, {"sets": [set_json(one) for one in found]})
    elif found:
        out.print(
            table(("change set", "grew last", "state", "intents", "changes"), [_row(session, one) for one in found])
        )
    else:
        out.print("no change set is known")
    return 0


def show_set(session: Session, change_set: str, *, as_json: bool) -> int:
    found = set_view(session, change_set)
    out = console()
    if as_json:
        print_json(out, set_json(found))
        return 0
    lines = (
        ("change set", found.change_set),
        ("state", found.state),
        ("intents", f"{found.intents}, {found.ended} ended"),
        ("changes", in_words(found)),
        ("forgotten", f"{some(found.forgotten, 'intent')} ended so long ago" if found.forgotten else ""),
    )
    for name, value in lines:
        if value:
            out.print(f"{name:<10} {value}", soft_wrap=True)
    return 0


def show_failures(session: Session, change_set: str, *, as_json: bool) -> int:
    out = console()
    if as_json:
        print_json(
            out, {"change_set": change_set, "failures": [_failed_json(one) for one in failures_of(session, change_set)]}
        )
        return 0
    rows: list[tuple[object, ...]] = []
    more = 0
    for one in failures_of(session, change_set):
        if len(rows) < LISTED:
            rows.append((one.item, one.field, one.code or "", one.reason or "", one.intent_id))
        else:
            more += 1
    if not rows:
        out.print("nothing failed")
        return 0
    _print(out, rows, more)
    return 0


def _print(out: Console, rows: list[tuple[object, ...]], more: int) -> None:
    out.print(table(("item", "field", "code", "reason", "intent"), rows))
    if more:
        out.print(f"… and {some(more, 'more change')} (--json lists all)")


def in_words(found: SetView) -> str:
    counts = ((name, getattr(found.progress, name)) for name in _COUNTS)
    parts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts if count)
    return f"{found.progress.total}" + (f": {parts}" if parts else "")


def set_json(found: SetView) -> dict[str, Any]:
    """The documented shape of a change set."""
    progress = found.progress
    return {
        "change_set": found.change_set,
        "state": found.state.value,
        "grew_at": iso(found.grew_at),
        "intents": found.intents,
        "ended": found.ended,
        "forgotten": found.forgotten,
        "total": progress.total,
        "pending": progress.pending,
        "in_flight": progress.in_flight,
        "counts": progress.counts(),
    }


def _row(session: Session, one: SetView) -> tuple[object, ...]:
    return one.change_set, _when(session.settings, one.grew_at), one.state, one.intents, in_words(one)


def _when(settings: Settings, at: float | None) -> str:
    return moment(settings, at) if at is not None else ""


def _failed_json(one: FailedChange) -> dict[str, Any]:
    return {"item": one.item, "field": one.field, "code": one.code, "reason": one.reason, "intent_id": one.intent_id}
