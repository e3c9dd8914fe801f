"""`feishu-batch pause`, `resume` and `cancel`."""

import click

from worker.cli.errors import DONE
from worker.cli.options import lane_option
from worker.cli.session import open_session
from worker.operating.steering import cancel_intent


@click.command("pause", short_help="Send no more requests until resume.")
@click.option("--reason", default="paused by an operator", show_default=True, help="Shown by `feishu-batch status`.")
@lane_option
def pause(reason: str, lane: str | None) -> int:
    """Send no more requests until `feishu-batch resume`; jobs that were accepted are followed to their end.

    Example:
      feishu-batch pause --reason "maintenance until 18:00"

    What is enqueued meanwhile is kept. Prints each lane's name.

    Exit codes: 0 paused; 2 wrong use; 3 Redis cannot be reached.
    """
    for one in open_session().chosen_lanes(lane):
        one.pause(reason, polling=True)
        click.echo(f"lane {one.name} is paused; go on with: feishu-batch resume")
    return DONE


@click.command("resume", short_help="Go on after a pause or a stop.")
@lane_option
def resume(lane: str | None) -> int:
    """Go on after a pause, whether an operator paused the lane or it stopped by itself (wrong credentials, quota).

    Example:
      feishu-batch resume

    Prints each lane's name. The workers go on within seconds.

    Exit codes: 0 done; 2 wrong use; 3 Redis cannot be reached.
    """
    for one in open_session().chosen_lanes(lane):
        click.echo(f"lane {one.name} goes on" if one.resume() else f"lane {one.name} was not paused")
    return DONE


@click.command("cancel", short_help="End what is still pending of an intent.")
@click.argument("intent")
def cancel(intent: str) -> int:
    """End what is still pending of INTENT (its id); what is already in a request keeps its course.

    Example:
      feishu-batch cancel 0b6f1f6e-7e3f-4c36-9c0a-1f9f0d6a3a11

    Prints how many items were canceled, and how many are still under way.

    Exit codes: 0 done, also if nothing was left to cancel; 2 there is no such intent; 3 Redis cannot be reached, or no worker
    takes the intent in.
    """
    done = cancel_intent(open_session(), intent)
    if done.ended:
        click.echo(f"{intent} has already ended: {done.ended}")
    else:
        click.echo(f"{done.items} items canceled, {done.in_flight} in a request that goes on")
    return DONE
