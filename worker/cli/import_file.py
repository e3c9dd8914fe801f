"""`feishu-batch import`: a file of changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import click

from worker.cli.blockers import warn_of_pause
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.file_options import file_options
from worker.cli.forgotten import refuse_if_forgotten
from worker.cli.import_report import document, print_rejected
from worker.cli.import_run import Asked, refuse_if_wrong, run_import
from worker.cli.options import json_option, waiting_options
from worker.cli.output import console, print_json
from worker.cli.plan_names import NameCheck
from worker.cli.progress import usual_display
from worker.importing.columns import ImportFileError
from worker.importing.report_file import check_report
from worker.importing.source import Source
from worker.operating.errors import WrongUseError
from worker.operating.session import open_session
from worker.reading.field_lookup import open_field_lookup


@click.command("import", short_help="Enqueue the rows of a CSV, JSON Lines or XLSX file.")
@file_options
@click.option(
    "--strict",
    is_flag=True,
    help="Enqueue nothing if any row is wrong. Names and values are checked only with --check.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Before enqueueing, look up names, check values, and reject the rows that intake would refuse; needs credentials.",
)
@waiting_options
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="At the end, write the result of every item of every row to this .csv, .jsonl or .xlsx file.",
)
@json_option
def import_file(
    file: Callable[[], AbstractContextManager[Source]],
    strict: bool,
    check: bool,
    wait: bool,
    timeout: float | None,
    report: Path | None,
    as_json: bool,
) -> int:
    """Enqueue the rows of a CSV, JSON Lines or XLSX FILE ("-": standard input).

    Example:
      feishu-batch import sprint.csv --wait --report outcome.csv

    A table has one row per work item and one column per field:
      feishu-batch import sprint.csv --space demo --type story
    One column holds the ids; the others are fields, by name, alias or key. Leave out every other column with --ignore.
    Cells that agree become one intent. An empty cell is skipped. A wrong cell is rejected alone, with its line and column.

    A file of field changes has one row per change, and a header with these columns, in any order:
      project_key, work_item_type_key, work_item_ids,
      field_key, update_mode, after_field_value
    and optionally:
      before_field_value, user_key, lane, priority,
      expires_at, keep_every_change, note, intent_id
    A line of a JSON Lines file is an object with the same names.

    work_item_ids is one id, or several with commas, semicolons, spaces or line breaks between them; #1001, a range 1001-1020, or a
    link to the item. An ambiguous id such as 1,120 (one number with digit groups?) is rejected. An empty after_field_value clears the
    field; the number of such rows is printed, and --empty skips or rejects them. Rows have priority 3 by default.
    CSV: UTF-8 or the --encoding; separated by comma, semicolon or tab. XLSX: a formula is read as its value.

    A cell is converted once the field's type is known: 1.10 is a number for a number field, and a label or a text for other fields.
    Objects and lists may be JSON: {"value": "option_1"}, ["a"]. An error (#REF!) or a word for "no value" (NaN, None, null) is
    rejected in every format; to send such a word as text, use JSON Lines: {"$text": "None"}.

    A wrong row is rejected with its line number; the other rows are enqueued. Importing the same file again enqueues no row twice,
    because the rows get the same ids. So run an interrupted import again to resume it, or with --report to get the results of an
    earlier one. It prints first how many rows were imported before, when, and which later intents changed the same fields since. A new
    --import-id sends the rows again. It refuses a file that was imported before and whose intents have been deleted since (retention),
    unless it is given a new --import-id.

    Intake checks names and values after a row was enqueued; if they are wrong, the items of the row fail. --check looks them up before.
    Without --check and --wait, the exit code does not include such failures. The columns and values of a table are always looked up
    before, if the workers' credentials are available.

    Prints how many rows were enqueued; with --wait also the result of the changes.

    Exit codes: 0 all rows enqueued (with --wait: and succeeded); 1 rows rejected, items failed, the time ran out, or rows imported before
    are no longer in effect (failed, canceled, expired, changed by a later intent, or not known); 2 the file cannot be used, the
    intents of its earlier import have been deleted, or --strict found a wrong row: nothing was enqueued; 3 Redis cannot be reached,
    or Feishu Project, where it has to say what a table's columns are: nothing was enqueued.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait")
    session = open_session()
    names = NameCheck(open_field_lookup(session)) if check else None
    out = console()
    with file() as source:
        _check(report, source)
        asked = Asked(
            wait,
            timeout,
            report,
            usual_display(as_json=as_json),
            console(stderr=True) if as_json else out,
            names.refused if names else None,
        )
        refuse_if_forgotten(session, source)
        if strict:
            refuse_if_wrong(session, source, report, asked.check)
            asked = replace(asked, check=None)  # nothing was refused
        done = run_import(session, source, None if as_json else out, asked)
    if names:
        names.print_unchecked(console(stderr=True))
    if not wait and done.enqueued:
        warn_of_pause(session.lanes.values())
    if as_json:
        print_json(out, document(done))
    elif not wait:
        print_rejected(out, done)
    return DONE if done.is_successful else SOME_FAILED


def _check(report: Path | None, source: Source) -> None:
    if report is None:
        return
    try:
        check_report(report, source.name)
    except ImportFileError as error:
        raise WrongUseError(f"{error}. Nothing was enqueued.") from None
