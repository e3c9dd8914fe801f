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
from config.lanes import LaneConfig, load_lanes
from config.schedules import load_schedules
from config.settings import Settings, load_settings, process_environment, unknown_variables
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
    warn,
)
from worker.processes.redis_checks import inspect
from worker.remote.client import RemoteClient
from worker.remote.errors import LaneStopped, RemoteError
from worker.remote.models import Token
from worker.runtime import remote_from

PING_SECONDS = 1.0
_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "red"}


@click.command("doctor", short_help="Check everything that the work depends on.")
@click.option("--project-key", metavar="KEY", help="Also whether this space can be reached.")
@click.option("--type", "type_key", metavar="KEY", help="Also whether this item type of the space can be read.")
@lane_option
@json_option
def doctor(project_key: str | None, type_key: str | None, lane: str | None, as_json: bool) -> int:
    """Check everything that the work depends on, and say what to do about what is not well.

    Example:
      feishu-batch doctor --project-key 5f0c1a2b3c4d5e6f70818283 --type story

    It looks at the settings, the schedules, Redis (version, persistence, eviction, memory, clock), the credentials (by fetching a token, which is not
    kept), the space and type if they are named, the workers, beat, the inbox, each lane (paused? moving?) and the disk. One line for
    each: ok, warn or fail, with advice. Run it where the workers run, with their settings. It changes nothing.

    Exit codes: 0 all is well; 1 something is not; 2 wrong use, or a setting cannot be used; 3 Redis cannot be reached.
    """
    if type_key and not project_key:
        raise click.UsageError("--type needs --project-key")
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
    checks += _remote(session.settings, lane, project_key, type_key)
    _show(checks, as_json=as_json)
    return DONE if all(check.mark is Mark.OK for check in checks) else SOME_FAILED


def _here(session: Session, lane: str | None) -> Iterator[Check]:
    settings = session.settings
    lanes = session.chosen_lanes(lane)
    yield from check_redis(inspect(session.redis))
    yield check_clock(time.time(), lanes[0].now())
    yield from _workers(settings)
    seen = {one.name: vitals(session.redis, one.prefix) for one in lanes}
    yield from check_beat(seen, settings.sweep_seconds)
    yield check_inbox(inbox_view(session.reading))
    for one in lanes:
        yield from check_lane(lane_view(session.reading, one), seen[one.name], settings.max_open_jobs)


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


# --- the remote system ----------------------------------------------------------------------------------------------


def _remote(settings: Settings, lane: str | None, project_key: str | None, type_key: str | None) -> Iterator[Check]:
    try:
        lanes = load_lanes(settings)
    except ConfigError as error:
        yield warn("credentials", f"not looked at: {error}", "Run this with the settings of the workers.")
        return
    name = lane or (lanes.route(None, project_key) if project_key else None)
    for one in lanes.lanes:
        if lane in (None, one.name):
            space = project_key if name == one.name else None
            yield from _credential(one, settings, space, type_key)


def _credential(lane: LaneConfig, settings: Settings, project_key: str | None, type_key: str | None) -> Iterator[Check]:
    remote = remote_from(lane, settings)
    try:
        token = remote.authenticate()
    except RemoteError as error:
        yield fail("credentials", f"lane {lane.name} got no token from {lane.base_url}: {error}", _advice(error))
        return
    yield ok("credentials", f"lane {lane.name} got a token from {lane.base_url}")
    if project_key:
        yield _space(remote, token, project_key)
    if project_key and type_key:
        yield _type(remote, token, project_key, type_key)


def _space(remote: RemoteClient, token: Token, project_key: str) -> Check:
    try:
        found = [one for one in remote.projects_detail([project_key], token=token) if one.project_key == project_key]
    except RemoteError as error:
        return fail("space", f"{project_key} cannot be read: {error}", _advice(error))
    if not found:
        advice = "Check the key (not the simple name), install the plugin there, and let the user join."
        return fail("space", f"{project_key} is not among the spaces of this plugin and user", advice)
    return ok("space", f"{project_key} is {found[0].name or found[0].simple_name}")


def _type(remote: RemoteClient, token: Token, project_key: str, type_key: str) -> Check:
    try:
        fields = remote.fields(project_key, type_key, token=token)
    except RemoteError as error:
        return fail("type", f"{type_key} cannot be read: {error}", _advice(error))
    writable = sum(field.is_writable and not field.is_obsolete for field in fields)
    return ok("type", f"{type_key} has {len(fields)} fields, {writable} of them can be changed")


def _advice(error: RemoteError) -> str:
    if isinstance(error, LaneStopped) and error.advice:
        return error.advice
    if error.http_status is None:
        return "Check FEISHU_BATCH_BASE_URL and the network between this machine and it."
    return "Check the key, and the permissions of the plugin and of the acting user."


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
