"""`feishu-batch plan`: how many requests a file needs, before anything is enqueued."""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click
from rich.console import Console

from config.lanes import routing
from config.settings import load_settings
from feishu_batch import UpdateIntent
from feishu_batch.intents import is_real_project_key
from feishu_batch.written import untagged
from worker.catalogue.untyped import UnclearError, intent_read_alone
from worker.cli import file_notes
from worker.cli.duplicates import document as duplicates_json
from worker.cli.duplicates import duplicate_check, known_rows
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.field_lookup import open_field_lookup
from worker.cli.file_options import file_options
from worker.cli.forgotten import forgotten
from worker.cli.import_report import ImportReport, others, print_known, print_rejected, rejected_json, what_it_is
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.cli.plan_names import NameCheck
from worker.importing.enqueue_rows import SortedRows, sort_rows
from worker.importing.journal import Journal
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format
from worker.importing.source import Source
from worker.ledger.reads.backlog import LaneBacklog
from worker.ledger.records import GroupSpec
from worker.operating.planning import GroupPlan, LanePlan, Planner
from worker.operating.session import Session, open_session
from worker.operating.views import inbox_view, lane_view
from worker.wording import as_json as json_text
from worker.wording import duration, some

SHOWN = 5  # groups
_KEY = re.compile(r"[a-z0-9_]+")  # as keys and aliases look; names mostly do not


@dataclass(slots=True)
class FilePlan:
    slot_seconds: float
    report: ImportReport
    lanes: list[LanePlan] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)  # lane → requests that its backlog still needs
    inbox: int = 0  # intents not yet recorded in a lane, whose cost is unknown
    names: NameCheck | None = None  # with --check
    forgotten: str | None = None  # why `import` would refuse the file
    ranged_rows: int = 0
    ranged_items: int = 0
    doubtful_count: int = 0
    doubtful: list[Row] = field(
        default_factory=list
    )  # rows whose value looks like JSON but is not valid JSON; the first few

    def count_ranges(self, rows: Iterable[Row]) -> None:
        ranged = [row.ranged for row in rows if row.ranged]
        self.ranged_rows += len(ranged)
        self.ranged_items += sum(ranged)

    def doubt(self, rows: Iterable[Row]) -> None:
        doubtful = [row for row in rows if _looks_like_json(row.intent.after_field_value)]
        self.doubtful_count += len(doubtful)
        self.doubtful += doubtful[: SHOWN - len(self.doubtful)]

    def seconds(self, plan: LanePlan) -> tuple[float, float]:
        before = self.waiting.get(plan.lane, 0)
        return (before + plan.fewest) * self.slot_seconds, (before + plan.most) * self.slot_seconds


@click.command("plan", short_help="Show how many requests a file needs; writes nothing.")
@file_options
@click.option(
    "--against-backlog", is_flag=True, help="Include the work that is already waiting; reads Redis, and writes nothing."
)
@click.option(
    "--check", is_flag=True, help="Look up names and check values, as intake will; needs Redis and credentials."
)
@json_option
def plan(file: Callable[[], AbstractContextManager[Source]], against_backlog: bool, check: bool, as_json: bool) -> int:
    """Show what `feishu-batch import FILE` would send ("-": standard input). Nothing is written.

    Example:
      feishu-batch plan sprint.csv

    Prints how many rows are valid, how many changes they make, and how many of these need no request: an UPDATE replaces a waiting UPDATE
    of the same field of the same item (superseded), and a change identical to a waiting one is merged with it (shared). The other
    changes form groups, which differ only in the item, and requests of up to 50 items. Each request takes one slot, so the number of
    requests gives the time. Wrong rows, and rows that a lane would refuse, are listed.

    The figures assume that all rows are enqueued before the first request is sent, and that no request is repeated. Without
    --against-backlog, the command reads only the file. With it, pending changes count too: the same rules supersede or share them, they
    are sent first, and their half-full requests take some of the file's changes. With --check, fields, options, people and spaces are
    looked up in Feishu Project: the command shows what each name means, and lists the rows that would be refused.

    Exit codes: 0 every row is valid; 1 rows are wrong, would be refused, or were imported before and are no longer in effect; 2 the file
    cannot be used; 3 Redis cannot be reached.
    """
    opened = open_session() if against_backlog or check else None
    session = opened if against_backlog else None
    settings = opened.settings if opened else load_settings()
    with file() as source, Journal() as journal:
        found = FilePlan(settings.slot_seconds, ImportReport(source.name, source.import_id, noticed=source.noticed))
        found.names = NameCheck(open_field_lookup(opened)) if opened and check else None
        planner = Planner(routing(settings).route, time.time(), _backlog_of(session) if session else None)
        found.forgotten = forgotten(opened, source) if opened else None
        _read(source, planner, found, opened, journal)
    found.lanes = planner.plans()
    if session:
        _look_at_backlog(session, found)
    out = console()
    if as_json:
        print_json(out, document(found))
    else:
        _print(out, found, opened, against_backlog=against_backlog)
    in_effect = found.report.before is None or found.report.before.in_effect
    return SOME_FAILED if found.report.rejected_count or found.forgotten or not in_effect else DONE


