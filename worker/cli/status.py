"""`feishu-batch status`: an overview of the lanes."""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from worker.cli.local_times import moment
from worker.cli.options import json_option, lane_option
from worker.cli.output import console, print_json, table, trouble_json
from worker.cli.route_words import with_singles
from worker.ledger.last_errors import DOING
from worker.ledger.reads.lane_health import LaneHealth, read_lane_health
from worker.ledger.routes import BATCH
from worker.operating.change_words import ChangeWords
from worker.operating.route_gain import MOST_RATE, gain
from worker.operating.session import Session, open_session
from worker.operating.unfinished import Unfinished, unfinished
from worker.operating.views import InboxView, LaneView, Remaining, inbox_view, lane_view, what_is_left
from worker.wording import duration, iso, some

SHOWN = 5  # recent batches


@click.command("status", short_help="Show queued work, work in progress and stalled lanes.")
@click.option("--intents", "with_intents", is_flag=True, help="Also list the unfinished intents, with their ids.")
@lane_option
@json_option
def status(with_intents: bool, lane: str | None, as_json: bool) -> int:
    """Show queued work, work in progress and stalled lanes.

    Example:
      feishu-batch status

    Prints the inbox (intents that no worker has recorded yet) and for each lane: whether it is paused, and why; the groups of
    changes that may be sent now; open jobs; the last batches with their size and duration; and the minimum time left, at one request of
    50 changes per slot. If the latest call to the remote system failed, it prints the error and since when. With --intents it lists the
    unfinished intents, oldest first: when each was enqueued, its id, items and change. The command reads Redis only, and needs no
    credentials.

    Exit codes: 0 shown; 2 wrong use; 3 Redis cannot be reached.
    """
    session = open_session()
    inbox = inbox_view(session.reads)
    chosen = session.chosen_lanes(lane)
    lanes = [lane_view(session.reads, one, session.request_counts(one.name)) for one in chosen]
    seen = {one.name: read_lane_health(session.redis, one.keys) for one in chosen}
    slot = session.settings.slot_seconds
    out = console()
    names = [one.name for one in chosen]
    waiting = list(unfinished(session.redis, session.settings.key_prefix, names)) if with_intents else []
    if as_json:
        shown = {"inbox": _inbox_json(inbox), "lanes": [_lane_json(view, slot, seen[view.lane]) for view in lanes]}
        print_json(out, {**shown, "intents": [_intent_json(one) for one in waiting]} if with_intents else shown)
        return 0
    oldest = f", the oldest for {duration(inbox.oldest_wait)}" if inbox.oldest_wait is not None else ""
    out.print(f"inbox      {some(inbox.intents, 'intent')} not recorded yet{oldest}")
    for view in lanes:
        _print_lane(out, view, session.settings, inbox, seen[view.lane])
    if with_intents:
        _print_intents(out, waiting, session)
    return 0


def _print_intents(out: Console, waiting: Sequence[Unfinished], session: Session) -> None:
    out.print(f"\n{some(len(waiting), 'intent')} unfinished", style="bold")
    words = ChangeWords(session)
    rows = [
        (
            moment(session.settings, one.enqueued_at),
            one.intent_id,
            f"{one.open}/{one.items}",
            words.change(one.spec, 40),
        )
        for one in waiting
    ]
    if rows:
        out.print(table(("enqueued", "intent", "open", "change"), rows))


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


def _print_lane(out: Console, view: LaneView, settings: Settings, inbox: InboxView, seen: LaneHealth) -> None:
    counts = view.counts
    out.print(f"\nlane {view.lane}", style="bold")
    if view.pause:
        since = moment(settings, view.pause["since"])
        out.print(f"PAUSED     since {since}: {view.pause['reason']}", style="red", soft_wrap=True)
        out.print("           after fixing it, run: feishu-batch resume")
    for trouble, age in seen.last_errors:
        when = f"has failed for {duration(age)}; the worker retries it"
        if not counts.owned_cells and trouble.what != "look_up":
            when = f"failed {duration(age)} ago; nothing is left to retry"
        elif not trouble.is_tried_again(view.pause):
            when = f"failed {duration(age)} ago; it is not retried while the lane is paused"
        line = f"TROUBLE    {DOING[trouble.what]} {when}: {trouble.error}"
        out.print(line, style="red", soft_wrap=True)
    waits = f", one of them for {duration(view.longest_wait)}" if view.longest_wait is not None else ""
    ready = f"{some(view.ready_changes, 'change')} in {some(view.groups, 'group')}"
    checks = some(counts.checks, "batch", "batches")
    out.print(f"ready      {ready}{waits}")
    if view.figures.to_look_at:
        out.print(f"to read    cells of {some(view.figures.to_look_at, 'item')}, before their changes are sent")
    out.print(f"open       {some(counts.open_jobs, 'job')}, {checks} to read back, {counts.due_batches} to send again")
    out.print(f"cells      {counts.owned_cells} with a change that is waiting or in progress")
    out.print(f"time left  {_time_left(view, settings.slot_seconds, inbox)}")
    if view.requests_today:
        out.print(f"today      {_requests_today(view, settings.daily_requests)}", soft_wrap=True)
    for line in _singles(view, settings.slot_seconds):
        out.print(line, soft_wrap=True)
    if view.recent:
        rows = [_recent_row(batch) for batch in view.recent[:SHOWN]]
        out.print(table(("batch", "items", "failed", "took", "polls", "tries", "job"), rows))


