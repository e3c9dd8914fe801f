"""`feishu-batch show`: one intent, item by item."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import click
from rich.console import Console

from config.settings import Settings
from worker.cli.local_times import moment_of
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.cli.sets import show_set
from worker.operating.canceling import unknown
from worker.operating.change_words import ChangeWords
from worker.operating.details import IntentDetail, ItemState, ItemView, document, intent_detail
from worker.operating.errors import WrongUseError
from worker.operating.session import open_session
from worker.wording import first_few

LISTED = 12  # items on one line
LONGEST_VALUE = 2000  # characters; --json has all of it


@click.command("show", short_help="Show one intent, item by item.")
@click.argument("intent", required=False)
@click.option("--set", "change_set", metavar="ID", help="Show a change set, in place of one intent.")
@click.option(
    "--items",
    "which",
    type=click.Choice(["all", "failed", "open"]),
    help="List these items one by one. Default: failed and open ones, grouped.",
)
@json_option
def show(intent: str | None, change_set: str | None, which: str | None, as_json: bool) -> int:
    """Show the state of INTENT (its id), item by item.

    Example:
      feishu-batch show 0b6f1f6e-7e3f-4c36-9c0a-1f9f0d6a3a11 --items failed

    With --set it shows a change set instead: its intents, and the results of their changes together.

    Prints its state, its change (field and value, with names where a worker has looked them up) and its items. An item is queued (in the inbox), pending,
    behind (waiting for an older change of the same field), in flight (with batch and job), succeeded, failed (with the reason),
    superseded, canceled or expired. The command reads Redis only, and needs no credentials.

    Exit codes: 0 shown, whatever its state; 2 no such intent; 3 Redis cannot be reached.
    """
    if (intent is None) == (change_set is None) or (change_set and which):
        raise WrongUseError("give INTENT, or --set with a change set and without --items")
    session = open_session()
    if change_set is not None:
        return show_set(session, change_set, as_json=as_json)
    if intent is None:
        raise WrongUseError("give INTENT")
    detail = intent_detail(session.reads, intent, session.settings.user_key)
    if detail is None:
        raise WrongUseError(unknown(intent))
    items = _chosen(detail, which)
    out = console()
    if as_json:
        print_json(out, document(detail, detail.items if which is None else items))
        return 0
    _print_head(out, detail, session.settings, ChangeWords(session))
    if which is None:
        _print_together(out, items)
    else:
        rows = [(i.item, i.state, i.batch or "", i.job or "", i.reason or i.code or "") for i in items]
        out.print(table(("item", "state", "batch", "job", "reason"), rows))
    return 0


def _chosen(detail: IntentDetail, which: str | None) -> list[ItemView]:
    failed = [item for item in detail.items if item.state is ItemState.FAILED]
    still_open = [item for item in detail.items if item.state.is_open]
    if which is None:
        return failed + still_open
    return {"all": list(detail.items), "failed": failed, "open": still_open}[which]


def _print_head(out: Console, detail: IntentDetail, settings: Settings, words: ChangeWords) -> None:
    states = Counter(item.state for item in detail.items)
    counts = ", ".join(f"{states[state]} {state}" for state in ItemState if states[state])
    lines = [("intent", detail.view.intent_id), ("state", detail.view.state), ("items", counts)]
    if group := detail.group:
        lines.append(("change", words.change(group, LONGEST_VALUE)))
        lines.append(
            ("of", f"{group.work_item_type_key} in {group.project_key}, as user {group.user_key or '(default)'}")
        )
    optional = (
        ("lane", detail.view.lane),
        ("priority", detail.priority if detail.priority != 5 else None),  # noqa: PLR2004 - the default says nothing
        ("note", detail.note),
        ("change set", detail.change_set),
        ("producer", detail.producer),
        ("enqueued", moment_of(settings, detail.enqueued_at)),
        ("expires", moment_of(settings, detail.expires_at)),
        ("completed", moment_of(settings, detail.completed_at)),
        ("requests", detail.requests or None),
    )
    lines += [(name, str(value)) for name, value in optional if value is not None]
    lines += [("retried as", f"{intent_id}: {state}") for intent_id, state in detail.retried_as[:LISTED]]
    if more := len(detail.retried_as) - LISTED:
        lines += [("", f"… and {more} more (--json lists all)")] if more > 0 else []
    for name, value in lines:
        out.print(f"{name:<10} {value}", soft_wrap=True)


def _print_together(out: Console, items: Sequence[ItemView]) -> None:
    def what(item: ItemView) -> tuple[str, str]:
        batch = f"batch {item.batch}" + (f", job {item.job}" if item.job else "") if item.batch else ""
        return item.state.value, item.reason or item.code or batch

    if not items:
        return
    grouped = groupby(sorted(items, key=what), key=what)
    rows = [(state, why, first_few((item.item for item in same), LISTED)) for (state, why), same in grouped]
    out.print()
    out.print(table(("state", "", "items"), rows))