def _backlog_of(session: Session) -> Any:
    return lambda lane: LaneBacklog(session.redis, session.settings.key_prefix, lane)


def _read(source: Source, planner: Planner, found: FilePlan, session: Session | None, journal: Journal) -> None:
    """The steps of an import, with the planner instead of the inbox."""
    report = found.report

    def digests(ids: Sequence[str]) -> list[str | None]:
        if session is None:
            return [None] * len(ids)
        return [entry.digest if entry else None for entry in session.reads.entries(ids)]

    with duplicate_check(session) if session else nullcontext() as back:
        for put in sort_rows(source.rows(), digests, journal):
            if back:
                back.add(known_rows(put))
            _take(put, planner, found, source)
        if back and report.known:
            report.before = back.report()


def _take(put: SortedRows, planner: Planner, found: FilePlan, source: Source) -> None:
    report = found.report
    report.count(put)
    refused = _plan_rows(planner, put.enqueued, found.names)
    wrong = {row.line for row in refused}
    report.clears.add(row for row in put.enqueued if row.line not in wrong)
    report.enqueued -= len(refused)
    report.reject(refused)
    report.rejected.sort(key=lambda row: row.line)
    found.count_ranges(put.enqueued)
    if source.format is not Format.JSONL:  # JSON Lines marks a text as text
        found.doubt(put.enqueued)


def _looks_like_json(value: object) -> bool:
    text = untagged(value)
    return isinstance(text, str) and text.lstrip()[:1] in ("{", "[") and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _plan_rows(planner: Planner, rows: Sequence[Row], names: NameCheck | None) -> list[Rejected]:
    rows, unfit = names.sorted_out(rows) if names else (list(map(_read_alone, rows)), [])
    lines: dict[str, int] = {row.intent.intent_id: row.line for row in rows}
    refused: list[tuple[UpdateIntent, str]] = planner.add(row.intent for row in rows)
    return [*unfit, *(Rejected(lines[intent.intent_id], reason) for intent, reason in refused)]


def _read_alone(row: Row) -> Row:
    """The row as it would be sent without any look-up, so that it matches its pending changes."""
    try:
        return replace(row, intent=intent_read_alone(row.intent))
    except UnclearError:
        return row


def _look_at_backlog(session: Session, found: FilePlan) -> None:
    found.inbox = inbox_view(session.reads).intents
    for lane in session.lanes.values():
        found.waiting[lane.name] = lane_view(session.reads, lane).requests_left


def _print(out: Console, found: FilePlan, session: Session | None, *, against_backlog: bool) -> None:
    report = found.report
    if found.forgotten:
        out.print(f"`import` refuses this file: {found.forgotten}", style="bold", soft_wrap=True)
        out.print()
    if session:
        print_known(out, session, report, is_plan=True)
    out.print(f"rows       {_what_it_is(report)}: {report.enqueued} to be enqueued{others(report)}", soft_wrap=True)
    if session is None:
        out.print("known      not checked; --against-backlog shows which rows were imported before")
    file_notes.print_sheet(out, report.noticed)
    file_notes.print_rows(out, report.noticed, report.clears, will=True)
    for plan_ in found.lanes:
        if len(found.lanes) > 1:
            out.print(f"\nlane {plan_.lane}", style="bold")
        _print_lane(out, found, plan_)
    if against_backlog and found.inbox:
        out.print(f"inbox      {some(found.inbox, 'intent')} not recorded yet; their requests are not in the figures")
    if found.ranged_rows:
        out.print(f"ranges     {some(found.ranged_rows, 'row')}, {some(found.ranged_items, 'item')}")
    _print_doubtful(out, found)
    if found.names:
        found.names.print_to(out)
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _what_it_is(report: ImportReport) -> str:
    return what_it_is(report) if report.noticed.table else f"{report.rows} of {report.name}"


