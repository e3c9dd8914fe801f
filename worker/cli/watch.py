"""`feishu-batch watch`: the lanes as they work."""

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click
from redis.exceptions import RedisError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from worker.cli.errors import DONE, INTERRUPTED, UnreachableError
from worker.cli.moments import moment
from worker.cli.options import lane_option
from worker.cli.output import console, duration, iso, some, table, trouble_json
from worker.cli.session import Session, open_session
from worker.ledger.trouble import Trouble
from worker.ledger.vitals import vitals
from worker.operating.recent_failures import HOUR, RecentFailures, Summary
from worker.operating.views import InboxView, LaneView, Use, inbox_view, lane_view

BATCHES, REASONS = 6, 4  # that are shown
PATIENCE = 60.0  # seconds without an answer of Redis


NOTHING_FAILED = Summary(since=0.0, groups=(), is_cut=False, is_counting=False)


@dataclass(frozen=True, slots=True)
class LaneLook:
    """`use`: share of the slots of the last minute; None: not known yet. `troubles`: each with its age in seconds."""

    view: LaneView
    use: float | None = None
    failures: Summary = NOTHING_FAILED
    troubles: tuple[tuple[Trouble, float], ...] = ()
    paused_since: str = ""  # for people


@dataclass(frozen=True, slots=True)
class Picture:
    inbox: InboxView
    lanes: tuple[LaneLook, ...]


class Watcher:
    def __init__(self, session: Session, lane: str | None) -> None:
        self._session = session
        self._lanes = session.chosen_lanes(lane)
        self._failures = RecentFailures(session.reading, HOUR)
        self._use = {one.name: Use(session.settings.slot_seconds) for one in self._lanes}

    def look(self) -> Picture:
        reading = self._session.reading
        seen = []
        for one in self._lanes:
            view = lane_view(reading, one)
            use = self._use[one.name]
            use.note(view.figures.now, view.figures.slots_taken)
            failures = self._failures.look(one.name, view.figures.now)
            troubles = vitals(self._session.redis, one.prefix).troubles
            since = moment(self._session.settings, view.pause["since"]) if view.pause else ""
            seen.append(LaneLook(view, use.share, failures, troubles, since))
        return Picture(inbox_view(reading), tuple(seen))


@click.command("watch", short_help="Watch the lanes as they work.")
@click.option("--every", type=click.FloatRange(0.2, 3600), metavar="SECONDS", help="Default: 1 on a terminal, else 5.")
@click.option("--once", is_flag=True, help="Print one picture and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document per look, each on a line of its own.")
@lane_option
def watch(every: float | None, once: bool, lane: str | None, as_json: bool) -> int:
    """Watch the lanes as they work: backlog, slot use of the last minute, open jobs, last batches, failures of the last hour.

    Example:
      feishu-batch watch

    On a terminal the picture renews itself until q or Ctrl-C; elsewhere it is a line for each lane every few seconds, with --json a line for
    each look. It reads Redis
    only, and needs no credentials; an absence of Redis of less than a minute does not end it.

    Exit codes: 0 ended with q, or --once; 2 wrong use; 3 Redis cannot be reached; 130 Ctrl-C.
    """
    watcher = Watcher(open_session(), lane)
    out = console()
    told = _json_line if as_json else lines
    if once:
        picture = watcher.look()
        out.print(_json_line(picture)[0] if as_json else render(picture, hint=""), soft_wrap=as_json)
        return DONE
    try:
        if not as_json and out.is_terminal and sys.stdin.isatty():
            return _live(watcher, out, every or 1.0)
        return _lines(watcher, out, every or 5.0, told)
    except KeyboardInterrupt:
        return INTERRUPTED


def _live(watcher: Watcher, out: Console, every: float) -> int:
    with _single_keys(), Live(console=out, screen=True, auto_refresh=False) as live:
        for picture in _pictures(watcher):
            live.update(render(picture) if picture else Text("Redis does not answer …", style="red"), refresh=True)
            if _quit_within(every):
                break
    return DONE


def _lines(watcher: Watcher, out: Console, every: float, told: Callable[[Picture | None], list[str]]) -> int:
    for picture in _pictures(watcher):
        for one in told(picture):
            out.print(one, soft_wrap=True)
        out.file.flush()
        time.sleep(every)
    return DONE


def _pictures(watcher: Watcher) -> Iterator[Picture | None]:
    """None while Redis does not answer."""
    answered_at = time.monotonic()
    while True:
        picture = None
        with contextlib.suppress(RedisError):
            picture = watcher.look()
            answered_at = time.monotonic()
        if time.monotonic() - answered_at > PATIENCE:
            raise UnreachableError(f"Redis has not answered for {PATIENCE:g} s; the work is safe in it")
        yield picture


