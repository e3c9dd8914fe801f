"""`feishu-batch pause` and `resume`."""

import click

from worker.cli.errors import DONE
from worker.cli.options import lane_option
from worker.cli.standstill import session_even_if_down


@click.command("pause", short_help="Send no more requests until resume.")
@click.option("--reason", default="paused by an operator", show_default=True, help="Shown by `feishu-batch status`.")
@lane_option
def pause(reason: str, lane: str | None) -> int:
    """Send no more requests until `feishu-batch resume`; jobs that were accepted are followed to their end.

    Example:
      feishu-batch pause --reason "maintenance until 18:00"

    What is enqueued meanwhile is kept, and names are still looked up. It holds across restarts. Where no `up` runs, the embedded
    server is started for as long as this takes, so that the next `up` begins paused. Prints each lane's name.

    Exit codes: 0 paused; 2 wrong use; 3 Redis cannot be reached.
    """
    with session_even_if_down() as session:
        for one in session.chosen_lanes(lane):
            one.pause(reason, polling=True)
            click.echo(f"lane {one.name} is paused; go on with: feishu-batch resume")
    return DONE


@click.command("resume", short_help="Go on after a pause or a stop.")
@lane_option
def resume(lane: str | None) -> int:
    """Go on after a pause, whether an operator paused the lane or it stopped by itself (wrong credentials, quota).

    Example:
      feishu-batch resume

    Prints each lane's name. The workers go on within seconds. Where no `up` runs, the embedded server is started for as long as this
    takes, and the next `up` goes on.

    Exit codes: 0 done; 2 wrong use; 3 Redis cannot be reached.
    """
    with session_even_if_down() as session:
        for one in session.chosen_lanes(lane):
            click.echo(f"lane {one.name} goes on" if one.resume() else f"lane {one.name} was not paused")
    return DONE