def _print_doubtful(out: Console, found: FilePlan) -> None:
    for row in found.doubtful:
        value = json_text(row.intent.after_field_value)
        out.print(
            f"warning    line {row.line}: the value looks like JSON but is not valid, so it is sent as text: {value}",
            soft_wrap=True,
        )
    if more := found.doubtful_count - len(found.doubtful):
        out.print(f"warning    … and {some(more, 'more such line', 'more such lines')}")


def _print_lane(out: Console, found: FilePlan, plan_: LanePlan) -> None:
    least, most = found.seconds(plan_)
    requests = _span(plan_.fewest, plan_.most)
    lines = [
        ("intents", str(plan_.intents)),
        ("changes", f"{plan_.changes}: {_shares(plan_)}"),
        ("groups", f"{len(plan_.groups)}{'' if found.names else _perhaps_fewer(plan_)}"),
        (
            "requests",
            f"{requests}; {plan_.full} can be full; {plan_.fill:.0%} of the places used" if plan_.sent else "0",
        ),
        ("time", f"at least {duration(least)}" + (f", at most {duration(most)}" if most > least else "")),
    ]
    if before := found.waiting.get(plan_.lane):
        lines[4] = (
            "time",
            f"{lines[4][1]}, of which {duration(before * found.slot_seconds)} for work that is already waiting",
        )
    if plan_.longest_line > 1:
        lines.append(
            (
                "in turn",
                f"up to {plan_.longest_line} changes of one cell; each waits until the job of the previous one has ended",
            )
        )
    for name, value in lines:
        out.print(f"{name:<10} {value}", soft_wrap=True)
    largest = sorted(plan_.groups, key=lambda group: -group.changes)[:SHOWN]
    if len(plan_.groups) > 1:
        out.print()
        out.print(table(("changes", "requests", "of the largest groups: field, mode, value"), map(_row, largest)))


def _perhaps_fewer(plan_: LanePlan) -> str:
    """The rows may name the same field or space by its key and by its name."""
    specs = [GroupSpec.from_json(group.spec) for group in plan_.groups]
    if len(specs) < 2 or all(is_real_project_key(one.project_key) and _KEY.fullmatch(one.field_key) for one in specs):  # noqa: PLR2004
        return ""
    return ", counting a name and a key of the same field separately; --check gives the exact number"


def _shares(plan_: LanePlan) -> str:
    ended = (
        (plan_.superseded, "superseded by later rows"),
        (plan_.shared, "shared with an identical change"),
        (plan_.expired, "already expired"),
    )
    parts = [f"{plan_.sent} to send", *(f"{count} {what}" for count, what in ended if count)]
    if plan_.superseded_before:
        parts.append(f"and {plan_.superseded_before} already waiting are superseded by them")
    return ", ".join(parts)


def _row(group: GroupPlan) -> tuple[object, ...]:
    spec = GroupSpec.from_json(group.spec)
    value = json_text(spec.after_field_value)
    return group.changes, _span(group.fewest, group.most), f"{spec.field_key} {spec.update_mode} {value}"


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def document(found: FilePlan) -> dict[str, Any]:
    """The documented shape of `feishu-batch plan --json`."""
    report = found.report
    return {
        "file": report.name,
        "import_id": report.import_id,
        "rows": report.rows,
        "enqueued": report.enqueued,
        "known": report.known,
        "before": duplicates_json(report.before) if report.before else None,
        "forgotten": found.forgotten,
        "repeated": report.repeated,
        "left_out": report.left_out,
        **rejected_json(report),
        **file_notes.document(report.noticed, report.clears),
        "ranges": {"rows": found.ranged_rows, "items": found.ranged_items},
        "doubtful_count": found.doubtful_count,
        "doubtful": [{"line": row.line, "value": untagged(row.intent.after_field_value)} for row in found.doubtful],
        **(found.names.document() if found.names else {}),
        "inbox": found.inbox,
        "lanes": [_lane_json(found, plan_) for plan_ in found.lanes],
    }


def _lane_json(found: FilePlan, plan_: LanePlan) -> dict[str, Any]:
    least, most = found.seconds(plan_)
    counts = asdict(plan_)
    groups = counts.pop("groups")
    return {
        **counts,
        "sent": plan_.sent,
        "groups": len(groups),
        "requests": {"at_least": plan_.fewest, "at_most": plan_.most, "full": plan_.full, "fill": round(plan_.fill, 3)},
        "requests_before": found.waiting.get(plan_.lane, 0),
        "seconds": {"at_least": round(least, 1), "at_most": round(most, 1)},
    }
