"""The course of an import: read, enqueue, follow, report."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from rich.console import Console

from feishu_batch import EnqueueError
from worker.cli.errors import InterruptedByUserError, UnreachableError, WrongUseError
from worker.cli.file_notes import print_sheet
from worker.cli.following import Follower, Pace
from worker.cli.import_report import SHOWN, ImportReport, lines_of, print_closing, print_enqueued, print_known
from worker.cli.known_before import known_rows, looking_back
from worker.cli.output import some
from worker.cli.progress import Display, reading_bar
from worker.cli.session import Session
from worker.importing.journal import Journal
from worker.importing.outcomes import Outcome, as_rows, not_enqueued, outcomes
from worker.importing.put import Check, Put, put_rows, sorted_out
from worker.importing.report_file import write_report
from worker.importing.source import Source
from worker.operating.meanings import Meanings
from worker.operating.watching import Watch


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
    """Enqueue the file's rows and, if asked, follow them to their end; `stop` ends the following early. No `out`: no word."""
    report = ImportReport(source.name, source.import_id, noticed=source.noticed)
    pace = Pace.begin(session)
    began_at = next(iter(session.lanes.values())).wall()
    with Journal() as journal, _interruption(report):
        with session.client() as client, looking_back(session) as back:
            rows = source.rows()
            if out:
                print_sheet(out, source.noticed)
            puts = put_rows(rows, client, lambda ids: _digests(session, ids), journal, asked.check)
            for put in _counted(puts, report, source, asked.aside):
                back.add(known_rows(put))
                if asked.needs_journal:
                    journal.add(put.notes())
            report.before = back.since_then() if report.known else None
        if out:
            print_known(out, session, report)
            print_enqueued(out, report)
        if asked.wait:
            watch = Watch(session.reading, journal.roster(), began_at)
            _follow(session, watch, pace, asked, report, stop or threading.Event())
            if out and not (stop and stop.is_set()):
                print_closing(out, report)
        if asked.report:
            _write(asked.report, outcomes(journal, session.reading, session.settings.user_key), session)
    return report


def _follow(
    session: Session, watch: Watch, pace: Pace, asked: Asked, report: ImportReport, stop: threading.Event
) -> None:
    follower = Follower(session, watch, pace)
    with asked.display(watch.totals().total) as display:
        report.is_over = follower.run(display, stop, asked.timeout)
    report.totals, report.failed = watch.totals(), watch.failures.groups()
    report.failed_before = watch.failed_before.groups()
    report.not_sent = watch.not_sent.groups()
    report.mended = watch.failures.mended + watch.failed_before.mended
    report.requests, report.slot_use, report.seconds = pace.requests, pace.slot_use, pace.seconds
    report.remark = follower.remark if not report.is_over else ""


def refuse_if_wrong(session: Session, source: Source, report: Path | None, check: Check | None) -> None:
    """Raises `WrongUseError` if any row is wrong or its id is taken, here or in the ledger."""
    seen = ImportReport(source.name, source.import_id)
    with Journal() as journal:
        for put in sorted_out(source.rows(), lambda ids: _digests(session, ids), journal, check):
            seen.count(put)
            if report:
                journal.add(put.notes())
        if not seen.rejected_count:
            return
        if report:
            _write(report, not_enqueued(journal), session)
    wrong = seen.rejected_count
    head = f"{source.name}: {wrong} of {some(seen.rows, 'row')} {'is' if wrong == 1 else 'are'} wrong; nothing was enqueued:"
    groups = seen.why_rejected.groups()
    lines = [
        f"  {'line' if group.count == 1 else 'lines'} {lines_of(group)}: {group.reason}" for group in groups[:SHOWN]
    ]
    if len(groups) > SHOWN:
        lines.append(
            f"  … and {some(len(groups) - SHOWN, 'more reason')}{'' if report else ' (--report FILE lists all)'}"
        )
    raise WrongUseError("\n".join([head, *lines]))


def _write(path: Path, found: Iterable[Outcome], session: Session) -> None:
    known = Meanings(session.redis, {name: lane.key for name, lane in session.lanes.items()})
    write_report(path, as_rows(found, known.field_name))


def _digests(session: Session, ids: Iterable[str]) -> list[str | None]:
    return [entry.digest if entry else None for entry in session.reading.entries(list(ids))]


def _counted(puts: Iterable[Put], report: ImportReport, source: Source, aside: Console) -> Iterator[Put]:
    size = source.size if source.position() is not None else None
    with reading_bar(aside, size) as show:
        for put in puts:
            report.count(put)
            report.clears.add(put.enqueued)
            show(report.rows, source.position())
            yield put


@contextmanager
def _interruption(report: ImportReport) -> Iterator[None]:
    """Whatever ends it early, the user hears how far it came."""
    try:
        yield
    except KeyboardInterrupt:
        again = "look with `feishu-batch status`, or run the same import again, which doubles nothing"
        raise InterruptedByUserError(f"Stopped here. {_done(report)}, and that work goes on: {again}") from None
    except (RedisError, EnqueueError) as error:
        again = "run the same import again when Redis is back, which doubles nothing"
        raise UnreachableError(f"{str(error).rstrip('.')}. {_done(report)}, and safe there: {again}") from None


def _done(report: ImportReport) -> str:
    enqueued = report.enqueued + report.known
    return f"{some(enqueued, 'row')} {'is' if enqueued == 1 else 'are'} enqueued"
