"""What `feishu-batch plan` found, for people and for programs."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from feishu_batch.intents import is_real_project_key
from feishu_batch.written import untagged
from worker.cli import file_notes
from worker.cli.import_report import ImportReport, file_json, others, print_known, print_rejected, what_it_is
from worker.cli.output import table
from worker.cli.plan_diff import PlanDiff
from worker.cli.plan_names import NameCheck
from worker.cli.route_words import with_singles
from worker.importing.row import Row
from worker.ledger.records import GroupSpec
from worker.operating.change_words import ChangeWords
from worker.operating.planning import LanePlan
from worker.operating.route_gain import MOST_RATE, is_worth_it
from worker.operating.session import Session
from worker.wording import as_json as json_text
from worker.wording import duration, some

SHOWN = 5  # groups
_KEY = re.compile(r"[a-z0-9_]+")  # as keys and aliases look; names mostly do not


@dataclass(slots=True)
class FilePlan:
    slot_seconds: float
    singles: int  # requests a second of the single route; 0: it is off
    report: ImportReport
    lanes: list[LanePlan] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)  # lane → requests that its backlog still needs
    inbox: int = 0  # intents not yet recorded in a lane, whose cost is unknown
    names: NameCheck | None = None  # with --check
    diff: PlanDiff | None = None  # with --diff
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


def print_plan(out: Console, found: FilePlan, session: Session | None, *, against_backlog: bool) -> None:
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
    words = ChangeWords(session).change if session else _as_sent
    for plan_ in found.lanes:
        if len(found.lanes) > 1:
            out.print(f"\nlane {plan_.lane}", style="bold")
        _print_lane(out, found, plan_, words)
    if against_backlog and found.inbox:
        out.print(f"inbox      {some(found.inbox, 'intent')} not recorded yet; their requests are not in the figures")
    if found.ranged_rows:
        out.print(f"ranges     {some(found.ranged_rows, 'row')}, {some(found.ranged_items, 'item')}")
    _print_doubtful(out, found)
    _print_looked_up(out, found)
    if report.rejected_count:
        out.print()
    print_rejected(out, report)


def _print_looked_up(out: Console, found: FilePlan) -> None:
    if found.names:
        found.names.print_to(out)
    if found.diff:
        found.diff.print_to(out)


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


def _print_lane(out: Console, found: FilePlan, plan_: LanePlan, words: Callable[[GroupSpec], str]) -> None:
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
    lines += _of_singles(found, plan_)
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
        rows = [
            (group.changes, _span(group.fewest, group.most), words(GroupSpec.from_json(group.spec)))
            for group in largest
        ]
        out.print(table(("changes", "requests", "the largest groups"), rows))


def _of_singles(found: FilePlan, plan_: LanePlan) -> list[tuple[str, str]]:
    """What single updates do for the time, or would do."""
    both = plan_.with_singles
    if both is None or not both.singles:
        return []
    types = "" if found.names else "; if the types of the fields allow it, which --check tells"
    if found.singles:
        took = duration(both.seconds(found.slot_seconds, found.singles))
        parts = f"{some(both.batches, 'batch', 'batches')} and {some(both.singles, 'single update')}"
        return [("singles", f"with the single updates that the settings switch on, about {took}: {parts}{types}")]
    if not is_worth_it(plan_.fewest, both, found.slot_seconds, MOST_RATE):
        return []
    return [("faster", f"{with_singles(both, plan_.fewest, found.slot_seconds)}{types}")]


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


def _as_sent(spec: GroupSpec) -> str:
    return f"{spec.field_key} {spec.update_mode} {json_text(spec.after_field_value)}"


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def document(found: FilePlan) -> dict[str, Any]:
    """The documented shape of `feishu-batch plan --json`."""
    report = found.report
    return {
        **file_json(report),
        "forgotten": found.forgotten,
        "ranges": {"rows": found.ranged_rows, "items": found.ranged_items},
        "doubtful_count": found.doubtful_count,
        "doubtful": [{"line": row.line, "value": untagged(row.intent.after_field_value)} for row in found.doubtful],
        **(found.names.document() if found.names else {}),
        **({"diff": found.diff.document()} if found.diff else {}),
        "inbox": found.inbox,
        "lanes": [_lane_json(found, plan_) for plan_ in found.lanes],
    }


def _lane_json(found: FilePlan, plan_: LanePlan) -> dict[str, Any]:
    least, most = found.seconds(plan_)
    counts = asdict(plan_)
    groups, both = counts.pop("groups"), plan_.with_singles
    rate = found.singles or MOST_RATE
    counts["with_singles"] = (
        {**asdict(both), "seconds": round(both.seconds(found.slot_seconds, rate), 1)} if both else None
    )
    return {
        **counts,
        "sent": plan_.sent,
        "groups": len(groups),
        "requests": {"at_least": plan_.fewest, "at_most": plan_.most, "full": plan_.full, "fill": round(plan_.fill, 3)},
        "requests_before": found.waiting.get(plan_.lane, 0),
        "seconds": {"at_least": round(least, 1), "at_most": round(most, 1)},
    }


def _looks_like_json(value: object) -> bool:
    text = untagged(value)
    return isinstance(text, str) and text.lstrip()[:1] in ("{", "[") and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
