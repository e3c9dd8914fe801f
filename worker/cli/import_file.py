"""`feishu-batch import`: a file of wishes."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import click
from rich.console import Console

from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError, WrongUseError
from worker.cli.following import Follower, Pace
from worker.cli.import_report import ImportReport, document, print_closing, print_enqueued, print_rejected
from worker.cli.options import json_option
from worker.cli.output import console, print_json
from worker.cli.progress import display_for
from worker.cli.session import Session, open_session
from worker.importing.put import Put, put_rows
from worker.importing.rows import Format, ImportFileError, Rejected, read_rows
from worker.importing.source import Source, opened
from worker.watching import Watch

COUNT_EVERY = 5.0  # seconds between two lines that say how far the reading is
STRICT_SHOWN = 5


@click.command("import", short_help="Enqueue the rows of a CSV or JSON Lines file.")
@click.argument("file")
@click.option(
    "--format", "kind", type=click.Choice([form.value for form in Format]), help="Default: from the file's ending."
)
@click.option("--strict", is_flag=True, help="Enqueue nothing if any row is wrong.")
@click.option("--wait", is_flag=True, help="Show the progress until all has ended. Ctrl-C leaves the work going.")
@click.option(
    "--import-id",
    metavar="NAME",
    help="What the rows' ids are derived from. Default: the file's content. A new name: do it all again.",
)
@json_option
def import_file(file: str, kind: str | None, strict: bool, wait: bool, import_id: str | None, as_json: bool) -> int:
    """Enqueue the rows of a CSV or JSON Lines FILE ("-": standard input).

    Example:
      feishu-batch import sprint.csv --wait

    A CSV file has a header with these columns, in any order:
      project_key, work_item_type_key, work_item_ids,
      field_key, update_mode, after_field_value
    and, if you like:
      before_field_value, user_key, lane, priority,
      expires_at, keep_every_change, note, intent_id
    A line of a JSON Lines file is an object with the same names.

    work_item_ids is one id, or several with spaces, commas or semicolons between them. A value that is JSON is taken as JSON
    (5, true, {"value": "option_1"}, ["a"]; "5" in quotes is a text), anything else as text. An empty after_field_value
    clears the field; so does null. UTF-8; separated by comma, semicolon or tab.

    A wrong row is rejected with its line number and the others go on. The same file imported twice is one import: its rows
    get the same ids, and what was enqueued before is not enqueued again.

    Prints how many rows were enqueued; with --wait also what became of each change.

    Exit codes: 0 all rows enqueued (with --wait: and done); 1 rows rejected or items failed; 2 the file cannot be used, nothing
    was enqueued; 3 Redis cannot be reached.
    """
    session = open_session()
    out = console()
    try:
        with opened(file, kind, import_id) as source:
            _refuse_if_wrong(source, strict=strict)
            report = run_import(session, source, console(stderr=True) if as_json else out, wait=wait)
    except ImportFileError as error:
        raise WrongUseError(f"{file}: {error}. Nothing was enqueued.") from None
    if as_json:
        print_json(out, document(report))
    elif not wait:
        print_rejected(out, report)
    return DONE if report.all_is_well else SOME_FAILED


def run_import(
    session: Session, source: Source, out: Console, *, wait: bool, stop: threading.Event | None = None
) -> ImportReport:
    """Enqueue the file's rows and, if asked, follow them to their end; `stop` ends the following early."""
    report = ImportReport(source.name, source.import_id)
    rows = read_rows(source.stream, source.format, source.import_id)
    pace = Pace.begin(session)
    watched: list[tuple[str, int]] = []
    with session.client() as client, _interruption(report):
        for put in _counted(put_rows(rows, client, lambda ids: _digests(session, ids)), report, out):
            if wait:
                watched += [
                    (row.intent.intent_id, len(row.intent.work_item_ids)) for row in (*put.enqueued, *put.known)
                ]
    print_enqueued(out, report)
    if wait:
        with _interruption(report):
            watch = Watch(session.reading, watched)
            with display_for(out, watch.totals().total) as display:
                is_over = Follower(session, watch, pace).run(display, stop or threading.Event())
        _close(report, watch, pace)
        if is_over:
            print_closing(out, report)
    return report


def _refuse_if_wrong(source: Source, *, strict: bool) -> None:
    if not strict:
        return
    rows = read_rows(source.stream, source.format, source.import_id)
    wrong = list(islice((row for row in rows if isinstance(row, Rejected)), STRICT_SHOWN + 1))
    source.stream.seek(0)
    if wrong:
        lines = [f"  line {row.line}: {row.reason}" for row in wrong[:STRICT_SHOWN]]
        more = ["  …"] if len(wrong) > STRICT_SHOWN else []
        raise WrongUseError("\n".join([f"{source.name}: rows are wrong; nothing was enqueued:", *lines, *more]))


def _digests(session: Session, ids: Iterable[str]) -> list[str | None]:
    return [entry.digest if entry else None for entry in session.reading.entries(list(ids))]


def _counted(puts: Iterable[Put], report: ImportReport, out: Console) -> Iterator[Put]:
    said_at = time.monotonic()
    for put in puts:
        report.enqueued += len(put.enqueued)
        report.known += len(put.known)
        report.reject(put.rejected)
        report.rows = report.enqueued + report.known + report.rejected_count
        if time.monotonic() - said_at > COUNT_EVERY:
            out.print(f"{report.rows} rows read …")
            said_at = time.monotonic()
        yield put


def _close(report: ImportReport, watch: Watch, pace: Pace) -> None:
    report.totals, report.failed = watch.totals(), watch.failures.groups()
    report.requests, report.slot_use, report.seconds = pace.requests, pace.slot_use, pace.seconds


@contextmanager
def _interruption(report: ImportReport) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedByUserError(
            f"Stopped here. {report.enqueued + report.known} rows are enqueued, and that work goes on:"
            " look with `feishu-batch status`, or run the same import again, which doubles nothing"
        ) from None
