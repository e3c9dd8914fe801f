"""`feishu-batch health`: whether the processes on this machine get on, for a container's or a monitor's check."""

from collections.abc import Callable, Iterator, Mapping

import click
from redis.exceptions import RedisError

from config.errors import ConfigError
from config.settings import Settings, load_settings
from worker.cli.errors import DONE, SOME_FAILED, UnreachableError
from worker.cli.run_role import ROLES
from worker.cli.session import Session, session_of, with_running_redis
from worker.ledger.vitals import Vitals, vitals
from worker.operating.views import LaneView, inbox_view, lane_view
from worker.processes.beacon import beacon_file, read_beacon
from worker.processes.health import (
    Check,
    Mark,
    check_beacon,
    check_beat,
    check_inbox,
    check_outbox,
    check_polls,
    check_submits,
    fail,
)

_OF_A_LANE: Mapping[str, Callable[[LaneView, Vitals, Settings], Iterator[Check]]] = {
    "submit": lambda view, seen, settings: check_submits(view, seen, settings.max_open_jobs),
    "poll": lambda view, seen, _: check_polls(view, seen),
    "intake": lambda view, seen, _: check_outbox(view, seen),
}


@click.command("health", short_help="Check whether the processes on this machine get on.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1, type=click.Choice(ROLES))
def health(roles: tuple[str, ...]) -> int:
    """Check whether the processes of these roles get on: by what they do, not by whether they answer.

    Example:
      feishu-batch health submit

    A worker has to have told of itself within the last seconds, in a file under FEISHU_BATCH_DATA_DIR, must not sit on messages that wait
    for it, and nothing of its part of the ledger may be overdue. Beat has to have had the lanes swept, which the intake worker does for it.
    Without a role all four are looked at. Prints what is not well; changes nothing; needs no credentials.

    Exit codes: 0 all is well; 1 something is not, or Redis cannot be reached.
    """
    bad = [check for check in _checks(roles or ROLES) if check.mark is Mark.FAIL]
    for check in bad:
        click.echo(f"{check.name}: {check.what.rstrip('.')}. {check.advice}")
    return SOME_FAILED if bad else DONE


def _checks(roles: tuple[str, ...]) -> Iterator[Check]:
    """Only 0 and 1 are verdicts for Docker, so what would end another command is a verdict here."""
    try:
        session = session_of(with_running_redis(load_settings()))
        for role in roles:
            yield from _of_role(role, session)
    except (ConfigError, UnreachableError, RedisError) as error:
        yield fail("redis", str(error), "Nothing else can be told without it.")


def _of_role(role: str, session: Session) -> Iterator[Check]:
    settings = session.settings
    seen = {name: vitals(session.redis, lane.prefix) for name, lane in session.lanes.items()}
    if role == "beat":
        yield from check_beat(seen, settings.sweep_seconds)
        return
    yield check_beacon(role, read_beacon(beacon_file(settings.data_dir, role)))
    if role == "intake":
        yield check_inbox(inbox_view(session.reading))
    for name, lane in session.lanes.items():
        yield from _OF_A_LANE[role](lane_view(session.reading, lane), seen[name], settings)
