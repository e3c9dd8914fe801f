"""`feishu-batch plan`: what a file would cost, before anything is written."""

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
from worker.catalogue.alone import UnclearError, intent_read_alone
from worker.cli import file_notes
from worker.cli.catalogues import open_catalogues
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.file_options import file_options
from worker.cli.import_report import ImportReport, others, print_known, print_rejected, rejected_json
from worker.cli.known_before import document as since_then_json
from worker.cli.known_before import known_rows, looking_back
from worker.cli.options import json_option
from worker.cli.output import as_json as json_text
from worker.cli.output import console, duration, print_json, some, table
from worker.cli.plan_names import NameCheck
from worker.cli.session import Session, open_session
from worker.importing.journal import Journal
from worker.importing.put import Put, sorted_out
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format
from worker.importing.source import Source
from worker.ledger.backlog import LaneBacklog
from worker.ledger.records import GroupSpec
from worker.operating.planning import GroupPlan, LanePlan, Planner
from worker.operating.views import inbox_view, lane_view

SHOWN = 5  # groups
_KEY = re.compile(r"[a-z0-9_]+")  # as keys and aliases look; names mostly do not


@dataclass(slots=True)
class FilePlan:
    slot_seconds: float
    report: ImportReport
    lanes: list[LanePlan] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)  # lane → requests that its backlog needs
    inbox: int = 0  # intents that no lane has, so nobody knows what they cost
    names: NameCheck | None = None  # with --check
    ranged_rows: int = 0
    ranged_items: int = 0
    doubtful_count: int = 0
    doubtful: list[Row] = field(default_factory=list)  # whose value looks like JSON and is none; the first few

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


@click.command("plan", short_help="Show what a file would cost, and write nothing.")
@file_options
@click.option(
    "--against-backlog", is_flag=True, help="Look at what waits already; needs Redis, and writes nothing there."
)
@click.option(
    "--check", is_flag=True, help="Look names up and check values, as intake will; needs Redis and credentials."
)
@json_option
def plan(file: Callable[[], AbstractContextManager[Source]], against_backlog: bool, check: bool, as_json: bool) -> int:
    """Show what `feishu-batch import FILE` would send ("-": standard input). Nothing is written.

    Example:
      feishu-batch plan sprint.csv

    Prints how many rows are good, how many changes they make and how many of these never need a request: an UPDATE takes the place of
    a waiting UPDATE of the same field of the same item (superseded), and who wishes just what waits already shares it. What is
    left makes groups, which agree in everything but the item, and requests of up to 50; each takes a slot, so that their number
    is the time. Rows that a lane would refuse, or that are wrong, are listed.

    It counts as if all rows were enqueued before the first request leaves, and no request had to be sent again. Without
    --against-backlog it asks nobody; with it, what is pending counts too: it is superseded or shared by the same rules, goes first,
    and its half-full requests take some of the changes along. With --check fields, options, people and spaces are looked up in
    Feishu Project: it shows what each name means, and lists the rows that would be refused for it.

    Exit codes: 0 every row is good; 1 rows are wrong, would be refused, or were imported before and do not stand any more; 2 the file cannot be used; 3 Redis cannot be reached.
    """
    opened = open_session() if against_backlog or check else None
    session = opened if against_backlog else None
    settings = opened.settings if opened else load_settings()
    with file() as source, Journal() as journal:
        found = FilePlan(settings.slot_seconds, ImportReport(source.name, source.import_id, noticed=source.noticed))
        found.names = NameCheck(open_catalogues(opened)) if opened and check else None
        planner = Planner(routing(settings).route, time.time(), _backlog_of(session) if session else None)
        _read(source, planner, found, opened, journal)
    found.lanes = planner.plans()
    if session:
        _look_at_backlog(session, found)
    out = console()
    if as_json:
        print_json(out, document(found))
    else:
        _print(out, found, opened, against_backlog=against_backlog)
    stands = found.report.before is None or found.report.before.stands
    return SOME_FAILED if found.report.rejected_count or not stands else DONE


def _backlog_of(session: Session) -> Any:
    return lambda lane: LaneBacklog(session.redis, session.settings.key_prefix, lane)


def _read(source: Source, planner: Planner, found: FilePlan, session: Session | None, journal: Journal) -> None:
    """The way of an import, with the planner in place of the inbox."""
    report = found.report

    def digests(ids: Sequence[str]) -> list[str | None]:
        if session is None:
            return [None] * len(ids)
        return [entry.digest if entry else None for entry in session.reading.entries(ids)]

    with looking_back(session) if session else nullcontext() as back:
        for put in sorted_out(source.rows(), digests, journal):
            if back:
                back.add(known_rows(put))
            _take(put, planner, found, source)
        if back and report.known:
            report.before = back.since_then()


