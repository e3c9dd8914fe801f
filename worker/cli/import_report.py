"""What an import says at its end, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from worker.cli import file_notes
from worker.cli.known_before import document as since_then_json
from worker.cli.known_before import print_since_then, when
from worker.cli.output import first_few, some, table
from worker.cli.session import Session
from worker.importing.clears import Clears
from worker.importing.put import Put
from worker.importing.row import Rejected
from worker.importing.table import Noticed
from worker.operating.failures import FailureGroup
from worker.operating.reasons import ReasonGroup, ReasonGroups
from worker.operating.since_then import SinceThen
from worker.operating.watching import Totals, counts_of

LISTED = 1000  # rejected rows that are kept one by one; the rest is only counted
SHOWN = 50  # reasons
VARIANTS = 3  # of a reason, which differ in the values only
LINES = 5  # of a reason
_BEFORE = "What failed in an earlier run is not sent again by this one: correct the row, or use `feishu-batch retry`"


@dataclass(slots=True)
class ImportReport:
    """`totals` and what follows stay empty unless the import was followed to its end."""

    name: str
    import_id: str
    rows: int = 0
    enqueued: int = 0
    known: int = 0  # rows that an earlier run had enqueued
    before: SinceThen | None = None  # about the known rows
    give_their_ids: bool = False  # known rows have their ids from the file
    repeated: int = 0  # rows that say what an earlier row of the file says, under the same id
    left_out: int = 0  # rows of an earlier report that need no import
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    why_rejected: ReasonGroups[int] = field(default_factory=lambda: ReasonGroups(VARIANTS))  # with their lines
    clears: Clears = field(default_factory=Clears)
    noticed: Noticed = field(default_factory=Noticed)  # about the file
    totals: Totals | None = None
    failed: list[FailureGroup] = field(default_factory=list)
    failed_before: list[FailureGroup] = field(default_factory=list)  # of intents that had ended when this run began
    not_sent: list[FailureGroup] = field(default_factory=list)  # canceled and expired
    mended: int = 0  # changes that failed, and succeeded since by a retry
    requests: int = 0
    slot_use: float = 0.0
    seconds: float = 0.0
    is_over: bool = True  # False: following was given up before its end
    remark: str = ""  # what seemed to hold up the work then

    def count(self, put: Put) -> None:
        self.enqueued += len(put.enqueued)
        self.known += len(put.known)
        self.give_their_ids = self.give_their_ids or any(row.names_itself for row in put.known)
        self.repeated += len(put.repeated)
        self.left_out += len(put.left_out)
        self.reject(put.rejected)
        self.rows += len(put.enqueued) + len(put.known) + len(put.repeated) + len(put.left_out) + len(put.rejected)

    def reject(self, rows: list[Rejected]) -> None:
        self.rejected_count += len(rows)
        self.rejected += rows[: LISTED - len(self.rejected)]
        for row in rows:
            self.why_rejected.add(None, row.reason, row.line)

    @property
    def all_is_well(self) -> bool:
        bad = self.totals.failed - self.mended + self.totals.canceled + self.totals.expired if self.totals else 0
        return not (bad or self.rejected_count) and self.is_over and (self.before is None or self.before.stands)


def document(report: ImportReport) -> dict[str, Any]:
    """The documented shape of `feishu-batch import --json`."""
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
        "counts": counts_of(report.totals) if report.totals else None,
        "open": report.totals.total - report.totals.settled if report.totals else None,
        "remark": report.remark or None,
        "failed": [_group(group) for group in report.failed],
        "failed_before": [_group(group) for group in report.failed_before],
        "mended": report.mended,
        "requests": report.requests,
        "slot_use": round(report.slot_use, 3),
        "seconds": round(report.seconds, 1),
    }


def rejected_json(report: ImportReport) -> dict[str, Any]:
    return {
        "rejected_count": report.rejected_count,
        "rejected_groups": [
            {"reason": group.reason, "count": group.count, "lines": sorted(group.items)}
            for group in report.why_rejected.groups()
        ],
        "rejected": [{"line": row.line, "reason": row.reason} for row in report.rejected],
    }


def _group(group: FailureGroup) -> dict[str, Any]:
    items = [{"item": int(item), "intent_id": intent_id} for item, intent_id in group.items]
    return {"code": group.code, "reason": group.reason, "count": group.count, "items": items}


def print_known(out: Console, session: Session, report: ImportReport, *, is_plan: bool = False) -> None:
    """First of all: what is not sent, why, what came over it since, and how to send it all the same."""
    found = report.before
    if found is None:
        return
    whole = "Nothing would be sent" if is_plan else "Nothing was sent"
    at = when(session, found)
    if report.known == report.rows:
        rows = "its only row was" if report.rows == 1 else f"all {report.rows} rows were"
        out.print(f"{whole}: {rows} imported before{at}.", style="bold", soft_wrap=True)
    else:
        verb = "was" if report.known == 1 else "were"
        told = "" if report.enqueued else f"{whole}: "
        rows = f"{report.known} of {some(report.rows, 'row')} {verb} imported before{at}"
        out.print(f"{told}{rows}{', and' if told else ','} not sent again.", style="bold", soft_wrap=True)
    print_since_then(out, session, found, "line")
    again = "give them other ids in the column intent_id" if report.give_their_ids else "use a new --import-id"
    it = "it" if report.known == 1 else "them"
    out.print(f"To send {it} again all the same, {again}.", soft_wrap=True)
    out.print()


def print_enqueued(out: Console, report: ImportReport) -> None:
    rows = some(report.rows, "row")
    out.print(f"{rows} of {report.name}: {report.enqueued} enqueued{others(report)}", soft_wrap=True)
    file_notes.print_rows(out, report.noticed, report.clears, will=False)


def others(report: ImportReport) -> str:
    """What became of the rows that are not enqueued now."""
    told = (
        (report.known, "known from an earlier run and not doubled"),
        (report.repeated, "the same as an earlier row"),
        (report.left_out, "left out, since the report says that they succeeded, are under way or were superseded"),
        (report.rejected_count, "rejected"),
    )
    return "".join(f", {count} {what}" for count, what in told if count)


def print_rejected(out: Console, report: ImportReport) -> None:
    if not report.rejected_count:
        return
    groups = report.why_rejected.groups()
    rows = [(group.count, lines_of(group), group.reason) for group in groups[:SHOWN]]
    out.print(table(("rows", "lines", "why they were rejected"), rows))
    if len(groups) > SHOWN:
        left = groups[SHOWN:]
        rest = some(sum(group.count for group in left), "row")
        out.print(f"… and {rest} for {some(len(left), 'more reason')} (--json lists them)")


def lines_of(group: ReasonGroup[int]) -> str:
    """The first few, and how many more."""
    listed = sorted(group.items)[:LINES]
    more = f" … and {group.count - len(listed)} more" if group.count > len(listed) else ""
    return ", ".join(map(str, listed)) + more


def print_closing(out: Console, report: ImportReport) -> None:
    """The closing table of a followed import."""
    totals = report.totals
    if totals is None:
        return
    rows: list[tuple[object, ...]] = [("succeeded", totals.succeeded, "")]
    if totals.superseded:
        rows.append(("superseded", totals.superseded, "a later change of the same field overwrites it"))
    rows += [("failed", group.count, _why(group)) for group in report.failed]
    rows += [("failed before", group.count, _why(group)) for group in report.failed_before]
    if report.mended:
        rows.append(("mended", report.mended, "failed before, and succeeded since by a retry"))
    why = {group.code: _why(group) for group in report.not_sent}  # of intents that have ended
    counts = (("canceled", totals.canceled), ("expired", totals.expired))
    rows += [(name, count, why.get(name, "")) for name, count in counts if count]
    if report.rejected_count:
        rows.append(("rejected", report.rejected_count, "rows that are no intent; see below"))
    if open_ := totals.total - totals.settled:
        rows.append(("open", open_, "not ended in the time that was given; the work goes on: feishu-batch status"))
    out.print()
    out.print(table(("outcome", "changes", ""), rows))
    out.print(_requests(report), soft_wrap=True)
    if report.failed_before:
        out.print(_BEFORE, soft_wrap=True)
    if report.remark:
        out.print(report.remark, soft_wrap=True)
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _requests(report: ImportReport) -> str:
    if report.requests:
        sent, seconds = some(report.requests, "request"), f"{report.seconds:.0f} s"
        return f"{sent} in {seconds}, {report.slot_use:.0%} of the slots used"
    return "no request was sent meanwhile" + ("" if report.enqueued or not report.is_over else ": all had ended before")


def _why(group: FailureGroup) -> str:
    return f"{group.reason or group.code}: {items_of(group)}"


def items_of(group: FailureGroup) -> str:
    """Each of the first items once, whatever number of changes of it failed."""
    items = [item for item, _ in group.items]
    unnamed = group.count - len(items)
    more = f" and {unnamed} more" if unnamed > 0 else ""
    return f"{'item' if len(set(items)) == 1 else 'items'} {first_few(items, 5 if not more else len(items))}{more}"
