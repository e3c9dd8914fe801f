"""`feishu-batch pause`, `resume` and `cancel`."""

import time

import click

from feishu_batch import IntentView
from worker.cli.errors import DONE, UnreachableError, WrongUseError
from worker.cli.options import lane_option
from worker.cli.session import Session, open_session
from worker.ledger.lane import Lane
from worker.ledger.records import Outcome, OutcomeKind

TAKEN_IN_WITHIN = 10.0  # seconds: a running worker takes an intent out of the inbox much faster


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
    session = open_session()
    view = _taken_in(session, intent)
    if view.state.is_final or view.lane is None:
        click.echo(f"{intent} has already ended: {view.state}")
        return DONE
    lane = session.lanes.get(view.lane) or Lane(session.redis, session.settings.key_prefix, view.lane)
    lane.end_pending(view.number, Outcome(OutcomeKind.CANCELED))
    after = _view(session, intent).progress
    click.echo(f"{after.canceled - view.progress.canceled} items canceled, {after.in_flight} in a request that goes on")
    return DONE


def _taken_in(session: Session, intent: str) -> IntentView:
    """Only a lane can cancel: give the worker a moment to take the intent out of the inbox."""
    deadline = time.monotonic() + TAKEN_IN_WITHIN
    while (view := _view(session, intent)).lane is None:
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"{intent} is still in the inbox, and no worker takes it in: start `feishu-batch up`, then cancel again"
            )
        time.sleep(0.1)
    return view


def _view(session: Session, intent: str) -> IntentView:
    with session.client() as client:
        view = client.handle(intent)
        try:
            return view.view()
        except LookupError as error:
            raise WrongUseError(str(error)) from None