def _time_left(view: LaneView, slot: float, inbox: InboxView) -> str:
    more = ", and what is in the inbox" if inbox.intents else ""
    jobs = "its job" if view.requests_left == 1 else "their jobs"
    parts = [f"{some(view.singles_left, 'change')} in single updates"] if view.singles_left else []
    if view.requests_left or not parts:
        parts.append(f"{some(view.requests_left, 'request')}, and {jobs}")
    at_least = f"at least {duration(view.seconds_left(slot))}: {'; beside them '.join(parts)}{more}"
    texts = {
        Remaining.REQUESTS: at_least,
        Remaining.UNKNOWN: "unknown until the inbox has been recorded, and what is to be read has been read",
        Remaining.JOBS: "until the open jobs end",
        Remaining.NOTHING: "nothing to do",
    }
    return texts[what_is_left(view, inbox)]


def _requests_today(view: LaneView, most: int) -> str:
    """By kind: a quota counts all of them."""
    sent = view.requests_today
    of_them = f" of {most:,}, from which on single updates and looks stop" if most else ""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(sent.items(), key=lambda one: -one[1]))
    return f"{sum(sent.values()):,} requests{of_them}: {kinds}"


def _singles(view: LaneView, slot: float) -> list[str]:
    """The single route, where it matters."""
    state, lines = view.singles, []
    if state.rate and not state.is_on:
        lines.append(
            f"singles    off for another {duration(state.off_for)}, so everything goes by batches: {state.why}"
        )
        lines.append("           after fixing it, run: feishu-batch resume")
    if both := gain(view, slot):
        lines.append(
            f"faster     {with_singles(both, view.requests_left, slot)}; less where an item has several fields"
        )
    return lines


def _recent_row(batch: dict[str, Any]) -> tuple[object, ...]:
    took = duration(batch["settled_at"] - batch["claimed_at"])
    return (
        batch["batch"],
        f"{batch['size']}/{BATCH.items}",
        batch["failed"],
        took,
        batch["polls"],
        batch["tries"],
        batch["job"] or "",
    )


def _inbox_json(inbox: InboxView) -> dict[str, Any]:
    return {"intents": inbox.intents, "oldest_wait": _rounded(inbox.oldest_wait)}


def _lane_json(view: LaneView, slot: float, seen: LaneHealth) -> dict[str, Any]:
    counts = view.counts
    return {
        "lane": view.lane,
        "paused": {**view.pause, "since": iso(view.pause["since"])} if view.pause else None,
        "troubles": [trouble_json(one, age) for one, age in seen.last_errors],
        "ready_changes": view.ready_changes,
        "ready_groups": view.groups,
        "to_look_at": view.figures.to_look_at,
        "longest_wait": _rounded(view.longest_wait),
        "owned_cells": counts.owned_cells,
        "open_jobs": counts.open_jobs,
        "checks": counts.checks,
        "due_batches": counts.due_batches,
        "sending": counts.sending,
        "unpublished": counts.unpublished,
        "requests_left": view.requests_left,
        "seconds_left": round(view.seconds_left(slot), 1),
        "requests_today": dict(view.requests_today),
        "single_updates": _singles_json(view, slot),
        "slots_taken": view.figures.slots_taken,
        "recent": [_recent_json(batch) for batch in view.recent],
    }


def _singles_json(view: LaneView, slot: float) -> dict[str, Any]:
    both = gain(view, slot)
    return {
        "per_second": view.singles.rate,
        "off_for": round(view.singles.off_for, 1),
        "why_off": view.singles.why or None,
        "changes": view.singles_left,
        "would_help": {"requests": both.requests, "seconds": round(both.seconds(slot, MOST_RATE), 1)} if both else None,
    }


def _recent_json(batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "claimed_at": iso(batch["claimed_at"]), "settled_at": iso(batch["settled_at"])}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
