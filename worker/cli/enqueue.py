"""`feishu-batch enqueue`: one intent."""

import json
import sys
from contextlib import suppress
from typing import Any

import click

from feishu_batch import IntentError, Result, UpdateIntent, WaitTimeout, parse_intent
from feishu_batch.intents import DEFAULT_PRIORITY
from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError, WrongUseError
from worker.cli.holdups import lanes_of, wait_aloud, warn_of_pause
from worker.cli.known_before import looking_back, print_since_then, when
from worker.cli.output import console, some, table
from worker.cli.session import Session, open_session
from worker.importing.cells import CellError, field_value, item_ids, refuse_other_place
from worker.importing.row import problems_of
from worker.importing.rows import parse_object
from worker.operating.since_then import Known, SinceThen
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
@click.option("--before", metavar="VALUE", help="With REPLACE: the value that is to be replaced.")
@click.option(
    "--after",
    metavar="VALUE",
    help='The wished value: JSON, or plain text such as an option\'s label. "" or null clears the field.',
)
@click.option("--user-key", help="The acting user, if not the workers' usual one.")
@click.option("--lane", help="The credential, if not the workers' usual one.")
@click.option(
    "--priority", type=click.IntRange(0, 9), default=DEFAULT_PRIORITY, show_default=True, help="Higher goes first."
)
@click.option("--expires-at", metavar="TIME", help="What is not sent by then is not sent: 2030-01-31T18:00:00+08:00.")
@click.option("--keep-every-change", is_flag=True, help="Send it even if a later change overwrites it before its turn.")
@click.option("--note", help="For the people who look at the queue.")
@click.option("--intent-id", help="Default: a new one. The same id again is the same intent.")
@click.option(
    "--json",
    "text",
    metavar="INTENT",
    help='The whole intent as JSON in place of the options above; "-": standard input.',
)
@click.option(
    "--wait",
    type=float,
    is_flag=False,
    flag_value=LONG_WAIT,
    metavar="[SECONDS]",
    help=f"Wait for the end; {LONG_WAIT:g} s if no number is given.",
)
def enqueue(text: str | None, wait: float | None, **options: Any) -> int:
    r"""Enqueue one change of one field of up to 10,000 work items.

    Examples:
      feishu-batch enqueue --space demo --type story --items 1001,1002 \
          --field Priority --after P0 --wait
      feishu-batch enqueue --json - < intent.json

    A value is kept as it stands until the field's type is known: 1.10 is a number for a field of numbers, and a label or a text for
    others. Objects and lists may be JSON ({"value": "option_1"}); "5" in quotes is the text 5, and null clears the field.

    Prints the intent's id, as soon as the intent is safely written; with --wait also what became of its items.

    The same --intent-id again sends nothing, and it says so: when it was enqueued, and which later intent changed the same items since.

    Exit codes: 0 enqueued (with --wait: every item done); 1 an item failed, not all ended in time (the intent goes on), or the intent was
    enqueued before and its items hold something else by now;
    2 the intent is not well-formed, nothing was written; 3 Redis cannot be reached.
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
        outcome = DONE if before is None or before.stands else SOME_FAILED
        if wait is None:
            warn_of_pause(lanes)
            return outcome
        try:
            result = wait_aloud(handle, wait, lanes)
        except WaitTimeout:
            click.echo(f"Not ended within {wait:g} s; it goes on: feishu-batch show {intent.intent_id}", err=True)
            return SOME_FAILED
        except KeyboardInterrupt:
            raise InterruptedByUserError(f"Stopped waiting; it goes on: feishu-batch show {intent.intent_id}") from None
    _print_result(result)
    return outcome if result.ok else SOME_FAILED


def _before(session: Session, intent: UpdateIntent) -> SinceThen | None:
    """What came of it if it was enqueued before, under this id."""
    [entry] = session.reading.entries([intent.intent_id])
    if entry is None:
        return None
    with looking_back(session) as back:
        back.add([Known(1, intent.intent_id, intent.work_item_ids)])
        return back.since_then()


def _tell_before(session: Session, found: SinceThen) -> None:
    """On stderr: whoever takes the id from stdout goes on."""
    out = console(stderr=True)
    again = "to send it again all the same, leave --intent-id out or give a new one"
    out.print(f"Nothing was sent: this intent was enqueued before{when(session, found)}; {again}.", soft_wrap=True)
    print_since_then(out, session, found, "item")


def _from_text(text: str, options: dict[str, Any]) -> UpdateIntent:
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    usual = {"update_mode": "UPDATE", "priority": DEFAULT_PRIORITY}
    if extra := [name for name, value in given.items() if usual.get(name) != value]:
        raise WrongUseError(f"--json gives the whole intent; leave out --{extra[0].replace('_', '-')}")
    try:
        content = parse_object(sys.stdin.read() if text == "-" else text)
    except CellError as error:
        raise WrongUseError(f"--json: {error}") from None
    try:
        return parse_intent(content)
    except IntentError as error:
        raise WrongUseError(f"--json: {'; '.join(problems_of(error, content))}") from None


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
        for option, name in (("after", "after_field_value"), ("before", "before_field_value")):
            if option in content:
                content[name] = _value(f"--{option}", content.pop(option))
        return parse_intent(content)
    except CellError as error:
        raise WrongUseError(str(error).replace("work_item_ids", "--items", 1)) from None
    except IntentError as error:
        raise WrongUseError("; ".join(_as_options(problems_of(error, content)))) from None


def _value(option: str, given: str) -> Any:
    """A null and a text in JSON's quotes are meant so: nobody writes either into a shell by accident."""
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
        hint = ": the wished value; null clears the field" if missing == ["--after"] else ""
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
    told = ((where.partition(".")[0], what) for where, _, what in (line.partition(": ") for line in problems))
    return [f"{names.get(name, '--' + name.replace('_', '-'))}: {what}" for name, what in told]


def _print_result(result: Result) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in result.counts.items())
    out = console()
    out.print(f"{result.state}: {counts}; {some(result.requests, 'request')}", soft_wrap=True)
    if result.failed:
        rows = [(item, why["code"], why["reason"]) for item, why in list(result.failed.items())[:SHOWN]]
        out.print(table(("item", "code", "reason"), rows))
        if len(result.failed) > SHOWN:
            out.print(f"… and {len(result.failed) - SHOWN} more: feishu-batch show {result.intent_id} --items failed")
