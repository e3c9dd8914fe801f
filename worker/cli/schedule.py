"""`feishu-batch schedule`: lists scheduled work, and runs an entry now."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console

from config.lookups import time_zone
from config.schedules import ScheduleEntry, load_schedules, schedule_file
from config.settings import ENV_PREFIX, Settings, load_settings
from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError
from worker.cli.options import json_option
from worker.cli.output import console, print_json, table
from worker.cli.table_fields import table_fields
from worker.importing.enqueue_rows import SortedRows
from worker.operating.errors import WrongUseError
from worker.operating.session import Session, open_session
from worker.scheduling.records import Record, Run, RunState, local, record_of
from worker.scheduling.runner import RunLostError, Runner, first_record
from worker.scheduling.scheduler import followed
from worker.scheduling.store import Schedules
from worker.wording import iso, some

TICK = 0.5  # seconds
SAY_EVERY = 5.0  # seconds
REASON_SHOWN = 160  # characters


@click.group("schedule", short_help="Show or run scheduled work.")
def schedule() -> None:
    """List the entries of the schedule file, or run one now.

    Examples:
      feishu-batch schedule list
      feishu-batch schedule run nightly-file --wait

    Exit codes: 0 done; 1 a run failed in part or as a whole; 2 the file or the name is wrong; 3 Redis cannot be reached.
    """


@schedule.command("list", short_help="Show when each entry runs next, and its last run.")
@json_option
def list_(as_json: bool) -> int:
    """Show when each entry of the schedule file runs next, and the result of its last run.

    Example:
      feishu-batch schedule list

    The next run is shown in the entry's time zone. A run is "running" while its intents are being enqueued, "open" until all of them have
    ended, then "ended"; "failed" if nothing could be enqueued. Skipped runs are shown with the reason.

    Exit codes: 0 shown; 2 the file cannot be used; 3 Redis cannot be reached.
    """
    settings = load_settings()
    entries = load_schedules(settings)
    out = console()
    if not entries:
        print_json(out, {"schedules": []}) if as_json else out.print(_how_to_begin(settings), soft_wrap=True)
        return DONE
    session = open_session()
    store = Schedules(session.redis, session.settings.key_prefix)
    records = {name: _record(text) for name, text in store.read([one.name for one in entries]).items()}
    now = time.time()
    if as_json:
        print_json(out, {"schedules": [document(one, records.get(one.name), now) for one in entries]})
    else:
        _print(out, entries, records, now)
    return DONE


@schedule.command("run", short_help="Run an entry now.")
@click.argument("name")
@click.option(
    "--wait", is_flag=True, help="Wait until all its intents have ended. Ctrl-C stops the waiting, not the work."
)
@click.option("--even-if-open", is_flag=True, help="Run even if the previous run has not ended.")
def run(name: str, wait: bool, even_if_open: bool) -> int:
    """Run the entry NAME of the schedule file now, in this process. Its schedule does not change.

    Example:
      feishu-batch schedule run nightly-file --wait

    It is refused while a run of the entry has not ended, unless --even-if-open is given: then only the new run is tracked.

    Prints how many intents were enqueued; with --wait also how many of them failed (feishu-batch failures shows why).

    Exit codes: 0 enqueued (with --wait: and every item done); 1 it failed, rows were rejected, or items failed; 2 no such entry, or a run
    of it has not ended; 3 Redis cannot be reached.
    """
    entry = _entry(name)
    session = open_session()
    store = Schedules(session.redis, session.settings.key_prefix)
    done = _run_now(session, store, entry, even_if_open=even_if_open)
    _print_run(done)
    if wait and done.state is RunState.OPEN:
        done = _wait(store, name, done)
        click.echo(_ended(done))
    return SOME_FAILED if done.state is RunState.FAILED or done.reason or done.failed else DONE


def _entry(name: str) -> ScheduleEntry:
    settings = load_settings()
    entries = load_schedules(settings)
    found = [entry for entry in entries if entry.name == name]
    if not found:
        there = f"there are: {', '.join(entry.name for entry in entries)}" if entries else _how_to_begin(settings)
        raise WrongUseError(f"no schedule is named {name!r}; {there}")
    return found[0]


def _run_now(session: Session, store: Schedules, entry: ScheduleEntry, *, even_if_open: bool) -> Run:
    hold = store.hold(entry.name)
    if not hold.acquire(blocking=False):
        raise WrongUseError(f"{entry.name} is already running; see feishu-batch schedule list")
    try:
        started = _begin(store, entry, even_if_open=even_if_open)
    except BaseException:
        hold.release()
        raise
    zone = time_zone(session.settings.time_zone)
    runner = Runner(store, session.client, zone=zone, fields=table_fields)
    said_at = [time.monotonic()]
    try:
        return runner.carry_out(entry, started, hold, lambda put: _say_progress(put, said_at))
    except RunLostError as error:
        raise WrongUseError(f"{error}; see feishu-batch schedule list") from None


def _begin(store: Schedules, entry: ScheduleEntry, *, even_if_open: bool) -> Run:
    now = time.time()
    text = store.read([entry.name]).get(entry.name)
    record = _record(text) or first_record(entry, now)
    if record.run and record.run.state is RunState.OPEN:
        text, record = followed(store, entry.name, text, record, now)
    _refuse_second(entry, record, even_if_open=even_if_open)
    started = Run(now, now)
    if not store.replace(entry.name, text, replace(record, run=started).to_json()):
        raise WrongUseError(f"{entry.name} was just started by another process; nothing was done")
    return started


def _refuse_second(entry: ScheduleEntry, record: Record, *, even_if_open: bool) -> None:
    before = record.run
    if before and not before.state.is_over and not even_if_open:
        left, since = before.intents - before.checked, local(before.due, entry.timezone)
        raise WrongUseError(
            f"the run of {since} has not ended: {left} of its {before.intents} intents are open;"
            " wait for it, or give --even-if-open"
        )


def _say_progress(put: SortedRows, said_at: list[float]) -> None:
    if time.monotonic() - said_at[0] > SAY_EVERY and put.enqueued:
        click.echo(f"line {put.enqueued[-1].line} …")
        said_at[0] = time.monotonic()


def _ended(done: Run) -> str:
    if done.intents == 1:
        return f"The intent has ended; {'it has items that failed' if done.failed else 'no item of it failed'}."
    verb = "has" if done.failed == 1 else "have"
    return f"All {done.intents} intents have ended; {done.failed} of them {verb} items that failed."


def _print_run(done: Run) -> None:
    if done.state is RunState.FAILED:
        click.echo(f"Nothing was enqueued: {done.reason}", err=True)
        return
    click.echo(f"{some(done.intents, 'intent')} enqueued.")
    if done.reason:
        click.echo(done.reason, err=True)


def _wait(store: Schedules, name: str, run: Run) -> Run:
    """Wait until the run is over, or another run has replaced it in the record."""
    said_at = time.monotonic()
    try:
        while True:
            text = store.read([name]).get(name)
            record = _record(text)
            if record is None or record.run is None or record.run.due != run.due:
                raise WrongUseError(f"another run of {name} was started; see feishu-batch schedule list")
            if record.run.state is RunState.OPEN:
                _, record = followed(store, name, text, record, time.time())
            if record.run is None or record.run.state.is_over:
                return record.run or run
            if time.monotonic() - said_at > SAY_EVERY:
                click.echo(f"{record.run.checked} of {record.run.intents} intents have ended …")
                said_at = time.monotonic()
            time.sleep(TICK)
    except KeyboardInterrupt:
        raise InterruptedByUserError("Stopped waiting; the work continues: feishu-batch schedule list") from None


def _record(text: str | None) -> Record | None:
    try:
        return record_of(text)
    except ValidationError:
        return None  # written by another version; the workers rewrite it


# --- output ---------------------------------------------------------------------------------------------------------


def _how_to_begin(settings: Settings) -> str:
    path = schedule_file(settings)
    where = f"{path} has no entry" if path else "There is no schedule file"
    return (
        f"{where}. Copy the examples of config/schedule.toml (see docs/schedules.md) into the working directory"
        f" or to the path in {ENV_PREFIX}SCHEDULE_FILE; then restart `feishu-batch up`."
    )


def _print(out: Console, entries: Sequence[ScheduleEntry], records: dict[str, Record | None], now: float) -> None:
    rows = []
    for entry in entries:
        record = records.get(entry.name)
        when = local(entry.times.next(now), entry.timezone)
        rows.append((entry.name, entry.in_words, when, _last(entry, record), _remark(entry, record)))
    out.print(table(("name", "when", "next run", "last run", ""), rows))


def _last(entry: ScheduleEntry, record: Record | None) -> str:
    run = record.run if record else None
    if run is None:
        return "none yet"
    what = f"{local(run.due, entry.timezone)}: {run.state}"
    if run.state is RunState.OPEN:
        return f"{what}, {run.checked} of {run.intents} intents ended"
    return f"{what}, {run.intents} intents" + (f", {run.failed} with failed items" if run.failed else "")


def _remark(entry: ScheduleEntry, record: Record | None) -> str:
    if record is None:
        return "not read by a worker yet: restart `feishu-batch up`"
    remarks = [record.run.reason] if record.run and record.run.reason else []
    if record.waits:
        remarks.append(f"the run of {local(record.due, entry.timezone)} waits until the present one has ended")
    if record.skipped and (record.run is None or record.skipped > record.run.due):
        remarks.append(f"{local(record.skipped, entry.timezone)} was skipped: {record.reason}")
    return "; ".join(one[:REASON_SHOWN] for one in remarks)


def document(entry: ScheduleEntry, record: Record | None, now: float) -> dict[str, Any]:
    """The documented shape of an entry of `feishu-batch schedule list --json`. Times are ISO, UTC."""
    run = record.run if record else None
    return {
        "name": entry.name,
        "when": entry.in_words,
        "timezone": entry.timezone,
        "next_run": iso(entry.times.next(now)),
        "last_run": _run_json(run) if run else None,
        "waits": bool(record and record.waits),
        "skipped": {"due": iso(record.skipped), "reason": record.reason} if record and record.skipped else None,
    }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "due": iso(run.due),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "state": run.state.value,
        "intents": run.intents,
        "ended": run.checked,
        "failed": run.failed,
        "rejected": run.rejected,
        "reason": run.reason or None,
    }
