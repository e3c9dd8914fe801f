"""`feishu-batch doctor`: checks everything that the work depends on, and gives advice."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from celery import Celery
from rich.console import Console
from rich.text import Text

from config.errors import ConfigError
from config.lanes import load_lanes
from config.routing import QueueName, queue_name, roles_by_queue
from config.schedules import load_schedules
from config.settings import Settings, load_settings, process_environment, unknown_variables
from worker.cli.doctor_remote import check_remote
from worker.cli.errors import DONE, SOME_FAILED, UNREACHABLE, WRONG_USE
from worker.cli.local_times import moment
from worker.cli.options import json_option, lane_option
from worker.cli.output import console, print_json
from worker.connections import OtherFormatError, control_app
from worker.ledger.belonging import Belonging
from worker.ledger.probed import load_probe
from worker.ledger.reads.lane_health import read_lane_health
from worker.operating.errors import UnreachableError
from worker.operating.health import (
    Check,
    Mark,
    check_beat,
    check_clock,
    check_disk,
    check_inbox,
    check_lane,
    check_probe,
    check_redis,
    check_settings,
    check_strays,
    check_workers,
    fail,
    ok,
)
from worker.operating.redis_commands import examine
from worker.operating.session import Session, session_of, with_running_redis
from worker.operating.views import inbox_view, lane_view
from worker.processes.belonging import objections, perhaps_served, refuse_other_ledgers, remote_of

PING_SECONDS = 1.0
_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "red"}


@click.command("doctor", short_help="Check everything that the work depends on.")
@click.option(
    "--project-key",
    "--space",
    "space",
    metavar="KEY",
    help="Check this space too (its key or simple name).",
)
@click.option("--type", "type_key", metavar="KEY", help="Check this item type of the space too.")
@lane_option
@json_option
def doctor(space: str | None, type_key: str | None, lane: str | None, as_json: bool) -> int:
    """Check everything that the work depends on, with advice for each problem.

    Example:
      feishu-batch doctor --space demo --type story

    It checks the settings, the schedules, Redis (version, persistence, eviction, memory, clock), the credentials (by fetching a token, which is not
    kept), the acting user, the space and type if you name them, the workers, beat, the inbox, each lane (paused? stalled? probed?) and the disk. One line
    for each check: ok, warn or fail, with advice. Run it where the workers run, with their settings. It changes nothing.

    Exit codes: 0 no check failed; 1 a check failed; 2 wrong use, a setting is wrong, or the ledger has another
    version's format; 3 Redis cannot be reached.
    """
    if type_key and not space:
        raise click.UsageError("--type needs --space")
    settings = load_settings()
    checks = [*check_settings(unknown_variables(process_environment())), _schedules(settings), _disk(settings)]
    try:
        session = session_of(with_running_redis(settings))
    except UnreachableError as error:
        checks += [fail("redis", str(error), "The other checks need Redis.")]
        _show(checks, as_json=as_json)
        return UNREACHABLE
    except OtherFormatError as error:
        checks += [fail("ledger", str(error), "")]
        _show(checks, as_json=as_json)
        return WRONG_USE
    session.chosen_lanes(lane)
    checks += _here(session, lane)
    checks += check_remote(session.settings, lane, space, type_key)
    _show(checks, as_json=as_json)
    return DONE if all(check.mark is Mark.OK for check in checks) else SOME_FAILED


def _here(session: Session, lane: str | None) -> Iterator[Check]:
    settings = session.settings
    lanes = session.chosen_lanes(lane)
    yield from check_redis(examine(settings))
    yield check_clock(time.time(), lanes[0].wall())
    yield _belonging(session)
    yield from _workers(settings)
    seen = {one.name: read_lane_health(session.redis, one.keys) for one in lanes}
    yield from check_beat(seen, settings.sweep_seconds)
    yield check_inbox(inbox_view(session.reads))
    for one in lanes:
        yield from check_lane(
            lane_view(session.reads, one), seen[one.name], settings.slot_seconds, settings.max_open_jobs
        )
        if found := load_probe(session.redis, one.keys):
            yield check_probe(one.name, found, moment(settings, found["at"]))


def _disk(settings: Settings) -> Check:
    place = _existing(settings.data_dir)
    disk = shutil.disk_usage(place)
    return check_disk(disk.free, disk.total, str(place), holds_ledger=settings.redis_url is None)


def _schedules(settings: Settings) -> Check:
    try:
        entries = load_schedules(settings)
    except ConfigError as error:
        return fail("schedules", str(error), "Correct the file, then start beat and the intake worker again.")
    return ok("schedules", f"{len(entries)} entries, all valid" if entries else "no scheduled work is defined")


def _belonging(session: Session) -> Check:
    """The check of a starting worker, without its wait for sweeps of other workers."""
    settings = session.settings
    try:
        lanes = load_lanes(settings)
    except ConfigError:  # another check says so
        return ok("ledger", "no credentials are set here, so whose lanes these are is not checked")
    ours = {lane.name: remote_of(lane) for lane in lanes.lanes}
    belonging = Belonging(session.redis, settings.key_prefix)
    signs = belonging.look(ours)
    for one in objections(ours, signs, {lane.name for lane in lanes.refused}):
        if one.served is None or perhaps_served(signs.lanes[one.served], settings.sweep_seconds):
            return fail("ledger", one.what, "Workers with these settings are refused.")
    try:
        refuse_other_ledgers(settings, belonging)
    except ConfigError as error:
        return fail("ledger", str(error), "")
    return ok("ledger", "its lanes work for the remote systems and plugins of these settings")


def _existing(path: Path) -> Path:
    """The directory itself, or its nearest parent that exists."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _workers(settings: Settings) -> Iterator[Check]:
    app = control_app(settings)
    with contextlib.closing(app):
        try:
            answers = app.control.inspect(timeout=PING_SECONDS).active_queues()
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the workers cannot be reached
            yield fail("workers", f"cannot be reached ({type(error).__name__})", "Check FEISHU_BATCH_BROKER_URL.")
            return
        strays = _waiting(app, QueueName.INTENTS)
    consumed = {queue["name"] for queues in (answers or {}).values() for queue in queues}
    yield from check_workers(roles_by_queue(settings), consumed)
    yield from check_strays(queue_name(QueueName.INTENTS, settings), strays)


def _waiting(app: Celery, queue: str) -> int | None:
    """Messages in the queue; None if there is no such queue, or the broker does not answer."""
    try:
        with app.connection_for_write() as connection:
            return int(connection.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except Exception:  # noqa: BLE001 - whatever the broker raises
        return None


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
