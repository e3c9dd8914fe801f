"""`feishu-batch run ROLE`: one of the processes of `up`, for whoever else starts and restarts them."""

import os
import sys
from typing import NoReturn

import click
from redis.exceptions import RedisError

from config.lanes import load_lanes
from config.settings import Settings, load_settings
from worker.cli.session import refuse_unusable, with_running_redis
from worker.connections import connect
from worker.processes.child import PRIVATE
from worker.processes.embedded_files import make_private
from worker.processes.probe import ROLES
from worker.processes.redis_checks import inspect
from worker.processes.roles import worker_children


@click.command("run", short_help="Run one of the processes of up.")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--name", default="1", metavar="NAME", help="Tells apart several of one role on one machine; default 1.")
def run(role: str, name: str) -> NoReturn:
    """Run one of the processes that `up` consists of, for containers and systemd: something else has to restart it.

    Example:
      feishu-batch run submit

    ROLE is submit, poll, intake or beat; all four are needed. It becomes the very process that `up` starts, so a signal reaches it
    directly: SIGTERM lets what is being sent finish. It waits for a Redis that does not answer yet. Needs FEISHU_BATCH_REDIS_URL, and the
    credentials except for beat. See whether it gets on with: feishu-batch health ROLE

    Exit codes: 0 ended as it was asked to; others of Celery; 2 a setting is missing or wrong; 3 no Redis is named, or it cannot be used.
    """
    settings = with_running_redis(load_settings())
    if role != "beat":
        load_lanes(settings)  # complains of what is missing
    _refuse_what_cannot_work(settings)
    [child] = [one for one in worker_children(settings, sys.executable, name) if one.name == role]
    make_private(settings.data_dir)
    os.umask(PRIVATE)
    os.chdir(child.cwd or ".")
    os.execve(child.argv[0], child.argv, {**os.environ, **child.env})  # noqa: S606 - our own command, without a shell


def _refuse_what_cannot_work(settings: Settings) -> None:
    redis = connect(settings)
    try:
        refuse_unusable(settings, inspect(redis))
    except RedisError:
        return  # not there yet: the process waits for it
    finally:
        redis.close()
