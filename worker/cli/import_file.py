"""`feishu-batch import`: a file of wishes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import click

from worker.cli.catalogues import open_catalogues
from worker.cli.errors import DONE, SOME_FAILED, WrongUseError
from worker.cli.file_options import file_options
from worker.cli.holdups import warn_of_pause
from worker.cli.import_report import document, print_rejected
from worker.cli.import_run import Asked, refuse_if_wrong, run_import
from worker.cli.options import json_option, waiting_options
from worker.cli.output import console, print_json
from worker.cli.plan_names import NameCheck
from worker.cli.progress import usual_display
from worker.cli.session import open_session
from worker.importing.columns import ImportFileError
from worker.importing.report_file import check_report
from worker.importing.source import Source


@click.command("import", short_help="Enqueue the rows of a CSV, JSON Lines or XLSX file.")
@file_options
@click.option(
    "--strict",
    is_flag=True,
    help="Enqueue nothing if any row is wrong, as far as the file tells; with --check also its names.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Look names up and check values first, as intake will, and reject what it would refuse; needs credentials.",
)
@waiting_options
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what became of every item of every row to this .csv, .jsonl or .xlsx file, at the end and all at once.",
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

    A table has a header with these columns, in any order:
      project_key, work_item_type_key, work_item_ids,
      field_key, update_mode, after_field_value
    and, if you like:
      before_field_value, user_key, lane, priority,
      expires_at, keep_every_change, note, intent_id
    A line of a JSON Lines file is an object with the same names.

    work_item_ids is one id, or several with commas, semicolons, spaces or line breaks between them; #1001, a range 1001-1020, or a
    link to the item. What may be one number with digit groups (1,120) is rejected. An empty after_field_value clears the field; how
    many rows do so is told, and --empty skips or rejects them. CSV: UTF-8, or what --encoding names; separated by comma, semicolon
    or tab. XLSX: formulas count by their value.

    A cell is kept as it stands until the field's type is known: 1.10 is a number for a field of numbers, and a label or a text for
    others. Objects and lists may be JSON: {"value": "option_1"}, ["a"]. An error (#REF!) or a word for nothing (NaN, None, null) is
    rejected in every format; a JSON line may say that it means the text: {"$text": "None"}.

    A wrong row is rejected with its line number and the others go on. The same file imported twice is one import: its rows
    get the same ids, and what was enqueued before is not enqueued again. So an import that was cut off is resumed by running it
    again, and with --report it tells what became of an earlier one. It says first how many rows were imported before, when, and which
    later intents gave the same fields another value since; a new --import-id sends them again.

    Whether names and values fit is seen by intake, after a row was enqueued: then its items fail. --check asks before. Without it,
    and without --wait, the exit code tells nothing of what will be refused or fail.

    Prints how many rows were enqueued; with --wait also what became of each change.

    Exit codes: 0 all rows enqueued (with --wait: and done); 1 rows rejected, items failed, the time ran out, or what was imported before
    does not stand any more (failed, canceled, expired, changed by a later intent, or nobody can say); 2 the file cannot
    be used, or --strict found a wrong row: nothing was enqueued; 3 Redis cannot be reached.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait")
    session = open_session()
    names = NameCheck(open_catalogues(session)) if check else None
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
        if strict:
            refuse_if_wrong(session, source, report, asked.check)
            asked = replace(asked, check=None)  # nothing was refused
        told = run_import(session, source, None if as_json else out, asked)
    if names:
        names.print_unchecked(console(stderr=True))
    if not wait and told.enqueued:
        warn_of_pause(session.lanes.values())
    if as_json:
        print_json(out, document(told))
    elif not wait:
        print_rejected(out, told)
    return DONE if told.all_is_well else SOME_FAILED


def _check(report: Path | None, source: Source) -> None:
    if report is None:
        return
    try:
        check_report(report, source.name)
    except ImportFileError as error:
        raise WrongUseError(f"{error}. Nothing was enqueued.") from None
