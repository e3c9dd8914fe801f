"""The steps of an import: read, enqueue, follow, report."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from rich.console import Console

from feishu_batch import EnqueueError
from worker.cli.duplicates import duplicate_check, known_rows
from worker.cli.errors import InterruptedByUserError
from worker.cli.file_notes import print_sheet
from worker.cli.forgotten import import_log
from worker.cli.import_report import SHOWN, ImportReport, lines_of, print_closing, print_enqueued, print_known
from worker.cli.intent_follower import IntentFollower, Throughput
from worker.cli.progress import Display, reading_bar
from worker.importing.enqueue_rows import Check, SortedRows, enqueue_rows, sort_rows
from worker.importing.journal import Journal
from worker.importing.report_file import shape_of_table, write_report
from worker.importing.row import change_set_of
from worker.importing.row_results import as_rows, not_enqueued, row_results
from worker.importing.source import Source
from worker.importing.wide.header import STATE
from worker.importing.wide.notes import TableNotes
from worker.importing.wide.report import columns_of_report, report_rows
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.meanings import Meanings
from worker.operating.session import Session
from worker.operating.tracking import IntentTracker
from worker.wording import some


@dataclass(frozen=True, slots=True)
class Asked:
    """`timeout`: seconds of waiting. `display` is made with the number of changes; `aside` shows how far the reading is."""

    wait: bool
    timeout: float | None
    report: Path | None
    display: Callable[[int], Display]
    aside: Console
    check: Check | None = None

    @property
    def needs_journal(self) -> bool:
        return self.wait or self.report is not None


def run_import(
    session: Session, source: Source, out: Console | None, asked: Asked, stop: threading.Event | None = None
) -> ImportReport:
    """Enqueue the file's rows and, if asked, wait until they have ended; `stop` ends the waiting early. Without `out`, prints nothing."""
    report = ImportReport(source.name, source.import_id, noticed=source.noticed)
    pace, log = Throughput.begin(session, change_set_of(source.import_id)), import_log(session)
    began_at = next(iter(session.lanes.values())).wall()
    with Journal() as journal, _interruption(report, asked.report):
        with session.client() as client, duplicate_check(session) as back:
            rows = source.rows()
            if out:
                print_sheet(out, source.noticed)
            puts = enqueue_rows(rows, client, lambda ids: _digests(session, ids), journal, asked.check)
            for put in _counted(puts, report, source, asked.aside):
                back.add(known_rows(put))
                if put.enqueued:
                    log.add(source.import_id, (row.intent.intent_id for row in put.enqueued))
                if asked.needs_journal:
                    journal.add(put.notes())
            report.before = back.report() if report.known else None
        if out:
            print_known(out, session, report)
            print_enqueued(out, report)
        if asked.wait:
            watch = IntentTracker(session.reads, journal.roster(), began_at)
            _follow(session, watch, pace, asked, report, stop or threading.Event())
            if out and not (stop and stop.is_set()):
                print_closing(out, report)
        if asked.report:
            _write(asked.report, journal, session, source.noticed.table, session.reads)
    return report


def _follow(
    session: Session, watch: IntentTracker, pace: Throughput, asked: Asked, report: ImportReport, stop: threading.Event
) -> None:
    follower = IntentFollower(session, watch, pace)
    with asked.display(watch.totals().total) as display:
        report.is_over = follower.run(display, stop, asked.timeout)
    report.totals, report.failed = watch.totals(), watch.failures.groups()
    report.failed_before = watch.failed_before.groups()
    report.not_sent = watch.not_sent.groups()
    report.succeeded_on_retry = watch.failures.succeeded_on_retry + watch.failed_before.succeeded_on_retry
    report.requests, report.slot_use, report.seconds = pace.shown, pace.slot_use, pace.seconds
    report.remark = follower.remark if not report.is_over else ""


def refuse_if_wrong(session: Session, source: Source, report: Path | None, check: Check | None) -> None:
    """Raises `WrongUseError` if any row is wrong or its id is taken, here or in the ledger."""
    seen = ImportReport(source.name, source.import_id, noticed=source.noticed)
    with Journal() as journal:
        for put in sort_rows(source.rows(), lambda ids: _digests(session, ids), journal, check):
            seen.count(put)
            if report:
                journal.add(put.notes())
        if not seen.rejected_count:
            return
        if report:
            _write(report, journal, session, source.noticed.table, None)
    wrong = seen.rejected_count
    how_many = some(wrong, "cell") if source.noticed.table else f"{wrong} of {some(seen.rows, 'row')}"
    head = f"{source.name}: {how_many} {'is' if wrong == 1 else 'are'} wrong; nothing was enqueued:"
    groups = seen.why_rejected.groups()
    lines = [
        f"  {'line' if group.count == 1 else 'lines'} {lines_of(group)}: {group.reason}" for group in groups[:SHOWN]
    ]
    if len(groups) > SHOWN:
        lines.append(
            f"  … and {some(len(groups) - SHOWN, 'more reason')}{'' if report else ' (--report FILE lists all)'}"
        )
    raise WrongUseError("\n".join([head, *lines]))


def _write(path: Path, journal: Journal, session: Session, table: TableNotes | None, reads: LedgerReads | None) -> None:
    """`reads`: None where nothing was enqueued."""
    user_key = session.settings.user_key
    if table:
        rows = report_rows(table, journal, reads, user_key)
        write_report(path, rows, shape_of_table(columns_of_report(table), STATE))
        return
    known = Meanings(session.redis, session.lane_keys())
    found = row_results(journal, reads, user_key) if reads else not_enqueued(journal)
    write_report(path, as_rows(found, known.field_name))


def _digests(session: Session, ids: Iterable[str]) -> list[str | None]:
    return [entry.digest if entry else None for entry in session.reads.entries(list(ids))]


def _counted(puts: Iterable[SortedRows], report: ImportReport, source: Source, aside: Console) -> Iterator[SortedRows]:
    size = source.size if source.position() is not None else None
    with reading_bar(aside, size) as show:
        for put in puts:
            report.count(put)
            report.clears.add(put.enqueued)
            show(report.rows, source.position())
            yield put


@contextmanager
def _interruption(report: ImportReport, path: Path | None) -> Iterator[None]:
    """However it ends early, the message says how many rows or intents are enqueued. `path`: of the report that was asked for."""
    not_written = f". The report {path} was not written: the same command writes it later" if path else ""
    try:
        yield
    except KeyboardInterrupt:
        again = f"look with `feishu-batch status`, or run the same import again, which enqueues no {report.noun} twice"
        raise InterruptedByUserError(
            f"Stopped. {_done(report)}, and their work continues: {again}{not_written}"
        ) from None
    except (RedisError, EnqueueError) as error:
        again = f"run the same import again when Redis is back, which enqueues no {report.noun} twice"
        raise UnreachableError(
            f"{str(error).rstrip('.')}. {_done(report)}, and safe there: {again}{not_written}"
        ) from None


def _done(report: ImportReport) -> str:
    enqueued = report.enqueued + report.known
    return f"{some(enqueued, report.noun)} {'is' if enqueued == 1 else 'are'} enqueued"
