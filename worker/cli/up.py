"""`feishu-batch up`: everything on this machine, in the foreground."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import click
from redis.exceptions import RedisError

from config.lanes import load_lanes
from config.schedules import load_schedules, schedule_file
from config.settings import Settings, load_settings
from config.urls import masked_url
from worker.cli.errors import DONE, SOME_FAILED
from worker.cli.notices import Notices
from worker.cli.stack import Stack, prepared, termination_as_interrupt, wait_until_ready
from worker.cli.start_paused import pause_before_start
from worker.connections import OtherFormatError, connect
from worker.operating.embedded_files import url_file
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.redis_commands import examine
from worker.operating.session import check_redis, refuse_unusable
from worker.processes.admission import ask_for_admission
from worker.processes.child import REFUSED, Child
from worker.processes.supervisor import Event, EventKind, Supervisor
from worker.web.listening import CannotListenError, address_of, dashboard_child, listen, require_safe

Say = Callable[..., None]  # `Announcer.say`
READY_WITHIN = 120.0  # seconds; a large append-only file takes a while to be read back


@click.command("up", short_help="Run everything on this machine.")
@click.option(
    "--paused", is_flag=True, help="Send nothing until `feishu-batch resume`, for example to check a restored ledger."
)
def up(*, paused: bool) -> int:
    """Run everything on this machine: submit, poll and intake workers, beat, the status page, and Redis if none is set.

    Example:
      export FEISHU_BATCH_PLUGIN_ID=... FEISHU_BATCH_PLUGIN_SECRET=... FEISHU_BATCH_USER_KEY=...
      feishu-batch up

    Without FEISHU_BATCH_REDIS_URL it runs an embedded server with its files in FEISHU_BATCH_DATA_DIR (.feishu-batch), where the
    other commands find it. It stays in the foreground until Ctrl-C or SIGTERM. Then it finishes the requests that are being sent (at
    most 30 s) and leaves no process behind. A second Ctrl-C ends it faster. No work is lost either way: the next `up` continues.

    With --paused every lane is paused before the first worker starts, as by `feishu-batch pause`: intents are recorded and open jobs
    tracked, but no request is sent until `feishu-batch resume`. Use it to check a restored ledger first.

    Prints the addresses and files in use, and a line when the workers are ready. The workers' logs go to stderr.

    Exit codes: 0 ended by Ctrl-C or SIGTERM; 1 a process had to be killed; 2 a setting is missing or wrong, or the ledger has another
    version's format; 3 Redis cannot be reached
    or cannot be used, or another `up` is running with the same FEISHU_BATCH_DATA_DIR.
    """
    settings = load_settings()
    lanes = load_lanes(settings)
    schedules = load_schedules(settings)
    say = Notices(settings).say
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
        for refused in lanes.refused:
            say(
                "up.lane_refused",
                f"lane {refused.name} is not served: {refused.why}",
                lane=refused.name,
                is_trouble=True,
            )
        say("up.redis", f"redis: {masked_url(stack.settings.effective_redis_url)} ({_where(stack)})")
        if schedules:
            say("up.schedules", f"schedules: {len(schedules)}, from {schedule_file(settings)}")
        code = _run(stack, page, say)
    if code == REFUSED:
        raise WrongUseError("a worker may not serve this ledger with these settings; its line above says why")
    clean = code == 0
    say("up.ended", "All processes have ended." if clean else "All processes have ended; some had to be killed.")
    return DONE if clean else SOME_FAILED


def _check_redis(settings: Settings, say: Say) -> None:
    """Raises for a Redis that cannot work, and warns of settings that may lose data."""
    try:
        with contextlib.closing(connect(settings, any_format=True)) as redis:
            check_redis(settings, redis)
    except UnreachableError as error:
        raise UnreachableError(f"{error}{_perhaps_our_own(settings)}") from None
    found = examine(settings)
    refuse_unusable(settings, found)
    for finding in found:
        say("up.redis_unfit", f"{finding.severity}: {finding.sentence}", is_trouble=True)
    with contextlib.suppress(RedisError):  # what cannot be asked now, each worker asks for itself
        ask_for_admission(settings)


def _perhaps_our_own(settings: Settings) -> str:
    """A shell may still export the embedded server's URL for a backend app. `up` then looks for a server that it has not started yet."""
    parts = urlsplit(settings.effective_redis_url)
    with contextlib.suppress(OSError):
        if url_file(settings.data_dir).read_text().strip() == settings.effective_redis_url:
            return ". That is the embedded server of an earlier `up`: unset FEISHU_BATCH_REDIS_URL, and `up` starts it again"
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return ". Or unset it, if that was the embedded server of an earlier `up`: then `up` starts it itself"
    return ""


@contextlib.contextmanager
def _status_page(settings: Settings, say: Say) -> Iterator[tuple[Child, ...]]:
    """Trouble with the status page never stops the workers."""
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
        note = f" (port {settings.dashboard_port} is in use)" if taken else ""
        say("up.page", f"status page: {address_of(listener)}{note}", address=address_of(listener))
        yield (dashboard_child(settings, sys.executable, listener),)


def _run(stack: Stack, page: tuple[Child, ...], say: Say) -> int:
    over = threading.Event()
    supervisor = Supervisor((*stack.children, *page), on_event=partial(_say_event, say))
    refused: list[OtherFormatError] = []

    def herald() -> None:
        if error := _other_format(stack.settings, over):
            refused.append(error)
            supervisor.request_stop()
        else:
            _announce(stack.settings, over, say)

    thread = threading.Thread(target=herald, daemon=True)
    thread.start()
    try:
        code = supervisor.run()
    finally:
        over.set()
        thread.join(timeout=2)
    if refused:
        raise refused[0]
    return code


def _other_format(settings: Settings, over: threading.Event) -> OtherFormatError | None:
    """An embedded server answers only once it runs. Until then, and after this, no worker of ours touches another's ledger."""
    with contextlib.closing(connect(settings)) as redis:
        while not over.is_set():
            try:
                redis.ping()
            except OtherFormatError as error:
                return error
            except RedisError:
                over.wait(0.1)
            else:
                return None
    return None


def _announce(settings: Settings, over: threading.Event, say: Say) -> None:
    if wait_until_ready(settings, os.getpid(), over, READY_WITHIN):
        say("up.ready", "Ready. End with Ctrl-C.")
    elif not over.is_set():
        why = f"The workers do not answer after {READY_WITHIN:g} s; see their logs."
        say("up.not_ready", why, is_trouble=True)


def _where(stack: Stack) -> str:
    return f"embedded server, files in {stack.settings.data_dir.absolute()}" if stack.is_embedded else "as configured"


def _say_event(say: Say, event: Event) -> None:
    is_trouble = event.kind in {EventKind.DIED, EventKind.KILLED}
    ids = {"process": event.child, "pid": event.pid, "exit_code": event.exit_code}
    say(f"process.{event.kind}", event.sentence, is_trouble=is_trouble, **ids)
