"""`feishu-batch failures`: what failed, by reason."""

import re
import time
from typing import Any

import click
from rich.console import Console

from worker.cli.errors import WrongUseError
from worker.cli.options import json_option, lane_option
from worker.cli.output import console, first_few, iso, print_json, some, table
from worker.cli.session import open_session
from worker.operating.failures import FailureGroup, FailureReport, failure_report

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SINCE = re.compile(r"(\d{1,6})([smhd])")


@click.command("failures", short_help="Show what failed, grouped by reason.")
@click.option(
    "--since", metavar="DURATION", help="Only what failed since then: 30m, 12h, 7d. Default: all that is kept."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Look only at the newest so many intents with failed items. Default: all.",
)
@lane_option
@json_option
def failures(since: str | None, limit: int | None, lane: str | None, as_json: bool) -> int:
    """Show the items that failed, grouped by reason, the most frequent reason first.

    Example:
      feishu-batch failures --since 24h

    Items of which a retry has succeeded are left out. Items of intents that are still under way count as soon as they have failed;
    `feishu-batch show` lists the items of one intent. Canceled and expired items are no failures.
    It reads Redis only, and needs no credentials.

    Exit codes: 0 shown, whether anything failed or not; 2 wrong use; 3 Redis cannot be reached.
    """
    session = open_session()
    since_at = time.time() - seconds_of(since) if since else 0.0
    reports = {
        one.name: failure_report(session.reading, one.name, since_at, limit) for one in session.chosen_lanes(lane)
    }
    out = console()
    if as_json:
        lanes = [{"lane": name, **_report_json(report)} for name, report in reports.items()]
        print_json(out, {"since": iso(since_at) if since else None, "lanes": lanes})
        return 0
    for name, report in reports.items():
        if len(reports) > 1:
            out.print(f"lane {name}", style="bold")
        _print(out, report)
    return 0


def _print(out: Console, report: FailureReport) -> None:
    groups, mended = report.failures.groups(), report.failures.mended
    since = f"{some(mended, 'item')} that failed {'has' if mended == 1 else 'have'} succeeded since, by a retry"
    if groups:
        out.print(table(("items", "code", "reason", "first items", "first intent"), map(_row, groups)))
    if groups and mended:
        out.print(f"Left out: {since}.")
    if report.is_cut:
        newest = f"the newest {some(report.intents, 'intent')} with failed items"
        looked = f"… of {newest}" if groups else f"No failure is open of {newest}: {since}"
        out.print(f"{looked}; there are more: give a larger --limit, or none", soft_wrap=True)
    elif not groups:
        out.print(f"nothing failed that is open; {since}" if mended else "nothing failed")


def seconds_of(text: str) -> float:
    match = _SINCE.fullmatch(text)
    if not match:
        raise WrongUseError(f"--since {text}: write it like 30m, 12h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def _row(group: FailureGroup) -> tuple[object, ...]:
    items, intents = zip(*group.items, strict=True)
    return group.count, group.code or "", group.reason or "", first_few(items), first_few(intents, 1)


def _report_json(report: FailureReport) -> dict[str, Any]:
    return {
        "intents": report.intents,
        "is_cut": report.is_cut,
        "failed": report.failures.count(),
        "mended": report.failures.mended,
        "groups": [
            {
                "code": group.code,
                "reason": group.reason,
                "count": group.count,
                "items": [{"item": int(item), "intent_id": intent_id} for item, intent_id in group.items],
            }
            for group in report.failures.groups()
        ],
    }
