"""`feishu-batch health`: whether the processes on this machine are healthy, for container and monitoring checks.

This module only serves `--help` and completion: worker/start.py answers before it is loaded.
"""

import click

from worker.cli.errors import DONE, SOME_FAILED
from worker.processes.probe import ROLES, unhealthy


@click.command("health", short_help="Check that the processes on this machine are healthy.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1, type=click.Choice(ROLES))
def health(roles: tuple[str, ...]) -> int:
    """Check that the processes of these roles are healthy, by their progress and not only by whether they answer.

    Example:
      feishu-batch health submit

    Every few seconds each process records in a file under FEISHU_BATCH_DATA_DIR whether it is alive, reads its messages, and whether
    anything in its part of the ledger is overdue or stalled. This command only reads these files, in a few hundredths of a second.
    Without a role it checks all four. Prints the problems; changes nothing; needs no credentials.

    Exit codes: 0 healthy; 1 a process is not healthy, or cannot reach Redis.
    """
    bad = unhealthy(roles or ROLES)
    for line in bad:
        click.echo(line)
    return SOME_FAILED if bad else DONE
