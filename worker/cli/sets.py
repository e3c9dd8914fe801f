"""`feishu-batch sets`: change sets, newest first; and one of them, for `show --set` and `failures --set`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from feishu_batch.change_set import FailedChange, SetCounts
from feishu_batch.explained import FailureCode
from worker.cli.local_times import moment
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.importing.report_file import write_report
from worker.importing.set_report import failure_rows
from worker.operating.change_sets import Skipped, failures_of, kept_values, newest_sets, set_counts, skipped_in
from worker.operating.errors import WrongUseError
from worker.operating.meanings import Meanings
from worker.operating.session import Session, open_session
from worker.wording import iso, some

ALL_LOOKED_AT = Skipped()
LISTED = 200  # failed changes, for people
NONE_YET = (
    "No change sets. Import a file, or name a change_set when you enqueue: feishu-batch enqueue --change-set ID …\n"
    "Sets are forgotten with the results of their intents."
)
_COUNTS = ("pending", "in_flight", "succeeded", "unchanged", "failed", "superseded", "canceled", "expired")


@click.command("sets", short_help="Show change sets, newest first.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many of them.")
@json_option
def sets(limit: int, as_json: bool) -> int:
    """Show change sets, newest first: intents that belong together, such as those of one import or one table.

    Example:
      feishu-batch sets --limit 5

    Prints the state of each, the results of its changes and its note. An import is called by its --import-id, a run of a schedule
    schedule:NAME:TIME. `show`, `failures`, `retry` and `cancel` take --set. The command reads Redis only, and needs no credentials.

    Exit codes: 0 shown; 2 wrong use; 3 Redis cannot be reached.
    """
    session = open_session()
    found = newest_sets(session, limit)
    skipped = skipped_in(session, found)
    out = console()
    if as_json:
        print_json(out, {"sets": [set_json(one, skipped[one.change_set]) for one in found]})
    elif found:
        columns = ("change set", "last enqueued", "state", "done", "changes", "note", "producer")
        out.print(table(columns, [_row(session, one, skipped[one.change_set]) for one in found]))
    else:
        out.print(NONE_YET, soft_wrap=True)
    return 0


def show_set(session: Session, change_set: str, *, as_json: bool) -> int:
    found = set_counts(session, change_set)
    kept, is_all = kept_values(session, change_set)
    skipped = skipped_in(session, [found])[change_set]
    out = console()
    if as_json:
        print_json(out, set_json(found, skipped) | {"kept_values": kept})
        return 0
    lines = (
        ("change set", found.change_set),
        ("state", found.state),
        ("changes", in_words(found, skipped)),
        ("intents", f"{found.intents}, {found.ended} ended"),
        ("requests", found.requests or ""),
        ("enqueued", _period(session, found)),
        ("note", found.note or ""),
        ("producer", found.producer or ""),
        ("forgotten", f"{some(found.forgotten, 'intent')}, which still count" if found.forgotten else ""),
        ("kept", _undo(found, kept, is_all=is_all)),
        ("next", _advice(found)),
    )
    for name, value in lines:
        if value:
            out.print(f"{name:<10} {value}", soft_wrap=True)
    return 0


def show_failures(session: Session, change_set: str, *, as_json: bool) -> int:
    out, found = console(), failures_of(session, change_set)
    if as_json:
        print_json(out, {"change_set": change_set, "failures": [_failed_json(one) for one in found]})
        return 0
    failed, skipped = _Listed(), _Listed()
    for one in found:
        (skipped if one.code == FailureCode.CHANGED_MEANWHILE else failed).add(one)
    if not failed.count:
        out.print("No failed changes.")
    else:
        failed.print_to(out)
        out.print(f"To enqueue them again: feishu-batch retry --set {change_set}", soft_wrap=True)
    if skipped.count:
        out.print(
            f"{some(skipped.count, 'change')} skipped: changed since, so that the cell does not hold the expected value."
        )
        skipped.print_to(out)
        out.print(f"What they hold now: feishu-batch export --change-set {change_set} …", soft_wrap=True)
    return 0


@dataclass(slots=True)
class _Listed:
    """The first `LISTED` of so many."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    count: int = 0

    def add(self, one: FailedChange) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.rows.append((one.item, one.field, one.code or "", one.reason or "", one.intent_id))

    def print_to(self, out: Console) -> None:
        out.print(table(("item", "field", "code", "reason", "intent"), self.rows))
        if self.count > LISTED:
            out.print(f"… and {some(self.count - LISTED, 'more change')} (--json lists all)")


def write_failures(session: Session, change_set: str, path: Path) -> None:
    names = Meanings(session.redis, session.lane_keys())
    try:
        write_report(path, failure_rows(session, change_set, names.field_name))
    except OSError as error:
        raise WrongUseError(f"--report {path} cannot be written: {error.strerror or error}") from None


def in_words(found: SetCounts, skipped: Skipped = ALL_LOOKED_AT) -> str:
    """The ledger counts what was skipped among what failed."""
    shown = {name: getattr(found.progress, name) for name in _COUNTS}
    words = {"failed": "failed" if skipped.is_all else "failed or skipped", "skipped": "skipped: changed since"}
    shown |= {"failed": max(0, shown["failed"] - skipped.count), "skipped": skipped.count}
    parts = ", ".join(f"{count} {words.get(name, name.replace('_', ' '))}" for name, count in shown.items() if count)
    return f"{found.progress.total}" + (f": {parts}" if parts else "")


def set_json(found: SetCounts, skipped: Skipped) -> dict[str, Any]:
    """The documented shape of a change set."""
    progress = found.progress
    return {
        "change_set": found.change_set,
        "state": found.state.value,
        "note": found.note,
        "producer": found.producer,
        "enqueued_at": iso(found.since),
        "last_enqueued_at": iso(found.grew_at),
        "intents": found.intents,
        "ended": found.ended,
        "forgotten": found.forgotten,
        "total": progress.total,
        "pending": progress.pending,
        "in_flight": progress.in_flight,
        "counts": progress.counts(),
        "changed_since": skipped.count,
        "requests": found.requests,
    }


def _row(session: Session, one: SetCounts, skipped: Skipped) -> tuple[object, ...]:
    at = moment(session.settings, one.grew_at)
    return one.change_set, at, one.state, _share_done(one), in_words(one, skipped), one.note or "", one.producer or ""


def _share_done(one: SetCounts) -> str:
    """In whole percent; 100 only when nothing is left."""
    progress = one.progress
    return f"{progress.settled * 100 // progress.total} %" if progress.total else ""


def _period(session: Session, found: SetCounts) -> str:
    first, last = (moment(session.settings, at) for at in (found.since, found.grew_at))
    return first if first == last else f"{first} to {last}"


def _advice(found: SetCounts) -> str:
    if found.progress.failed:
        return f"feishu-batch failures --set {found.change_set}"
    return "" if found.is_over else f"to end it early: feishu-batch cancel --set {found.change_set}"


def _undo(found: SetCounts, kept: int, *, is_all: bool) -> str:
    if not kept:
        return ""
    when = "" if found.is_over else ", once it has ended"
    least = "" if is_all else "at least "
    return f"{least}{some(kept, 'value')} from before; to put them back{when}: feishu-batch undo {found.change_set}"


def _failed_json(one: FailedChange) -> dict[str, Any]:
    return {"item": one.item, "field": one.field, "code": one.code, "reason": one.reason, "intent_id": one.intent_id}
