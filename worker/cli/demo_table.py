"""The end of the demo: a small table, what it would change, its import, an edit by a person, and the way back."""

from pathlib import Path
from threading import Event
from typing import Final

from rich.console import Console

from sandbox.process import SandboxProcess
from worker.cli.import_report import ImportReport
from worker.cli.import_run import Asked, run_import
from worker.cli.intent_follower import follow
from worker.cli.plan_diff import PlanDiff
from worker.cli.plan_names import NameCheck
from worker.cli.progress import display_for
from worker.cli.undo import print_undo_plan
from worker.importing.enqueue_rows import sort_rows
from worker.importing.journal import Journal
from worker.importing.source import Source, opened
from worker.importing.table import Table
from worker.importing.wide.lookup import fields_of_lanes
from worker.importing.wide.options import TableOptions
from worker.operating.change_words import ChangeWords
from worker.operating.session import Session
from worker.operating.undo import enqueue_undo, undo_plan
from worker.reading.field_lookup import open_field_lookup

CHANGE_SET: Final = "team-table"
ROWS: Final = "ID,Priority,Story points\n1801,P0,5\n1802,P0,5\n1803,P2,5\n"  # 1803 has P2 already
EDITED: Final = 1802
SECONDS: Final = 60.0  # at most, for each of the two


def show_table(session: Session, sandbox: SandboxProcess, directory: Path, out: Console, stop: Event) -> list[str]:
    """Returns each deviation from what is expected, as a sentence."""
    path = directory / "team.csv"
    path.write_text(ROWS)
    lookup = open_field_lookup(session)
    options = TableOptions(space="demo", type_key="story", keep_before=True)
    table = Table(as_table=options, fields=lambda: fields_of_lanes(lookup.lanes, lookup.configured.route))
    out.print("\nNow a table, with one row per item and one column per field. What it would change:")
    with opened(str(path), None, CHANGE_SET, table) as source:
        diff = PlanDiff(session, lookup, None)
        _read(source, diff, NameCheck(lookup))
        diff.run(out)
        diff.print_to(out)
        out.print("\nIts import keeps the values from before:")
        asked = Asked(wait=True, timeout=SECONDS, report=None, display=lambda total: display_for(out, total), aside=out)
        report = run_import(session, source, None, asked, stop)
    if stop.is_set():
        return []
    if report.totals is None or not report.is_over:
        return ["the table was not imported in time"]
    out.print(f"{report.totals.succeeded} cells written, {report.totals.unchanged} unchanged.")
    return _imported_wrongly(report) or _take_back(session, sandbox, out)


def _read(source: Source, diff: PlanDiff, names: NameCheck) -> None:
    with Journal() as journal:
        for put in sort_rows(source.rows(), lambda ids: [None] * len(ids), journal):
            rows, refused = names.sorted_out(list(put.enqueued))
            diff.add(rows)
            diff.refuse([*put.rejected, *refused])


def _imported_wrongly(report: ImportReport) -> list[str]:
    totals = report.totals
    if totals and (totals.succeeded, totals.unchanged, totals.total) == (5, 1, 6):
        return []
    return [f"of the table's cells 5 should have been written and 1 be unchanged, not {totals}"]


def _take_back(session: Session, sandbox: SandboxProcess, out: Console) -> list[str]:
    sandbox.edit(EDITED, "priority", {"value": "option_1"})
    out.print(f"\nA person sets the priority of {EDITED} to P1. Then the import is taken back:")
    plan = undo_plan(session, CHANGE_SET)
    print_undo_plan(out, plan, ChangeWords(session))
    intents, _ = enqueue_undo(session, plan)
    sizes = [(intent.intent_id, len(intent.work_item_ids)) for intent in intents]
    totals = follow(session, sizes, lambda total: display_for(out, total), SECONDS).totals
    out.print(f"{totals.succeeded} values put back; {totals.failed} skipped, because a person changed it since.\n")
    held = {item: sandbox.values().get(item, {}) for item in (1801, EDITED, 1803)}
    right = {"option_2", "option_1", None}
    priorities = {(fields.get("priority") or {}).get("value") for fields in held.values()}
    points = {fields.get("field_3f6a90") for fields in held.values()}
    if (totals.succeeded, totals.failed, priorities, points) == (4, 1, right, {None}):
        return []
    return [f"the table was not taken back: {held}"]