def _take(put: Put, planner: Planner, found: FilePlan, source: Source) -> None:
    report = found.report
    report.count(put)
    refused = _plan_rows(planner, put.enqueued, found.names)
    wrong = {row.line for row in refused}
    report.clears.add(row for row in put.enqueued if row.line not in wrong)
    report.enqueued -= len(refused)
    report.reject(refused)
    report.rejected.sort(key=lambda row: row.line)
    found.count_ranges(put.enqueued)
    if source.format is not Format.JSONL:  # there, what is a text says so
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
    """As it would be sent if nobody could look anything up, so that it agrees with what waits of it."""
    try:
        return replace(row, intent=intent_read_alone(row.intent))
    except UnclearError:
        return row


def _look_at_backlog(session: Session, found: FilePlan) -> None:
    found.inbox = inbox_view(session.reading).intents
    for lane in session.lanes.values():
        found.waiting[lane.name] = lane_view(session.reading, lane).requests_left


def _print(out: Console, found: FilePlan, session: Session | None, *, against_backlog: bool) -> None:
    report = found.report
    if session:
        print_known(out, session, report, is_plan=True)
    out.print(
        f"rows       {report.rows} of {report.name}: {report.enqueued} to be enqueued{others(report)}", soft_wrap=True
    )
    if session is None:
        out.print("known      not asked for; --against-backlog tells which rows were imported before")
    file_notes.print_sheet(out, report.noticed)
    file_notes.print_rows(out, report.noticed, report.clears, will=True)
    for plan_ in found.lanes:
        if len(found.lanes) > 1:
            out.print(f"\nlane {plan_.lane}", style="bold")
        _print_lane(out, found, plan_)
    if against_backlog and found.inbox:
        out.print(f"inbox      {some(found.inbox, 'intent')} not taken in yet; what that costs is not in the figures")
    if found.ranged_rows:
        out.print(f"ranges     {some(found.ranged_rows, 'row')}, {some(found.ranged_items, 'item')}")
    _print_doubtful(out, found)
    if found.names:
        found.names.print_to(out)
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _print_doubtful(out: Console, found: FilePlan) -> None:
    for row in found.doubtful:
        value = json_text(row.intent.after_field_value)
        out.print(
            f"warning    line {row.line}: the value looks like JSON and is none, so it is a text: {value}",
            soft_wrap=True,
        )
    if more := found.doubtful_count - len(found.doubtful):
        out.print(f"warning    … and {some(more, 'more such line', 'more such lines')}")


def _print_lane(out: Console, found: FilePlan, plan_: LanePlan) -> None:
    least, most = found.seconds(plan_)
    requests = _span(plan_.fewest, plan_.most)
    lines = [
        ("intents", str(plan_.intents)),
        ("changes", f"{plan_.wishes}: {_shares(plan_)}"),
        ("groups", f"{len(plan_.groups)}{'' if found.names else _perhaps_fewer(plan_)}"),
        (
            "requests",
            f"{requests}; {plan_.full} can be full; {plan_.fill:.0%} of the places taken" if plan_.sent else "0",
        ),
        ("time", f"at least {duration(least)}" + (f", at most {duration(most)}" if most > least else "")),
    ]
    if before := found.waiting.get(plan_.lane):
        lines[4] = ("time", f"{lines[4][1]}, of which {duration(before * found.slot_seconds)} for what waits already")
    if plan_.longest_line > 1:
        lines.append(
            ("in turn", f"up to {plan_.longest_line} changes of one cell; each waits for the job of the one before")
        )
    for name, value in lines:
        out.print(f"{name:<10} {value}", soft_wrap=True)
    largest = sorted(plan_.groups, key=lambda group: -group.changes)[:SHOWN]
    if len(plan_.groups) > 1:
        out.print()
        out.print(table(("changes", "requests", "of the largest groups: field, mode, value"), map(_row, largest)))


def _perhaps_fewer(plan_: LanePlan) -> str:
    """A field or a space may be called by its key here and by its name there."""
    specs = [GroupSpec.from_json(group.spec) for group in plan_.groups]
    if len(specs) < 2 or all(is_real_project_key(one.project_key) and _KEY.fullmatch(one.field_key) for one in specs):  # noqa: PLR2004
        return ""
    return ", counting names and keys of the same thing apart; --check tells the exact number"


def _shares(plan_: LanePlan) -> str:
    ended = (
        (plan_.superseded, "superseded by later rows"),
        (plan_.shared, "shared with the same wish"),
        (plan_.expired, "expired already"),
    )
    told = [f"{plan_.sent} to be sent", *(f"{count} {what}" for count, what in ended if count)]
    if plan_.superseded_before:
        told.append(f"and {plan_.superseded_before} that wait already are superseded by them")
    return ", ".join(told)


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
        "before": since_then_json(report.before) if report.before else None,
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
