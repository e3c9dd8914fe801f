"""`feishu-batch health`: whether the processes on this machine get on, for a container's or a monitor's check.

What stands here is for `--help` and completion: worker/start.py answers before any of this is loaded.
"""

import click

from worker.cli.errors import DONE, SOME_FAILED
from worker.processes.probe import ROLES, unhealthy


@click.command("health", short_help="Check whether the processes on this machine get on.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1, type=click.Choice(ROLES))
def health(roles: tuple[str, ...]) -> int:
    """Check whether the processes of these roles get on: by what they do, not by whether they answer.

    Example:
      feishu-batch health submit

    Every few seconds each process writes down, in a file under FEISHU_BATCH_DATA_DIR, whether it lives, takes its messages, and whether
    anything in its part of the ledger is overdue or stands still: this command only reads that, in a few hundredths of a second.
    Without a role all four are looked at. Prints what is not well; changes nothing; needs no credentials.

    Exit codes: 0 all is well; 1 something is not, or Redis cannot be reached by the process.
    """
    bad = unhealthy(roles or ROLES)
    for line in bad:
        click.echo(line)
    return SOME_FAILED if bad else DONE
