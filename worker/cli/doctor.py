"""`feishu-batch doctor`: looks at everything that the work depends on, and says what to do."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from config.errors import ConfigError
from config.schedules import load_schedules
from config.settings import Settings, load_settings, process_environment, unknown_variables
from worker.cli.doctor_remote import check_remote
from worker.cli.errors import DONE, SOME_FAILED, UNREACHABLE, UnreachableError
from worker.cli.options import json_option, lane_option
from worker.cli.output import console, print_json
from worker.cli.session import Session, session_of, with_running_redis
from worker.connections import control_app
from worker.ledger.vitals import vitals
from worker.operating.views import inbox_view, lane_view
from worker.processes.health import (
    Check,
    Mark,
    check_beat,
    check_clock,
    check_disk,
    check_inbox,
    check_lane,
    check_redis,
    check_settings,
    check_workers,
    fail,
    ok,
)
from worker.processes.redis_checks import inspect

PING_SECONDS = 1.0
_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "red"}


@click.command("doctor", short_help="Check everything that the work depends on.")
@click.option(
    "--project-key",
    "--space",
    "space",
    metavar="KEY",
    help="Also whether this space (its key or simple name) can be reached.",
)
@click.option("--type", "type_key", metavar="KEY", help="Also whether this item type of the space can be read.")
@lane_option
@json_option
def doctor(space: str | None, type_key: str | None, lane: str | None, as_json: bool) -> int:
    """Check everything that the work depends on, and say what to do about what is not well.

    Example:
      feishu-batch doctor --space demo --type story

    It looks at the settings, the schedules, Redis (version, persistence, eviction, memory, clock), the credentials (by fetching a token, which is not
    kept), the acting user, the space and type if they are named, the workers, beat, the inbox, each lane (paused? moving?) and the disk. One line for
    each: ok, warn or fail, with advice. Run it where the workers run, with their settings. It changes nothing.

    Exit codes: 0 all is well; 1 something is not; 2 wrong use, or a setting cannot be used; 3 Redis cannot be reached.
    """
    if type_key and not space:
        raise click.UsageError("--type needs --space")
    settings = load_settings()
    checks = [*check_settings(unknown_variables(process_environment())), _schedules(settings), _disk(settings)]
    try:
        session = session_of(with_running_redis(settings))
    except UnreachableError as error:
        checks += [fail("redis", str(error), "Nothing else can be told without it.")]
        _show(checks, as_json=as_json)
        return UNREACHABLE
    session.chosen_lanes(lane)
    checks += _here(session, lane)
    checks += check_remote(session.settings, lane, space, type_key)
    _show(checks, as_json=as_json)
    return DONE if all(check.mark is Mark.OK for check in checks) else SOME_FAILED


def _here(session: Session, lane: str | None) -> Iterator[Check]:
    settings = session.settings
    lanes = session.chosen_lanes(lane)
    yield from check_redis(inspect(session.redis))
    yield check_clock(time.time(), lanes[0].wall())
    yield from _workers(settings)
    seen = {one.name: vitals(session.redis, one.prefix) for one in lanes}
    yield from check_beat(seen, settings.sweep_seconds)
    yield check_inbox(inbox_view(session.reading))
    for one in lanes:
        yield from check_lane(
            lane_view(session.reading, one), seen[one.name], settings.slot_seconds, settings.max_open_jobs
        )


def _disk(settings: Settings) -> Check:
    place = _existing(settings.data_dir)
    disk = shutil.disk_usage(place)
    return check_disk(disk.free, disk.total, str(place), holds_ledger=settings.redis_url is None)


def _schedules(settings: Settings) -> Check:
    try:
        entries = load_schedules(settings)
    except ConfigError as error:
        return fail("schedules", str(error), "Correct the file, then start beat and the intake worker again.")
    return ok(
        "schedules", f"{len(entries)} entries, all well-formed" if entries else "nothing is to be done at certain times"
    )


def _existing(path: Path) -> Path:
    """The directory itself, or the one that it would be made in."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _workers(settings: Settings) -> Iterator[Check]:
    app = control_app(settings)
    with contextlib.closing(app):
        try:
            answers = app.control.inspect(timeout=PING_SECONDS).active_queues()
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, nobody can be asked
            yield fail("workers", f"they cannot be asked ({type(error).__name__})", "Check FEISHU_BATCH_BROKER_URL.")
            return
    yield from check_workers({queue["name"] for queues in (answers or {}).values() for queue in queues})


# --- output ---------------------------------------------------------------------------------------------------------


def _show(checks: Sequence[Check], *, as_json: bool) -> None:
    out = console()
    if as_json:
        print_json(out, document(checks))
        return
    for check in checks:
        _print(out, check)


def _print(out: Console, check: Check) -> None:
    line = Text(f"{check.mark:<4}", style=_STYLES[check.mark])
    advice = f". {check.advice}" if check.advice else ""
    out.print(line + Text(f"  {check.name:<11} {check.what.rstrip('.')}{advice}"), soft_wrap=True)


def document(checks: Sequence[Check]) -> dict[str, object]:
    """The documented shape of `feishu-batch doctor --json`."""
    return {
        "ok": all(check.mark is Mark.OK for check in checks),
        "checks": [
            {"name": one.name, "mark": one.mark.value, "what": one.what, "advice": one.advice or None} for one in checks
        ],
    }
