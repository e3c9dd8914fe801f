"""`feishu-batch failures`: failed items by reason."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from worker.cli.options import json_option, lane_option
from worker.cli.output import console, print_json, table
from worker.cli.plan_diff import checked_report
from worker.cli.sets import show_failures, write_failures
from worker.operating.errors import WrongUseError
from worker.operating.explaining import advice_on
from worker.operating.failures import FailureGroup, FailureReport, failure_report
from worker.operating.retry.corrected import corrected_in
from worker.operating.session import open_session
from worker.wording import first_few, iso, some

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SINCE = re.compile(r"(\d{1,6})([smhd])")


@click.command("failures", short_help="Show failed items, grouped by reason.")
@click.option(
    "--since", metavar="DURATION", help="Only items that failed in this time: 30m, 12h, 7d. Default: all that are kept."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only the newest N intents with failed items. Default: all.",
)
@click.option("--set", "change_set", metavar="ID", help="What failed of one change set, change by change.")
@click.option(
    "--report",
    "report_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --set: also write the failures to FILE (.csv, .jsonl, .xlsx), with their values.",
)
@lane_option
@json_option
def failures(
    since: str | None,
    limit: int | None,
    change_set: str | None,
    report_path: Path | None,
    lane: str | None,
    as_json: bool,
) -> int:
    """Show the items that failed, grouped by reason, the most frequent reason first.

    Example:
      feishu-batch failures --since 24h

    Items that succeeded on a retry, or whose field a later intent has written, are left out. Failed items of unfinished intents are included. Canceled and expired items are not
    failures. `feishu-batch show` lists the items of one intent. The command reads Redis only, and needs no credentials.
    `import` takes a --report back, after it was corrected: its rows have the values as they were sent.

    Exit codes: 0 shown, whether items failed or not; 2 wrong use; 3 Redis cannot be reached.
    """
    if change_set and (since or limit or lane):
        raise WrongUseError("--set stands alone: it is about all of the change set")
    if report_path and not change_set:
        raise WrongUseError("--report is about one change set: give --set")
    checked_report(report_path, "")
    session = open_session()
    if change_set:
        if report_path:
            write_failures(session, change_set, report_path)
        return show_failures(session, change_set, as_json=as_json)
    since_at = time.time() - seconds_of(since) if since else 0.0
    corrected = corrected_in(session)
    reports = {
        one.name: failure_report(session.reads, one.name, since_at, limit, corrected)
        for one in session.chosen_lanes(lane)
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
    groups, since = report.failures.groups(), _resolved(report)
    if groups:
        out.print(table(("items", "code", "reason", "first items", "first intent"), map(_row, groups)))
        _print_advice(out, groups)
    if groups and since:
        out.print(f"Not listed: {since}.")
    if report.is_cut:
        newest = f"the newest {some(report.intents, 'intent')} with failed items"
        looked = f"… of {newest}" if groups else f"No unresolved failure in {newest}{since and f': {since}'}"
        out.print(f"{looked}; there are more: give a larger --limit, or none", soft_wrap=True)
    elif not groups:
        out.print(f"no unresolved failures; {since}" if since else "no failures")


def _resolved(report: FailureReport) -> str:
    counts = (
        (report.failures.succeeded_on_retry, "succeeded on a retry"),
        (report.failures.corrected, "been written by a later intent"),
    )
    return ", ".join(f"{some(n, 'failed item')} {'has' if n == 1 else 'have'} {what}" for n, what in counts if n)


def _print_advice(out: Console, groups: Sequence[FailureGroup]) -> None:
    """Once for each code, since its reasons differ in their words only."""
    for code in dict.fromkeys(group.code for group in groups):
        if advice := advice_on(code):
            out.print(f"{code}: {advice.replace('`', '')}", soft_wrap=True, markup=False)


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
        "succeeded_on_retry": report.failures.succeeded_on_retry,
        "corrected": report.failures.corrected,
        "groups": [
            {
                "code": group.code,
                "reason": group.reason,
                "advice": advice_on(group.code),
                "count": group.count,
                "items": [{"item": int(item), "intent_id": intent_id} for item, intent_id in group.items],
            }
            for group in report.failures.groups()
        ],
    }
