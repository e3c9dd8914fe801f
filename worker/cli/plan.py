"""`feishu-batch plan`: how many requests a file needs, before anything is enqueued."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from config.lanes import routing
from config.settings import load_settings
from feishu_batch import UpdateIntent
from feishu_batch.intents import UpdateMode
from worker.catalogue.single_types import single_kind
from worker.catalogue.untyped import UnclearError, intent_read_alone
from worker.cli.duplicates import duplicate_check, known_rows
from worker.cli.errors import DONE, SOME_FAILED, UNREACHABLE
from worker.cli.file_options import file_options
from worker.cli.forgotten import forgotten
from worker.cli.import_report import ImportReport
from worker.cli.options import json_option
from worker.cli.output import console, print_json
from worker.cli.plan_diff import PlanDiff, checked_report
from worker.cli.plan_names import NameCheck
from worker.cli.plan_report import FilePlan, document, print_plan
from worker.importing.enqueue_rows import SortedRows, sort_rows
from worker.importing.journal import Journal
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format
from worker.importing.source import Source
from worker.ledger.reads.backlog import LaneBacklog
from worker.operating.errors import WrongUseError
from worker.operating.planning import Planner
from worker.operating.session import Session, open_session
from worker.operating.views import inbox_view, lane_view
from worker.reading.field_lookup import FieldLookup, open_field_lookup


@click.command("plan", short_help="Show how many requests a file needs; writes nothing.")
@file_options
@click.option(
    "--against-backlog", is_flag=True, help="Include the work that is already waiting; reads Redis, and writes nothing."
)
@click.option(
    "--check", is_flag=True, help="Look up names and check values, as intake will; needs Redis and credentials."
)
@click.option(
    "--diff",
    is_flag=True,
    help="Read the cells that the file would change, and show old → new; needs Redis and credentials.",
)
@click.option(
    "--report",
    "diff_report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --diff: write every cell with its old and new value to this .csv, .jsonl or .xlsx file.",
)
@json_option
def plan(
    file: Callable[[], AbstractContextManager[Source]],
    against_backlog: bool,
    check: bool,
    diff: bool,
    diff_report: Path | None,
    as_json: bool,
) -> int:
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

    With --diff, the cells are read from Feishu Project, 50 items in a request:
      feishu-batch plan sprint.xlsx --space demo --type story --diff --report diff.xlsx
    It shows old → new for the first cells that would change or be cleared, how many cells are unchanged, and how many requests the
    others need. A cell counts as unchanged only if that is proven; "not known" means that it could not be read or compared. Rows that
    an earlier import enqueued are not read.

    Exit codes: 0 every row is valid; 1 rows are wrong, would be refused, or were imported before and are no longer in effect, or with
    --diff items do not exist or could not be read; 2 the file cannot be used; 3 Redis cannot be reached, or Feishu
    Project, where it has to say what a table's columns are, or with --diff nothing could be read.
    """
    if diff_report and not diff:
        raise WrongUseError("--report belongs to --diff: it lists the old and the new value of each cell")
    opened = open_session() if against_backlog or check or diff else None
    session = opened if against_backlog else None
    settings = opened.settings if opened else load_settings()
    with file() as source, Journal() as journal:
        found = FilePlan(
            settings.slot_seconds,
            settings.single_updates_per_second,
            ImportReport(source.name, source.import_id, noticed=source.noticed),
        )
        if opened and (check or diff):
            lookup = open_field_lookup(opened)
            found.names = NameCheck(lookup, shows_meanings=check)
            found.diff = _begun_diff(opened, lookup, diff_report, source) if diff else None
        planner = Planner(
            routing(settings).route,
            time.time(),
            _backlog_of(session) if session else None,
            _single_writable(found.names),
        )
        found.forgotten = forgotten(opened, source) if opened else None
        _read(source, planner, found, opened, journal)
    found.lanes = planner.plans()
    if session:
        _look_at_backlog(session, found)
    out = console()
    if found.diff:
        found.diff.run(console(stderr=True) if as_json else out)
    if as_json:
        print_json(out, document(found))
    else:
        print_plan(out, found, opened, against_backlog=against_backlog)
    return _exit_code(found)


def _single_writable(names: NameCheck | None) -> Callable[[UpdateIntent], bool]:
    """Without look-ups, the type of a field is not known: then every UPDATE counts."""
    if names is None:
        return lambda intent: intent.update_mode is UpdateMode.UPDATE
    lookup = names.catalogues
    return lambda intent: bool(single_kind(intent, lookup.lane_of(intent.project_key, intent.lane).known_type(intent)))


def _begun_diff(session: Session, lookup: FieldLookup, report: Path | None, source: Source) -> PlanDiff:
    checked_report(report, source.name)
    return PlanDiff(session, lookup, report)


def _exit_code(found: FilePlan) -> int:
    of_diff = found.diff.exit_code if found.diff else DONE
    if of_diff == UNREACHABLE:
        return of_diff
    in_effect = found.report.before is None or found.report.before.in_effect
    return SOME_FAILED if found.report.rejected_count or found.forgotten or not in_effect else of_diff


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
    planned, refused = _plan_rows(planner, put.enqueued, found.names)
    if found.diff:
        found.diff.add(planned)
        found.diff.refuse([*put.rejected, *refused])
    wrong = {row.line for row in refused}
    report.clears.add(row for row in put.enqueued if row.line not in wrong)
    report.enqueued -= len(refused)
    report.reject(refused)
    report.rejected.sort(key=lambda row: row.line)
    found.count_ranges(put.enqueued)
    if source.format is not Format.JSONL:  # JSON Lines marks a text as text
        found.doubt(put.enqueued)


def _plan_rows(planner: Planner, rows: Sequence[Row], names: NameCheck | None) -> tuple[list[Row], list[Rejected]]:
    """The rows as they would be sent, and those that would be refused."""
    rows, unfit = names.sorted_out(rows) if names else (list(map(_read_alone, rows)), [])
    lines: dict[str, int] = {row.intent.intent_id: row.line for row in rows}
    refused: list[tuple[UpdateIntent, str]] = planner.add(row.intent for row in rows)
    without_lane = {intent.intent_id for intent, _ in refused}
    good = [row for row in rows if row.intent.intent_id not in without_lane]
    return good, [*unfit, *(Rejected(lines[intent.intent_id], reason) for intent, reason in refused)]


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
