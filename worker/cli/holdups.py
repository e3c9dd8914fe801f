"""What holds up the work that somebody has just asked for, in one sentence."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from redis.exceptions import RedisError

from config.lanes import routing
from feishu_batch import Handle, ReadError, Result, UpdateIntent, WaitTimeout
from feishu_batch.intents import is_real_project_key
from worker.cli.session import Session
from worker.ledger.lane import Lane

NO_REDIS = "Redis does not answer; what was enqueued is safe in it, and this goes on when it answers"
LOOK_EVERY = 1.0  # seconds


def pause_of(lanes: Iterable[Lane]) -> str:
    """Of the first that is paused; "" if none is."""
    for lane in lanes:
        if pause := lane.paused():
            return paused(lane.name, pause["reason"])
    return ""


def paused(lane: str, reason: str) -> str:
    return f"lane {lane} is paused: {reason.rstrip('.')} (then: feishu-batch resume)"


def warn_of_pause(lanes: Iterable[Lane]) -> None:
    """For whoever does not wait: one line on stderr."""
    with suppress(RedisError):  # what was asked for is done; this is an extra
        if told := pause_of(lanes):
            click.echo(f"Enqueued, but nothing is sent yet: {told}", err=True)


def lanes_of(session: Session, intent: UpdateIntent) -> list[Lane]:
    """The one that takes the intent; all of them where only the workers can tell."""
    if intent.lane is None and not is_real_project_key(intent.project_key):
        return list(session.lanes.values())
    with suppress(ValueError):
        return [session.lanes[routing(session.settings).route(intent.lane, intent.project_key)]]
    return []


def wait_aloud(handle: Handle, timeout: float, lanes: Iterable[Lane]) -> Result:
    """As `handle.wait`, and says on stderr what holds it up, each thing once until it changes. Raises `WaitTimeout`."""
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        try:
            return handle.wait(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))
        except WaitTimeout as late:
            remark = _remark(late, lambda: pause_of(lanes))
            if remark and remark != said:
                click.echo(remark, err=True)
            said = remark
            if time.monotonic() >= deadline:
                raise


def _remark(late: WaitTimeout, pause: Callable[[], str]) -> str:
    try:
        return NO_REDIS if isinstance(late.__cause__, ReadError) else pause()
    except RedisError:
        return NO_REDIS
