"""`feishu-batch up`: everything on this machine, in the foreground."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import click

from config.lanes import load_lanes
from config.schedules import load_schedules, schedule_file
from config.settings import Settings, load_settings
from config.urls import masked_url
from worker.cli.announcing import Announcer
from worker.cli.errors import DONE, SOME_FAILED, UnreachableError
from worker.cli.session import check_redis, refuse_unusable
from worker.cli.stack import Stack, prepared, termination_as_interrupt, wait_until_ready
from worker.cli.standstill import pause_before_start
from worker.connections import connect
from worker.processes.child import Child
from worker.processes.embedded_files import url_file
from worker.processes.redis_checks import inspect
from worker.processes.supervisor import Event, EventKind, Supervisor
from worker.web.listening import CannotListenError, address_of, dashboard_child, listen, require_safe

Say = Callable[..., None]  # `Announcer.say`
READY_WITHIN = 120.0  # seconds; a large append-only file takes a while to be read back


@click.command("up", short_help="Run everything on this machine.")
@click.option(
    "--paused", is_flag=True, help="Send nothing until `feishu-batch resume`: after a restore, or to look first."
)
def up(*, paused: bool) -> int:
    """Run everything on this machine: submit, poll and intake workers, beat, the status page, and Redis if none is named.

    Example:
      export FEISHU_BATCH_PLUGIN_ID=... FEISHU_BATCH_PLUGIN_SECRET=... FEISHU_BATCH_USER_KEY=...
      feishu-batch up

    Without FEISHU_BATCH_REDIS_URL it runs a server of its own, which keeps its files in FEISHU_BATCH_DATA_DIR (.feishu-batch); the
    other commands find it there. It stays in the foreground until Ctrl-C or SIGTERM, then lets what is being sent finish (at most
    30 s) and leaves no process behind. A second Ctrl-C hurries. Nothing is lost either way: the next `up` goes on.

    With --paused every lane stands still before the first worker runs, as after `feishu-batch pause`: intents are taken in, open jobs are
    followed to their end, and nothing is sent until `feishu-batch resume`. So a restored ledger can be looked at.

    Prints what runs where, and a line when the workers are ready; the workers' logs go to stderr.

    Exit codes: 0 ended as asked; 1 a process had to be killed; 2 a setting is missing or wrong; 3 Redis cannot be reached or
    cannot be used, or an `up` already runs with the same FEISHU_BATCH_DATA_DIR.
    """
    settings = load_settings()
    lanes = load_lanes(settings)
    schedules = load_schedules(settings)
    say = Announcer(settings).say
    if settings.redis_url is not None:
        _check_redis(settings, say)
    if settings.dashboard_enabled:
        require_safe(settings)
    if paused:
        names = pause_before_start(settings)
        say("up.paused", f"paused until `feishu-batch resume`: {', '.join(names)}")
    with termination_as_interrupt(), prepared(settings) as stack, _status_page(stack.settings, say) as page:
        for lane in lanes.lanes:
            say("up.lane", f"lane {lane.name}: {lane.base_url} as user {lane.user_key}", lane=lane.name)
        say("up.redis", f"redis: {masked_url(stack.settings.effective_redis_url)} ({_where(stack)})")
        if schedules:
            say("up.schedules", f"schedules: {len(schedules)}, from {schedule_file(settings)}")
        clean = _run(stack, page, say)
    say("up.ended", "All processes have ended." if clean else "All processes have ended; some had to be killed.")
    return DONE if clean else SOME_FAILED


def _check_redis(settings: Settings, say: Say) -> None:
    """Refuses what cannot work, and says what would lose something sooner or later."""
    redis = connect(settings)
    try:
        check_redis(settings, redis)
    except UnreachableError as error:
        raise UnreachableError(f"{error}{_perhaps_our_own(settings)}") from None
    found = inspect(redis)
    refuse_unusable(settings, found)
    for finding in found:
        say("up.redis_unfit", f"{finding.severity}: {finding.sentence}", is_trouble=True)


def _perhaps_our_own(settings: Settings) -> str:
    """Whoever exports the embedded server's URL for a backend app, and starts `up` in the same shell, asks for it before it is there."""
    parts = urlsplit(settings.effective_redis_url)
    with contextlib.suppress(OSError):
        if url_file(settings.data_dir).read_text().strip() == settings.effective_redis_url:
            return (
                ". It is the embedded server of an earlier `up`: unset FEISHU_BATCH_REDIS_URL, and `up` starts it again"
            )
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return ". Or unset it, if it was the embedded server of an earlier `up`, which starts it by itself"
    return ""


@contextlib.contextmanager
def _status_page(settings: Settings, say: Say) -> Iterator[tuple[Child, ...]]:
    """None of its troubles keeps the work from being done."""
    if not settings.dashboard_enabled:
        yield ()
        return
    try:
        listener = listen(settings, or_any_port=True)
    except CannotListenError as error:
        say("up.no_page", f"No status page: {error}", is_trouble=True)
        yield ()
        return
    with listener:
        taken = settings.dashboard_port not in {0, listener.getsockname()[1]}
        note = f" (port {settings.dashboard_port} is taken)" if taken else ""
        say("up.page", f"status page: {address_of(listener)}{note}", address=address_of(listener))
        yield (dashboard_child(settings, sys.executable, listener),)


def _run(stack: Stack, page: tuple[Child, ...], say: Say) -> bool:
    over = threading.Event()
    supervisor = Supervisor((*stack.children, *page), on_event=partial(_say_event, say))
    herald = threading.Thread(target=_announce, args=(stack.settings, over, say), daemon=True)
    herald.start()
    try:
        return supervisor.run() == 0
    finally:
        over.set()
        herald.join(timeout=2)


def _announce(settings: Settings, over: threading.Event, say: Say) -> None:
    if wait_until_ready(settings, os.getpid(), over, READY_WITHIN):
        say("up.ready", "Ready. End with Ctrl-C.")
    elif not over.is_set():
        why = f"The workers do not answer after {READY_WITHIN:g} s; their logs say why."
        say("up.not_ready", why, is_trouble=True)


def _where(stack: Stack) -> str:
    return f"embedded server, files in {stack.settings.data_dir.absolute()}" if stack.is_embedded else "as configured"


def _say_event(say: Say, event: Event) -> None:
    is_trouble = event.kind in {EventKind.DIED, EventKind.KILLED}
    ids = {"process": event.child, "pid": event.pid, "exit_code": event.exit_code}
    say(f"process.{event.kind}", event.sentence, is_trouble=is_trouble, **ids)
