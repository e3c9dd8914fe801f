"""`feishu-batch run ROLE`: one of the processes of `up`, for containers and systemd, which restart them."""

import os
import sys
from typing import NoReturn

import click
from redis.exceptions import RedisError

from config.lanes import load_lanes
from config.settings import Settings, load_settings
from worker.connections import OtherFormatError
from worker.operating.embedded_files import make_private
from worker.operating.redis_commands import examine
from worker.operating.session import refuse_unusable, with_running_redis
from worker.processes.child import PRIVATE
from worker.processes.probe import ROLES
from worker.processes.roles import worker_children


@click.command("run", short_help="Run one of the processes of up.")
@click.argument("role", type=click.Choice(ROLES))
@click.option(
    "--name", default="1", metavar="NAME", help="Distinguishes several processes of one role on one machine; default 1."
)
def run(role: str, name: str) -> NoReturn:
    """Run one of the processes of `up`, for containers and systemd, which must restart it when it ends.

    Example:
      feishu-batch run submit

    ROLE is submit, poll, intake or beat; all four are needed. This process is replaced by the one that `up` starts, so signals reach it
    directly: after SIGTERM it finishes the request that it is sending. It waits for Redis if Redis does not answer yet. It needs
    FEISHU_BATCH_REDIS_URL, and the credentials (except beat). Check its health with: feishu-batch health ROLE

    Exit codes: 0 ended by a signal; others come from Celery; 2 a setting is missing or wrong, or the ledger has
    another version's format; 3 no Redis is set, or it cannot be used.
    """
    settings = with_running_redis(load_settings())
    if role != "beat":
        load_lanes(settings)  # raises for missing settings
    _refuse_what_cannot_work(settings)
    [child] = [one for one in worker_children(settings, sys.executable, name) if one.name == role]
    make_private(settings.data_dir)
    os.umask(PRIVATE)
    os.chdir(child.cwd or ".")
    os.execve(child.argv[0], child.argv, {**os.environ, **child.env})  # noqa: S606 - our own command, without a shell


def _refuse_what_cannot_work(settings: Settings) -> None:
    try:
        refuse_unusable(settings, examine(settings))
    except OtherFormatError:
        raise
    except RedisError:
        return  # does not answer yet: the process waits for it
