"""What an import says at its end, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from worker.cli.output import first_few, table
from worker.importing.rows import Rejected
from worker.views import FailureGroup
from worker.watching import Totals

LISTED = 1000  # rejected rows that are kept; the rest is only counted
SHOWN = 20


@dataclass(slots=True)
class ImportReport:
    """`totals` and what follows stay empty unless the import was followed to its end."""

    name: str
    import_id: str
    rows: int = 0
    enqueued: int = 0
    known: int = 0  # rows that an earlier run had enqueued
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    totals: Totals | None = None
    failed: list[FailureGroup] = field(default_factory=list)
    requests: int = 0
    slot_use: float = 0.0
    seconds: float = 0.0

    def reject(self, rows: list[Rejected]) -> None:
        self.rejected_count += len(rows)
        self.rejected += rows[: LISTED - len(self.rejected)]

    @property
    def all_is_well(self) -> bool:
        bad = self.totals.failed + self.totals.canceled + self.totals.expired if self.totals else 0
        return not (bad or self.rejected_count)


def document(report: ImportReport) -> dict[str, Any]:
    """The documented shape of `feishu-batch import --json`."""
    return {
        "file": report.name,
        "import_id": report.import_id,
        "rows": report.rows,
        "enqueued": report.enqueued,
        "known": report.known,
        "rejected_count": report.rejected_count,
        "rejected": [{"line": row.line, "reason": row.reason} for row in report.rejected],
        "counts": _counts(report.totals) if report.totals else None,
        "failed": [
            {
                "code": group.code,
                "reason": group.reason,
                "count": group.count,
                "items": [{"item": int(item), "intent_id": intent_id} for item, intent_id in group.items],
            }
            for group in report.failed
        ],
        "requests": report.requests,
        "slot_use": round(report.slot_use, 3),
        "seconds": round(report.seconds, 1),
    }


def _counts(totals: Totals) -> dict[str, int]:
    names = ("total", "succeeded", "failed", "superseded", "canceled", "expired")
    return {name: getattr(totals, name) for name in names}


def print_enqueued(out: Console, report: ImportReport) -> None:
    known = f", {report.known} were known from an earlier run and are not doubled" if report.known else ""
    rejected = f", {report.rejected_count} rejected" if report.rejected_count else ""
    out.print(f"{report.rows} rows of {report.name}: {report.enqueued} enqueued{known}{rejected}", soft_wrap=True)


def print_rejected(out: Console, report: ImportReport) -> None:
    if not report.rejected_count:
        return
    rows = [(row.line, row.reason) for row in report.rejected[:SHOWN]]
    out.print(table(("line", "why the row was rejected"), rows))
    if report.rejected_count > SHOWN:
        out.print(f"… and {report.rejected_count - SHOWN} more (--json lists {LISTED})")


def print_closing(out: Console, report: ImportReport) -> None:
    """The closing table of a followed import."""
    totals = report.totals
    if totals is None:
        return
    rows: list[tuple[object, ...]] = [("succeeded", totals.succeeded, "")]
    if totals.superseded:
        rows.append(("superseded", totals.superseded, "a later change of the same field overwrites it"))
    rows += [("failed", group.count, _why(group)) for group in report.failed]
    rows += [(name, count, "") for name, count in (("canceled", totals.canceled), ("expired", totals.expired)) if count]
    if report.rejected_count:
        rows.append(("rejected", report.rejected_count, "rows that are no intent; see below"))
    out.print()
    out.print(table(("outcome", "changes", ""), rows))
    out.print(
        f"{report.requests} requests in {report.seconds:.0f} s, {report.slot_use:.0%} of the slots used", soft_wrap=True
    )
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _why(group: FailureGroup) -> str:
    items = first_few((item for item, _ in group.items), 5)
    more = group.count - len(group.items)
    return f"{group.reason or group.code}: item {items}" + (f" and {more} more" if more > 0 else "")
