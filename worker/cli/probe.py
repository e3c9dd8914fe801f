"""`feishu-batch probe`: finds out what the vendor does not document, on test items of a live tenant."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import click
from redis.exceptions import RedisError
from rich.console import Console

from worker.cli.errors import DONE, INTERRUPTED, SOME_FAILED
from worker.cli.local_times import moment
from worker.cli.options import json_option
from worker.cli.output import console, print_json
from worker.cli.probe_report import document, print_end, print_intention, print_reading, record
from worker.cli.probe_setup import ProbeSetup, set_up
from worker.ledger.lane import Lane
from worker.ledger.probed import save_probe
from worker.operating.errors import WrongUseError
from worker.operating.probing.every import NAMES, ProbeStep, chosen_steps
from worker.operating.probing.fitting import FittingSetting, as_env_file, settings_that_fit
from worker.operating.probing.probe import ProbeOutcome, make_readings, put_back
from worker.operating.probing.run import ProbeRun
from worker.operating.session import open_session
from worker.writing.ids import IdError, ids_in

_ENDS: Final = "Nothing was sent."
MOST_ITEMS: Final = 10


@click.command("probe", short_help="Find out how Feishu Project behaves, on test items.")
@click.option("--space", required=True, metavar="KEY", help="The space's key, or its simple name.")
@click.option("--type", "type_key", required=True, metavar="KEY", help="The item type's key: story, issue, ….")
@click.option("--items", "item_text", required=True, metavar="A,B,…", help="Test items, whose fields have a value.")
@click.option("--field", required=True, metavar="NAME", help="A field to write, by name, alias or key.")
@click.option("--field2", metavar="NAME", help="A second one, for what needs two fields.")
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="Only this reading, and the two that it needs. Repeatable."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--write-env",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the settings that fit to this file.",
)
@click.option("--replace", is_flag=True, help="Replace the file of --write-env if it exists.")
@json_option
def probe(
    space: str,
    type_key: str,
    item_text: str,
    field: str,
    field2: str | None,
    only: tuple[str, ...],
    yes: bool,
    write_env: Path | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Find out what the vendor does not document: on test items of a live tenant, by about 200 requests within a few minutes.

    Example:
      feishu-batch probe --space demo --type story --items 1001,1002 --field "Story points" --field2 Priority --write-env probed.env

    It writes test values to the fields of these items, also too fast on purpose, and reads them. Take test items: the remote system may
    notify people. It says first what it will do, and asks, unless --yes is given. In the end, also after Ctrl-C, it puts
    the values back and reads them to be sure. So each field must hold a value, and be of a type whose values can be compared: text,
    number, bool, select, radio or multi_select.

    It uses the credentials and the slots of the lane, and refuses to start while the lane has work. Each reading is printed with how sure
    it is; docs/probe.md explains them. What was found is kept in the ledger: `doctor` names it.

    Exit codes: 0 done, and all values are back; 1 it ended early, or a value could not be put back, or FILE not written; 2 wrong use, not confirmed, or the
    lane has work; 3 Redis or Feishu Project cannot be reached; 130 Ctrl-C, and all values are back.
    """
    if as_json and not yes:
        raise WrongUseError("--json cannot ask for confirmation; add --yes")
    if write_env is not None and write_env.exists() and not replace:
        raise WrongUseError(f"--write-env {write_env}: the file exists; add --replace to replace it. {_ENDS}")
    items, steps = _items(item_text), chosen_steps(only)
    session = open_session()
    setup = set_up(session, space, type_key, items, (field, *filter(None, [field2])))
    out = console(stderr=as_json)
    print_intention(out, setup, steps)
    if not yes and not _confirmed():
        raise WrongUseError("not confirmed; nothing was sent")
    result = _carry_out(out, setup, steps, session.settings.grace_seconds)
    settings = settings_that_fit(result.readings)
    print_end(out, setup, result, settings)
    is_written = write_env is None or _write(write_env, setup, settings, moment(session.settings, time.time()))
    if as_json:
        print_json(console(), document(setup, result, settings, str(write_env) if write_env and is_written else None))
    elif write_env is not None and is_written:
        out.print(
            f"Written to {write_env}: put its lines into .env, or into the environment of the workers, and restart them.",
            soft_wrap=True,
        )
    save_probe(session.redis, setup.lane.keys, record(setup, result))
    if result.error is not None:
        raise result.error
    return _exit_code(result) if is_written else SOME_FAILED


def _items(text: str) -> tuple[int, ...]:
    try:
        items = tuple(dict.fromkeys(ids_in(text).ids))
    except IdError as error:
        raise WrongUseError(f"--items {text}: {error}. {_ENDS}") from None
    if len(items) > MOST_ITEMS:
        raise WrongUseError(
            f"--items names {len(items)} work items; two or three are enough, {MOST_ITEMS} are the most. {_ENDS}"
        )
    return items


def _confirmed() -> bool:
    try:
        return click.confirm("Start?", default=False, err=True)
    except click.Abort:  # also a closed standard input, as under cron
        click.echo(err=True)
        return False


def _carry_out(out: Console, setup: ProbeSetup, steps: Sequence[ProbeStep], grace: float) -> ProbeOutcome:
    """From the first write on, nothing ends it before the values are back, except a second Ctrl-C meanwhile."""
    run, result, stop = ProbeRun(setup.sender, setup.place), ProbeOutcome(), _Stop(out)
    with _released(setup.sharing), _handled(stop):
        try:
            try:
                make_readings(run, steps, lambda reading: print_reading(out, reading), result)
            finally:
                stop.is_putting_back = True
        except KeyboardInterrupt:
            result.interrupted = True
        out.print("Putting the values back …")
        put_back(run, setup.before, result, grace)
    return result


@contextmanager
def _released(lanes: Sequence[Lane]) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(RedisError):
            for lane in lanes:
                lane.release()


class _Stop:
    """Of SIGINT and SIGTERM: the first one ends the readings. While values are put back, it takes two."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._is_warned = False
        self.is_putting_back = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_putting_back and not self._is_warned:
            self._is_warned = True
            self._out.print("The values are being put back. Ctrl-C again leaves test values in the items.")
            return
        self.is_putting_back = True
        raise KeyboardInterrupt


@contextmanager
def _handled(stop: _Stop) -> Iterator[None]:
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(path: Path, setup: ProbeSetup, settings: Sequence[FittingSetting], when: str) -> bool:
    text = as_env_file(settings, f"{setup.space}, {setup.place.type_key}", when)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"--write-env {path}: cannot be written: {error.strerror or error}", err=True)
        return False
    return True


def _exit_code(result: ProbeOutcome) -> int:
    if result.interrupted and not result.not_restored:
        return INTERRUPTED
    return DONE if result.is_whole else SOME_FAILED
