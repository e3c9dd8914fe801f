"""`feishu-batch pause` and `resume`."""

import click

from worker.cli.errors import DONE
from worker.cli.options import lane_option
from worker.cli.start_paused import session_even_if_down


@click.command("pause", short_help="Send no more requests until resume.")
@click.option(
    "--reason", default="paused by an operator", show_default=True, help="The reason that `feishu-batch status` shows."
)
@lane_option
def pause(reason: str, lane: str | None) -> int:
    """Send no more requests until `feishu-batch resume`. Jobs that were already accepted are tracked to completion.

    Example:
      feishu-batch pause --reason "maintenance until 18:00"

    Intents enqueued meanwhile are recorded, and names are still looked up. The pause survives restarts. If no `up` is running, the
    command starts the embedded server for a moment, so that the next `up` starts paused. Prints each lane's name.

    Exit codes: 0 paused; 2 wrong use; 3 Redis cannot be reached.
    """
    with session_even_if_down() as session:
        for one in session.chosen_lanes(lane):
            one.pause(reason, polling=True)
            click.echo(f"lane {one.name} is paused; to continue, run: feishu-batch resume")
    return DONE


@click.command("resume", short_help="Continue after a pause or a stop.")
@lane_option
def resume(lane: str | None) -> int:
    """Continue after a pause, whether an operator paused the lane or it stopped automatically (wrong credentials, quota).

    Example:
      feishu-batch resume

    Single updates that were switched off for a while, because the remote system refused their endpoint, are tried again.

    Prints each lane's name. The workers continue within seconds. If no `up` is running, the command starts the embedded server for a
    moment, and the next `up` continues.

    Exit codes: 0 done; 2 wrong use; 3 Redis cannot be reached.
    """
    with session_even_if_down() as session:
        for one in session.chosen_lanes(lane):
            click.echo(f"lane {one.name} continues" if one.resume() else f"lane {one.name} was not paused")
            if one.singles.state().off_for > 0:
                one.singles.switch_on()
                click.echo(f"lane {one.name} tries single updates again")
    return DONE
