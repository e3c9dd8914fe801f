"""`feishu-batch enqueue`: one intent."""

import json
import sys
from contextlib import suppress
from typing import Any, Final

import click

from feishu_batch import IntentError, Result, UpdateIntent, WaitTimeout, parse_intent
from feishu_batch.intents import DEFAULT_PRIORITY
from worker.cli.blockers import lanes_of, wait_aloud, warn_of_pause
from worker.cli.duplicates import duplicate_check, print_duplicates, when
from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError
from worker.cli.output import console, table
from worker.importing.cells import CellError, field_value, item_ids, refuse_other_place
from worker.importing.row import problems_of
from worker.importing.rows import parse_object
from worker.operating.duplicates import DuplicateReport, KnownIntent
from worker.operating.errors import WrongUseError
from worker.operating.session import Session, open_session
from worker.wording import some
from worker.writing.characters import one_line
from worker.writing.ids import Ids

LONG_WAIT = 600.0
SHOWN = 20


@click.command("enqueue", short_help="Enqueue one intent.")
@click.option("--project-key", "--space", "project_key", metavar="KEY", help="The space's key, or its simple name.")
@click.option("--type", "--work-item-type-key", "work_item_type_key", help="story, issue, … or a custom type's key.")
@click.option("--item", "item", type=int, multiple=True, help="A work item id; repeatable.")
@click.option("--items", help="Several ids, with commas between them.")
@click.option("--field", "--field-key", "field_key", help="The field to change: its key, alias or name.")
@click.option(
    "--mode",
    "--update-mode",
    "update_mode",
    type=str.upper,
    metavar="MODE",
    default="UPDATE",
    show_default=True,
    help="APPEND, UPDATE (overwrite) or REPLACE (needs --before).",
)
@click.option("--before", metavar="VALUE", help="With REPLACE: the value to replace.")
@click.option(
    "--after",
    metavar="VALUE",
    help='The new value: JSON, or plain text such as an option\'s label. "" or null clears the field.',
)
@click.option("--user-key", help="The acting user. Default: the one of the workers' settings.")
@click.option(
    "--lane", help="The lane (credential) to use. Default: the one that the workers' settings give the space."
)
@click.option(
    "--priority", type=click.IntRange(0, 9), default=DEFAULT_PRIORITY, show_default=True, help="Higher is sent first."
)
@click.option("--expires-at", metavar="TIME", help="Items not sent by this time expire: 2030-01-31T18:00:00+08:00.")
@click.option(
    "--keep-every-change",
    is_flag=True,
    help="Send the change even if a later change of the same field is already waiting.",
)
@click.option(
    "--skip-unchanged", is_flag=True, help="Read each cell first, and leave out those that hold the value already."
)
@click.option("--keep-before", is_flag=True, help="Keep what each cell held before, so that `undo` can put it back.")
@click.option(
    "--expected",
    metavar="VALUE",
    help="Write only where the cell holds exactly this value just before the request; null: only where it is empty.",
)
@click.option("--note", help="A remark, shown by status, show and the status page.")
@click.option(
    "--change-set", metavar="ID", help="Groups intents that belong together: `feishu-batch sets` shows them as one."
)
@click.option("--intent-id", help="Default: a new id. Enqueueing the same id again sends nothing.")
@click.option(
    "--json",
    "text",
    metavar="INTENT",
    help='The whole intent as JSON, instead of the options above; "-" for standard input.',
)
@click.option(
    "--wait",
    type=float,
    is_flag=False,
    flag_value=LONG_WAIT,
    metavar="[SECONDS]",
    help=f"Wait until the intent has ended; {LONG_WAIT:g} s if no number is given.",
)
def enqueue(text: str | None, wait: float | None, **options: Any) -> int:
    r"""Enqueue one change of one field of up to 10,000 work items.

    Examples:
      feishu-batch enqueue --space demo --type story --items 1001,1002 \
          --field Priority --after P0 --wait
      feishu-batch enqueue --json - < intent.json

    A value is converted once the field's type is known: 1.10 is a number for a number field, and a label or a text for
    other fields. Objects and lists may be JSON ({"value": "option_1"}). "5" in quotes is the text 5. null clears the field.

    Prints the intent's id as soon as the intent is durably recorded; with --wait also the result of each item.

    Enqueueing the same --intent-id again sends nothing: it prints when the intent was enqueued, and which later intents changed the
    same items since.

    Exit codes: 0 enqueued (with --wait: every item succeeded); 1 an item failed, the time ran out (the work continues), or the intent
    was enqueued before and its items have another value by now; 2 the intent is not valid, nothing was recorded; 3 Redis cannot be
    reached.
    """
    intent = _from_text(text, options) if text is not None else _from_options(options)
    session = open_session()
    lanes = lanes_of(session, intent)
    before = _before(session, intent)
    with session.client() as client:
        [handle] = client.enqueue_many([intent])
        click.echo(intent.intent_id)
        if before:
            _tell_before(session, before)
        outcome = DONE if before is None or before.in_effect else SOME_FAILED
        if wait is None:
            warn_of_pause(lanes)
            return outcome
        try:
            result = wait_aloud(handle, wait, lanes)
        except WaitTimeout:
            click.echo(
                f"Not ended within {wait:g} s; the work continues: feishu-batch show {intent.intent_id}", err=True
            )
            return SOME_FAILED
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                f"Stopped waiting; the work continues: feishu-batch show {intent.intent_id}"
            ) from None
    _print_result(result)
    return outcome if result.ok else SOME_FAILED


