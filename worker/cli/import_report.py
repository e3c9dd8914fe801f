"""The closing report of an import, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console

from worker.cli import file_notes
from worker.cli.duplicates import document as duplicates_json
from worker.cli.duplicates import print_duplicates, when
from worker.cli.output import table
from worker.importing.clears import Clears
from worker.importing.enqueue_rows import SortedRows
from worker.importing.row import Rejected, change_set_of
from worker.importing.table import Noticed
from worker.operating.duplicates import DuplicateReport
from worker.operating.failures import FailureGroup
from worker.operating.reasons import ReasonGroup, ReasonGroups
from worker.operating.session import Session
from worker.operating.tracking import Totals, counts_of
from worker.wording import first_few, some

LISTED = 1000  # rejected rows that are kept one by one; the others are only counted
SHOWN = 50  # reasons
VARIANTS = 3  # of a reason, which differ in the values only
LINES = 5  # of a reason


@dataclass(slots=True)
class ImportReport:
    """`totals` and what follows stay empty unless the import was followed to its end."""

    name: str
    import_id: str
    rows: int = 0
    enqueued: int = 0
    known: int = 0  # rows that an earlier run had enqueued
    before: DuplicateReport | None = None  # about the known rows
    give_their_ids: bool = False  # known rows have their ids from the file
    repeated: int = 0  # rows with the id and the content of an earlier row of the file
    left_out: int = 0  # rows of an earlier report that need not be imported
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    why_rejected: ReasonGroups[int] = field(default_factory=lambda: ReasonGroups(VARIANTS))  # with their lines
    clears: Clears = field(default_factory=Clears)
    noticed: Noticed = field(default_factory=Noticed)  # about the file
    totals: Totals | None = None
    failed: list[FailureGroup] = field(default_factory=list)
    failed_before: list[FailureGroup] = field(default_factory=list)  # of intents that had ended when this run began
    not_sent: list[FailureGroup] = field(default_factory=list)  # canceled and expired
    succeeded_on_retry: int = 0  # changes that failed before, and succeeded on a retry since
    requests: int = 0  # with changes of this import
    slot_use: float = 0.0  # of the lane, for any intent
    seconds: float = 0.0
    is_over: bool = True  # False: following was given up before its end
    remark: str = ""  # what seemed to block the work then

    def count(self, put: SortedRows) -> None:
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
    def noun(self) -> str:
        """What was enqueued, or was not: a table's cells are gathered first."""
        return "intent" if self.noticed.table else "row"

    @property
    def noun_of_rejected(self) -> str:
        return "cell" if self.noticed.table else "row"

    @property
    def size(self) -> int:
        """How many of `noun` there are. Of a table, rejected cells are no intents."""
        return self.rows - self.rejected_count if self.noticed.table else self.rows

    @property
    def is_successful(self) -> bool:
        bad = (
            self.totals.failed - self.succeeded_on_retry + self.totals.canceled + self.totals.expired
            if self.totals
            else 0
        )
        return not (bad or self.rejected_count) and self.is_over and (self.before is None or self.before.in_effect)


def document(report: ImportReport) -> dict[str, Any]:
    """The documented shape of `feishu-batch import --json`."""
    return {
        **file_json(report),
        "counts": counts_of(report.totals) if report.totals else None,
        "open": report.totals.total - report.totals.settled if report.totals else None,
        "remark": report.remark or None,
        "failed": [_group(group) for group in report.failed],
        "failed_before": [_group(group) for group in report.failed_before],
        "succeeded_on_retry": report.succeeded_on_retry,
        "requests": report.requests,
        "slot_use": round(report.slot_use, 3),
        "seconds": round(report.seconds, 1),
    }


def file_json(report: ImportReport) -> dict[str, Any]:
    """What `import` and `plan` both say of a file."""
    return {
        "file": report.name,
        "import_id": report.import_id,
        "rows": report.rows,
        "enqueued": report.enqueued,
        "known": report.known,
        "before": duplicates_json(report.before) if report.before else None,
        "repeated": report.repeated,
        "left_out": report.left_out,
        **rejected_json(report),
        **file_notes.document(report.noticed, report.clears),
    }


def rejected_json(report: ImportReport) -> dict[str, Any]:
    return {
        "rejected_count": report.rejected_count,
        "rejected_groups": [
            {"reason": group.reason, "count": group.count, "lines": sorted(group.items)}
            for group in report.why_rejected.groups()
        ],
        "rejected": [_rejected(row) for row in report.rejected],
    }


def _rejected(row: Rejected) -> dict[str, Any]:
    cell = {"column": row.column, "field": row.field, "value": row.value} if row.column else {}
    return {"line": row.line, **cell, "reason": row.reason}


def _group(group: FailureGroup) -> dict[str, Any]:
    items = [{"item": int(item), "intent_id": intent_id} for item, intent_id in group.items]
    return {"code": group.code, "reason": group.reason, "count": group.count, "items": items}


def print_known(out: Console, session: Session, report: ImportReport, *, is_plan: bool = False) -> None:
    """Printed first: which rows are not sent, why, what changed since, and how to send them again."""
    found = report.before
    if found is None:
        return
    whole = "Nothing would be sent" if is_plan else "Nothing was sent"
    at = when(session, found)
    if report.known == report.size:
        rows = f"its only {report.noun} was" if report.size == 1 else f"all {report.size} {report.noun}s were"
        out.print(f"{whole}: {rows} imported before{at}.", style="bold", soft_wrap=True)
    else:
        verb = "was" if report.known == 1 else "were"
        head = "" if report.enqueued else f"{whole}: "
        rows = f"{report.known} of {some(report.size, report.noun)} {verb} imported before{at}"
        again = "is" if report.known == 1 else "are"
        out.print(f"{head}{rows}, and {again} not sent again.", style="bold", soft_wrap=True)
    print_duplicates(out, session, found, "line")
    out.print(_how_to_send(report, found), soft_wrap=True)
    out.print()


