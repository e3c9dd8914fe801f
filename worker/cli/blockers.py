"""What blocks the work that a command has just enqueued, in one sentence."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from redis.exceptions import RedisError

from config.lanes import routing
from feishu_batch import Handle, ReadError, Result, UpdateIntent, WaitTimeout
from feishu_batch.intents import is_real_project_key
from worker.ledger.lane import Lane
from worker.operating.session import Session

NO_REDIS = "Redis does not answer; enqueued work is safe in it, and this command continues when it answers"
LOOK_EVERY = 1.0  # seconds


def pause_of(lanes: Iterable[Lane]) -> str:
    """The sentence about the first paused lane; "" if none is paused."""
    for lane in lanes:
        if pause := lane.paused():
            return paused(lane.name, pause["reason"])
    return ""


def paused(lane: str, reason: str) -> str:
    return f"lane {lane} is paused: {reason.rstrip('.')} (after fixing it, run: feishu-batch resume)"


def warn_of_pause(lanes: Iterable[Lane]) -> None:
    """For commands without --wait: one line on stderr."""
    with suppress(RedisError):  # the intents are recorded; this is only a hint
        if reason := pause_of(lanes):
            click.echo(f"Enqueued, but nothing is sent yet: {reason}", err=True)


def lanes_of(session: Session, intent: UpdateIntent) -> list[Lane]:
    """The lane of the intent; all lanes where only the workers can decide."""
    if intent.lane is None and not is_real_project_key(intent.project_key):
        return list(session.lanes.values())
    with suppress(ValueError):
        return [session.lanes[routing(session.settings).route(intent.lane, intent.project_key)]]
    return []


def wait_aloud(handle: Handle, timeout: float, lanes: Iterable[Lane]) -> Result:
    """As `handle.wait`, and prints on stderr what blocks the intent, each reason once until it changes. Raises `WaitTimeout`."""
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
