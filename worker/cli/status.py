"""`feishu-batch status`: the lanes at a glance."""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from worker.cli.moments import moment
from worker.cli.options import json_option, lane_option
from worker.cli.output import as_json as value_json
from worker.cli.output import console, duration, iso, print_json, some, table, trouble_json
from worker.cli.session import open_session
from worker.ledger.trouble import DOING
from worker.ledger.vitals import Vitals, vitals
from worker.operating.unfinished import Unfinished, unfinished
from worker.operating.views import InboxView, LaneView, Left, inbox_view, lane_view, what_is_left

SHOWN = 5  # recent batches


@click.command("status", short_help="Show what waits, what is under way, what stands still.")
@click.option(
    "--intents", "with_intents", is_flag=True, help="Also list the intents that have not ended, with their ids."
)
@lane_option
@json_option
def status(with_intents: bool, lane: str | None, as_json: bool) -> int:
    """Show what waits, what is under way, and whether anything stands still.

    Example:
      feishu-batch status

    Prints the inbox (intents that no worker has taken in yet) and for each lane: whether it is paused, and why; the groups of
    changes that may be sent now; open jobs; the last batches with how full they were and how long they took; and at least how
    long the rest takes at one request of 50 changes per slot. Where the latest call of the remote system failed, it tells the error and
    since when. With --intents it lists what has not ended, oldest first: when it was enqueued, its id, items and change. It reads Redis only,
    and needs no credentials.

    Exit codes: 0 shown; 2 wrong use; 3 Redis cannot be reached.
    """
    session = open_session()
    inbox = inbox_view(session.reading)
    chosen = session.chosen_lanes(lane)
    lanes = [lane_view(session.reading, one) for one in chosen]
    seen = {one.name: vitals(session.redis, one.prefix) for one in chosen}
    slot = session.settings.slot_seconds
    out = console()
    names = [one.name for one in chosen]
    waiting = list(unfinished(session.redis, session.settings.key_prefix, names)) if with_intents else []
    if as_json:
        told = {"inbox": _inbox_json(inbox), "lanes": [_lane_json(view, slot, seen[view.lane]) for view in lanes]}
        print_json(out, {**told, "intents": [_intent_json(one) for one in waiting]} if with_intents else told)
        return 0
    oldest = f", the oldest for {duration(inbox.oldest_wait)}" if inbox.oldest_wait is not None else ""
    out.print(f"inbox      {some(inbox.intents, 'intent')} not taken in yet{oldest}")
    for view in lanes:
        _print_lane(out, view, session.settings, inbox, seen[view.lane])
    if with_intents:
        _print_intents(out, waiting, session.settings)
    return 0


def _print_intents(out: Console, waiting: Sequence[Unfinished], settings: Settings) -> None:
    out.print(f"\n{some(len(waiting), 'intent')} not ended", style="bold")
    rows = [
        (moment(settings, one.enqueued_at), one.intent_id, f"{one.open}/{one.items}", _change(one)) for one in waiting
    ]
    if rows:
        out.print(table(("enqueued", "intent", "open", "change"), rows))


def _change(one: Unfinished) -> str:
    value = value_json(one.spec.get("after_field_value"), 40)
    return f"{one.spec.get('field_key', '')} {one.spec.get('update_mode', '')} {value}"


def _intent_json(one: Unfinished) -> dict[str, Any]:
    return {
        "intent_id": one.intent_id,
        "lane": one.lane,
        "enqueued_at": iso(one.enqueued_at),
        "items": one.items,
        "open": one.open,
        "field_key": one.spec.get("field_key"),
        "update_mode": one.spec.get("update_mode"),
        "after_field_value": one.spec.get("after_field_value"),
        "note": one.note,
    }


def _print_lane(out: Console, view: LaneView, settings: Settings, inbox: InboxView, seen: Vitals) -> None:
    counts = view.counts
    out.print(f"\nlane {view.lane}", style="bold")
    if view.pause:
        since = moment(settings, view.pause["since"])
        out.print(f"PAUSED     since {since}: {view.pause['reason']}", style="red", soft_wrap=True)
        out.print("           when it is mended: feishu-batch resume")
    for trouble, age in seen.troubles:
        when = f"has failed for {duration(age)}, it is tried again"
        if not counts.owned_cells:
            when = f"failed {duration(age)} ago, and nothing is left to try again"
        elif not trouble.is_tried_again(view.pause):
            when = f"failed {duration(age)} ago, and is not tried while the lane is paused"
        line = f"TROUBLE    {DOING[trouble.what]} {when}: {trouble.error}"
        out.print(line, style="red", soft_wrap=True)
    waits = f", one of them for {duration(view.longest_wait)}" if view.longest_wait is not None else ""
    ready = f"{some(view.ready_changes, 'change')} in {some(view.figures.ready_groups, 'group')}"
    checks = some(counts.checks, "batch", "batches")
    out.print(f"ready      {ready}{waits}")
    out.print(
        f"open       {some(counts.open_jobs, 'job')}, {checks} to be read back, {counts.due_batches} to be sent again"
    )
    out.print(f"cells      {counts.owned_cells} with a change that waits or is under way")
    out.print(f"time left  {_time_left(view, settings.slot_seconds, inbox)}")
    if view.recent:
        rows = [_recent_row(batch) for batch in view.recent[:SHOWN]]
        out.print(table(("batch", "items", "failed", "took", "polls", "tries", "job"), rows))


def _time_left(view: LaneView, slot: float, inbox: InboxView) -> str:
    more = ", and what is in the inbox" if inbox.intents else ""
    jobs = "its job" if view.requests_left == 1 else "their jobs"
    requests = f"{some(view.requests_left, 'request')}, and {jobs}"
    at_least = f"at least {duration(view.requests_left * slot)}: {requests}{more}"
    told = {
        Left.REQUESTS: at_least,
        Left.UNKNOWN: "not known before the inbox is taken in",
        Left.JOBS: "until the open jobs end",
        Left.NOTHING: "nothing to do",
    }
    return told[what_is_left(view, inbox)]


def _recent_row(batch: dict[str, Any]) -> tuple[object, ...]:
    took = duration(batch["settled_at"] - batch["claimed_at"])
    return (
        batch["batch"],
        f"{batch['size']}/50",
        batch["failed"],
        took,
        batch["polls"],
        batch["tries"],
        batch["job"] or "",
    )


def _inbox_json(inbox: InboxView) -> dict[str, Any]:
    return {"intents": inbox.intents, "oldest_wait": _rounded(inbox.oldest_wait)}


def _lane_json(view: LaneView, slot: float, seen: Vitals) -> dict[str, Any]:
    counts = view.counts
    return {
        "lane": view.lane,
        "paused": {**view.pause, "since": iso(view.pause["since"])} if view.pause else None,
        "troubles": [trouble_json(one, age) for one, age in seen.troubles],
        "ready_changes": view.ready_changes,
        "ready_groups": view.figures.ready_groups,
        "longest_wait": _rounded(view.longest_wait),
        "owned_cells": counts.owned_cells,
        "open_jobs": counts.open_jobs,
        "checks": counts.checks,
        "due_batches": counts.due_batches,
        "sending": counts.sending,
        "unpublished": counts.unpublished,
        "requests_left": view.requests_left,
        "seconds_left": round(view.requests_left * slot, 1),
        "slots_taken": view.figures.slots_taken,
        "recent": [_recent_json(batch) for batch in view.recent],
    }


def _recent_json(batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "claimed_at": iso(batch["claimed_at"]), "settled_at": iso(batch["settled_at"])}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
