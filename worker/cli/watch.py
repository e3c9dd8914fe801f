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

from worker.cli.errors import DONE, INTERRUPTED
from worker.cli.local_times import moment
from worker.cli.options import lane_option, wants_json
from worker.cli.output import console, table, trouble_json
from worker.ledger.last_errors import LastError
from worker.ledger.reads.lane_health import read_lane_health
from worker.ledger.routes import BATCH
from worker.operating.errors import UnreachableError
from worker.operating.recent_failures import HOUR, RecentFailures, Summary
from worker.operating.session import Session, open_session
from worker.operating.views import InboxView, LaneView, Use, inbox_view, lane_view
from worker.wording import duration, iso, some

BATCHES, REASONS = 6, 4  # shown
PATIENCE = 60.0  # seconds without an answer of Redis


NOTHING_FAILED = Summary(since=0.0, groups=(), is_cut=False, is_counting=False)


@dataclass(frozen=True, slots=True)
class LaneLook:
    """`use`: share of the slots of the last minute; None: not known yet. `last_errors`: each with its age in seconds."""

    view: LaneView
    use: float | None = None
    failures: Summary = NOTHING_FAILED
    last_errors: tuple[tuple[LastError, float], ...] = ()
    paused_since: str = ""  # for people


@dataclass(frozen=True, slots=True)
class Picture:
    inbox: InboxView
    lanes: tuple[LaneLook, ...]


class Watcher:
    def __init__(self, session: Session, lane: str | None) -> None:
        self._session = session
        self._lanes = session.chosen_lanes(lane)
        self._failures = RecentFailures(session.reads, HOUR)
        self._use = {one.name: Use(session.settings.slot_seconds) for one in self._lanes}

    def look(self) -> Picture:
        reads = self._session.reads
        seen = []
        for one in self._lanes:
            view = lane_view(reads, one)
            use = self._use[one.name]
            use.note(view.figures.now, view.figures.slots_taken)
            failures = self._failures.look(one.name, view.figures.now)
            troubles = read_lane_health(self._session.redis, one.keys).last_errors
            since = moment(self._session.settings, view.pause["since"]) if view.pause else ""
            seen.append(LaneLook(view, use.share, failures, troubles, since))
        return Picture(inbox_view(reads), tuple(seen))


@click.command("watch", short_help="Watch the lanes as they work.")
@click.option("--every", type=click.FloatRange(0.2, 3600), metavar="SECONDS", help="Default: 1 on a terminal, else 5.")
@click.option("--once", is_flag=True, help="Print the state once and end.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,
    callback=wants_json,
    help="Print one JSON document per look, one per line.",
)
@lane_option
def watch(every: float | None, once: bool, lane: str | None, as_json: bool) -> int:
    """Watch the lanes as they work: backlog, slot use of the last minute, open jobs, last batches, failures of the last hour.

    Example:
      feishu-batch watch

    On a terminal the view is refreshed until q or Ctrl-C. Otherwise it prints a line for each lane every few seconds, or with --json a line
    for each look. The command reads Redis only, and needs no credentials. It survives an outage of Redis of less than a minute.

    Exit codes: 0 ended with q, or --once; 2 wrong use; 3 Redis cannot be reached; 130 Ctrl-C.
    """
    watcher = Watcher(open_session(), lane)
    out = console()
    written = _json_line if as_json else lines
    if once:
        picture = watcher.look()
        out.print(_json_line(picture)[0] if as_json else render(picture, hint=""), soft_wrap=as_json)
        return DONE
    try:
        if not as_json and out.is_terminal and sys.stdin.isatty():
            return _live(watcher, out, every or 1.0)
        return _lines(watcher, out, every or 5.0, written)
    except KeyboardInterrupt:
        return INTERRUPTED


def _live(watcher: Watcher, out: Console, every: float) -> int:
    with _single_keys(), Live(console=out, screen=True, auto_refresh=False) as live:
        for picture in _pictures(watcher):
            live.update(render(picture) if picture else Text("Redis does not answer …", style="red"), refresh=True)
            if _quit_within(every):
                break
    return DONE


def _lines(watcher: Watcher, out: Console, every: float, written: Callable[[Picture | None], list[str]]) -> int:
    for picture in _pictures(watcher):
        for one in written(picture):
            out.print(one, soft_wrap=True)
        out.file.flush()
        time.sleep(every)
    return DONE


def _pictures(watcher: Watcher) -> Iterator[Picture | None]:
    """Yields None while Redis does not answer."""
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
    """Keys act without Enter and are not echoed; Ctrl-C works as usual."""
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


def render(picture: Picture, hint: str = "        q to quit") -> RenderableType:
    parts: list[RenderableType] = [Text(f"inbox {some(picture.inbox.intents, 'intent')}{hint}")]
    for one in picture.lanes:
        view = one.view
        parts += ["", Text(_line(view, one.use), style="red" if view.pause else "bold")]
        if view.pause:
            reason = view.pause["reason"].rstrip(".")
            parts.append(Text(f"since {one.paused_since}: {reason}; then: feishu-batch resume"))
        parts += [
            Text(f"{trouble.in_words(view.pause)} (for {duration(age)})", style="red")
            for trouble, age in one.last_errors
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
            parts.append(
                "more intents failed in the last hour than are counted here; see all: feishu-batch failures --since 1h"
            )
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
        "troubles": [trouble_json(trouble, age) for trouble, age in look.last_errors],
        "slot_use": None if use is None else round(use, 3),
        "ready_changes": view.ready_changes,
        "ready_groups": view.groups,
        "to_look_at": view.figures.to_look_at,
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
    shown = []
    for look in picture.lanes:
        failed = f"{'' if look.failures.is_whole else 'at least '}{look.failures.count}"
        troubles = "".join(f" · {trouble.in_words(look.view.pause)}" for trouble, _ in look.last_errors)
        inbox = picture.inbox.intents
        shown.append(f"{_line(look.view, look.use)} · inbox {inbox} · {failed} failed in the last hour{troubles}")
    return shown


def _line(view: LaneView, use: float | None) -> str:
    shown = "…" if use is None else f"{use:.0%}"
    state = "PAUSED" if view.pause else f"slots used {shown}"
    oldest = f", one for {duration(view.longest_wait)}" if view.longest_wait is not None else ""
    ready = f"{view.ready_changes} changes ready in {view.groups} groups{oldest}"
    looks = f" · {some(view.figures.to_look_at, 'item')} to read" if view.figures.to_look_at else ""
    singles = f" · {some(view.singles_left, 'change')} for single updates" if view.singles_left else ""
    if view.singles.off_for > 0:
        singles = f" · single updates off for another {duration(view.singles.off_for)}"
    return f"lane {view.lane} · {state} · {ready}{looks}{singles} · {view.requests_left} requests left · {some(view.counts.open_jobs, 'job')} open"


def _batch(view: LaneView, batch: dict[str, float]) -> tuple[object, ...]:
    took, ago = batch["settled_at"] - batch["claimed_at"], max(0.0, view.figures.now - batch["settled_at"])
    return batch["batch"], f"{batch['size']}/{BATCH.items}", batch["failed"], duration(took), duration(ago)