def _how_to_send(report: ImportReport, found: DuplicateReport) -> str:
    change_set = change_set_of(report.import_id)
    if not found.failed:
        what = "it" if report.known == 1 else "all of them"
        head = ""
    else:
        named = f" --set {change_set}" if change_set else ""
        what = "everything"
        head = f"To send again what failed: correct the rows, or feishu-batch retry{named}. "
    again = "give them other ids in the column intent_id" if report.give_their_ids else "use a new --import-id"
    return f"{head}To send {what} again, {again}."


def print_enqueued(out: Console, report: ImportReport) -> None:
    out.print(f"{what_it_is(report)}: {report.enqueued} enqueued{others(report)}", soft_wrap=True)
    file_notes.print_rows(out, report.noticed, report.clears, will=False)
    if report.enqueued and (change_set := change_set_of(report.import_id)):
        out.print(f"As one change set: feishu-batch show --set {change_set}", soft_wrap=True)


def what_it_is(report: ImportReport) -> str:
    """``5 rows of plan.csv``; of a table also its cells and the intents that were made of them."""
    table = report.noticed.table
    if table is None:
        return f"{some(report.rows, 'row')} of {report.name}"
    intents = some(report.size, report.noun)
    return f"{some(table.rows, 'row')} of {report.name}: {file_notes.in_short(table)}; {intents}"


def others(report: ImportReport) -> str:
    """Why the other rows are not enqueued now."""
    reasons = (
        (report.known, "enqueued by an earlier run and not again"),
        (report.repeated, "the same as an earlier row"),
        (report.left_out, "left out, because the report says that they succeeded, are in progress or were superseded"),
        (0 if report.noticed.table else report.rejected_count, "rejected"),
    )
    cells = (
        f"; {some(report.rejected_count, 'cell')} rejected" if report.noticed.table and report.rejected_count else ""
    )
    return "".join(f", {count} {what}" for count, what in reasons if count) + cells


def print_rejected(out: Console, report: ImportReport) -> None:
    if not report.rejected_count:
        return
    groups = report.why_rejected.groups()
    rows = [(group.count, lines_of(group), group.reason) for group in groups[:SHOWN]]
    noun = report.noun_of_rejected
    out.print(table((f"{noun}s", "lines", "why they were rejected"), rows))
    if len(groups) > SHOWN:
        left = groups[SHOWN:]
        rest = some(sum(group.count for group in left), noun)
        out.print(f"… and {rest} for {some(len(left), 'more reason')} (--json lists them)")


def lines_of(group: ReasonGroup[int]) -> str:
    """The first few, and how many more."""
    listed = sorted(group.items)[:LINES]
    more = f" … and {group.count - len(listed)} more" if group.count > len(listed) else ""
    return ", ".join(map(str, listed)) + more


_NOT_SENT: Final = {
    "unchanged": "not sent: the cell holds the value already",
    "superseded": "a later change of the same field overwrites it",
}


def print_closing(out: Console, report: ImportReport) -> None:
    """The closing table of a followed import."""
    totals = report.totals
    if totals is None:
        return
    rows: list[tuple[object, ...]] = [("succeeded", totals.succeeded, "")]
    rows += [(name, count, what) for name, what in _NOT_SENT.items() if (count := getattr(totals, name))]
    rows += [("failed", group.count, _why(group)) for group in report.failed]
    rows += [("failed before", group.count, _why(group)) for group in report.failed_before]
    if report.succeeded_on_retry:
        rows.append(("retried", report.succeeded_on_retry, "failed before, and succeeded on a retry since"))
    why = {group.code: _why(group) for group in report.not_sent}  # of intents that have ended
    counts = (("canceled", totals.canceled), ("expired", totals.expired))
    rows += [(name, count, why.get(name, "")) for name, count in counts if count]
    if report.rejected_count:
        rows.append(("rejected", report.rejected_count, f"{report.noun_of_rejected}s that are not valid; see below"))
    if open_ := totals.total - totals.settled:
        rows.append(("open", open_, "not ended in time; the work continues: feishu-batch status"))
    out.print()
    if report.known:
        out.print(_whose(report), soft_wrap=True)
    out.print(table(("outcome", "changes", ""), rows))
    out.print(_requests(report), soft_wrap=True)
    if report.remark:
        out.print(report.remark, soft_wrap=True)
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _whose(report: ImportReport) -> str:
    """The table counts the changes of known rows too, which this run did not send."""
    if report.enqueued:
        return f"Results, including those of {some(report.known, 'row')} from an earlier import:"
    return "Results of the earlier import; this one sent nothing:"


def _requests(report: ImportReport) -> str:
    if report.requests:
        sent, seconds = some(report.requests, "request"), f"{report.seconds:.0f} s"
        return f"{sent} in {seconds}, {report.slot_use:.0%} of the lane's slots used"
    return "no request was sent" + ("" if report.enqueued or not report.is_over else ": all had ended before")


def _why(group: FailureGroup) -> str:
    return f"{(group.reason or group.code or '').rstrip('.')}: {items_of(group)}"


def items_of(group: FailureGroup) -> str:
    """Each of the first items once, whatever number of changes of it failed."""
    items = [item for item, _ in group.items]
    unnamed = group.count - len(items)
    more = f" and {unnamed} more" if unnamed > 0 else ""
    return f"{'item' if len(set(items)) == 1 else 'items'} {first_few(items, 5 if not more else len(items))}{more}"