def _before(session: Session, intent: UpdateIntent) -> DuplicateReport | None:
    """The present state of the intent, if it was enqueued before under this id."""
    [entry] = session.reads.entries([intent.intent_id])
    if entry is None:
        return None
    with duplicate_check(session) as back:
        back.add([KnownIntent(1, intent.intent_id, intent.work_item_ids)])
        return back.report()


def _tell_before(session: Session, found: DuplicateReport) -> None:
    """Printed on stderr: scripts read the id from stdout."""
    out = console(stderr=True)
    again = "to send it again, leave out --intent-id or give a new one"
    out.print(f"Nothing was enqueued: this intent was enqueued before{when(session, found)}; {again}.", soft_wrap=True)
    print_duplicates(out, session, found, "item")


def _from_text(text: str, options: dict[str, Any]) -> UpdateIntent:
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    usual = {"update_mode": "UPDATE", "priority": DEFAULT_PRIORITY}
    if extra := [name for name, value in given.items() if usual.get(name) != value]:
        raise WrongUseError(f"--json takes the whole intent; leave out --{extra[0].replace('_', '-')}")
    try:
        content = parse_object(sys.stdin.read() if text == "-" else text)
    except CellError as error:
        raise WrongUseError(f"--json: {error}") from None
    try:
        return parse_intent(content)
    except IntentError as error:
        raise WrongUseError(f"--json: {'; '.join(problems_of(error, content))}") from None


_VALUES: Final = {"after": "after_field_value", "before": "before_field_value", "expected": "expected_field_value"}


def _from_options(options: dict[str, Any]) -> UpdateIntent:
    content = {name: value for name, value in options.items() if value not in (None, ())}
    listed = content.pop("items", None)
    ids = list(content.pop("item", ()))
    _refuse_missing(content, has_items=bool(ids or listed))
    try:
        found = item_ids(listed) if listed else Ids()
        content["work_item_ids"] = ids + found.ids
        refuse_other_place(found, content)
        content["field_key"] = one_line(content["field_key"])
        for option, name in _VALUES.items():
            if option in content:
                content[name] = _value(f"--{option}", content.pop(option))
        return parse_intent(content)
    except CellError as error:
        raise WrongUseError(str(error).replace("work_item_ids", "--items", 1)) from None
    except IntentError as error:
        raise WrongUseError("; ".join(_as_options(problems_of(error, content)))) from None


def _value(option: str, given: str) -> Any:
    """`null` and text in JSON quotes are taken as JSON: a shell user writes neither by accident."""
    word = given.strip()
    if word == "null":
        return None
    if word[:1] == '"':
        with suppress(ValueError):
            return json.loads(word)
    return field_value(option, given)


def _refuse_missing(content: dict[str, Any], *, has_items: bool) -> None:
    given = {
        "--space": "project_key" in content,
        "--type": "work_item_type_key" in content,
        "--item": has_items,
        "--field": "field_key" in content,
        "--after": "after" in content,
    }
    missing = [option for option, is_given in given.items() if not is_given]
    if missing:
        hint = ": the new value; null clears the field" if missing == ["--after"] else ""
        raise WrongUseError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing{hint}")


def _as_options(problems: list[str]) -> list[str]:
    names = {
        "work_item_type_key": "--type",
        "work_item_ids": "--item",
        "field_key": "--field",
        "update_mode": "--mode",
        "before_field_value": "--before",
        "after_field_value": "--after",
    }
    parts = ((where.partition(".")[0], what) for where, _, what in (line.partition(": ") for line in problems))
    return [f"{names.get(name, '--' + name.replace('_', '-'))}: {what}" for name, what in parts]


def _print_result(result: Result) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in result.counts.items())
    out = console()
    out.print(f"{result.state}: {counts}; {some(result.requests, 'request')}", soft_wrap=True)
    if result.failed:
        rows = [(item, why["code"], why["reason"]) for item, why in list(result.failed.items())[:SHOWN]]
        out.print(table(("item", "code", "reason"), rows))
        if len(result.failed) > SHOWN:
            out.print(f"… and {len(result.failed) - SHOWN} more: feishu-batch show {result.intent_id} --items failed")