@contextlib.contextmanager
def _single_keys() -> Iterator[None]:
    """Keys count without Enter, and are not shown; Ctrl-C stays what it is."""
    import termios  # noqa: PLC0415 - not on Windows, where everything else of this module works
    import tty  # noqa: PLC0415 - as above

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _quit_within(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and os.read(sys.stdin.fileno(), 64) in (b"q", b"Q", b"")


# --- what is shown --------------------------------------------------------------------------------------------------


def render(picture: Picture, hint: str = "        q ends") -> RenderableType:
    parts: list[RenderableType] = [Text(f"inbox {some(picture.inbox.intents, 'intent')}{hint}")]
    for one in picture.lanes:
        view = one.view
        parts += ["", Text(_line(view, one.use), style="red" if view.pause else "bold")]
        if view.pause:
            reason = view.pause["reason"].rstrip(".")
            parts.append(Text(f"since {one.paused_since}: {reason}; then: feishu-batch resume"))
        parts += [
            Text(f"{trouble.in_words(view.pause)} (for {duration(age)})", style="red") for trouble, age in one.troubles
        ]
        if view.recent:
            rows = [_batch(view, batch) for batch in view.recent[:BATCHES]]
            parts.append(table(("batch", "fill", "failed", "took", "ago"), rows))
        if one.failures.groups:
            reasons = [(group.count, group.code or "", group.reason or "") for group in one.failures.groups[:REASONS]]
            parts.append(table(("failed", "code", "reason (last hour)"), reasons))
        if len(one.failures.groups) > REASONS:
            parts.append(
                f"… and {some(len(one.failures.groups) - REASONS, 'more reason')}: feishu-batch failures --since 1h"
            )
        if not one.failures.is_whole:
            parts.append("more intents failed in the last hour than are counted here: feishu-batch failures --since 1h")
    return Group(*parts)


def _json_line(picture: Picture | None) -> list[str]:
    """For a program; `lanes` is null while Redis does not answer."""
    document: dict[str, Any] = {"at": iso(time.time()), "inbox": None, "lanes": None}
    if picture:
        document["inbox"] = picture.inbox.intents
        document["lanes"] = [_lane_json(one) for one in picture.lanes]
    return [json.dumps(document, ensure_ascii=False)]


def _lane_json(look: LaneLook) -> dict[str, Any]:
    view, use = look.view, look.use
    return {
        "lane": view.lane,
        "paused": view.pause["reason"] if view.pause else None,
        "troubles": [trouble_json(trouble, age) for trouble, age in look.troubles],
        "slot_use": None if use is None else round(use, 3),
        "ready_changes": view.ready_changes,
        "ready_groups": view.figures.ready_groups,
        "longest_wait": None if view.longest_wait is None else round(view.longest_wait, 1),
        "requests_left": view.requests_left,
        "open_jobs": view.counts.open_jobs,
        "failed_last_hour": [
            {"code": one.code, "reason": one.reason, "count": one.count} for one in look.failures.groups
        ],
        "failed_last_hour_is_whole": look.failures.is_whole,
    }


def lines(picture: Picture | None) -> list[str]:
    """For a file or a pipe: one line for each lane."""
    if picture is None:
        return ["Redis does not answer …"]
    told = []
    for look in picture.lanes:
        failed = f"{'' if look.failures.is_whole else 'at least '}{look.failures.count}"
        troubles = "".join(f" · {trouble.in_words(look.view.pause)}" for trouble, _ in look.troubles)
        inbox = picture.inbox.intents
        told.append(f"{_line(look.view, look.use)} · inbox {inbox} · {failed} failed in the last hour{troubles}")
    return told


def _line(view: LaneView, use: float | None) -> str:
    shown = "…" if use is None else f"{use:.0%}"
    state = "PAUSED" if view.pause else f"slots used {shown}"
    oldest = f", one for {duration(view.longest_wait)}" if view.longest_wait is not None else ""
    ready = f"{view.ready_changes} changes ready in {view.figures.ready_groups} groups{oldest}"
    return (
        f"lane {view.lane} · {state} · {ready} · {view.requests_left} requests left · {view.counts.open_jobs} jobs open"
    )


def _batch(view: LaneView, batch: dict[str, float]) -> tuple[object, ...]:
    took, ago = batch["settled_at"] - batch["claimed_at"], max(0.0, view.figures.now - batch["settled_at"])
    return batch["batch"], f"{batch['size']}/50", batch["failed"], duration(took), duration(ago)
