"""`feishu-batch rebind`: what a ledger holds goes to another remote system, because an operator says so."""

import click

from config.lanes import load_lanes
from worker.cli.errors import DONE
from worker.cli.options import lane_option
from worker.cli.start_paused import session_even_if_down
from worker.ledger.belonging import Belonging
from worker.operating.errors import WrongUseError
from worker.processes.belonging import is_served, remote_of
from worker.wording import some


@click.command("rebind", short_help="Let open work go to the remote system of the settings.")
@lane_option
def rebind(lane: str | None) -> int:
    """Let the open work of lanes go to the remote system and plugin that the settings name now.

    Example:
      feishu-batch rebind --lane default

    Each lane of a ledger works for one remote system and plugin, and `up` and `run` refuse to start with others while open intents are
    left. Run this, after stopping all workers, if those intents are to be sent to the new one. Prints each lane, and where its work
    goes. Needs the lanes' settings.

    Exit codes: 0 done; 2 wrong use, or workers still serve a lane; 3 Redis cannot be reached.
    """
    with session_even_if_down() as session:
        session.chosen_lanes(lane)  # complains of a name that is none
        ours = {
            one.name: remote_of(one) for one in load_lanes(session.settings).lanes if lane is None or one.name == lane
        }
        belonging = Belonging(session.redis, session.settings.key_prefix)
        signs = belonging.look(ours)
        for name, remote in ours.items():
            is_new = signs.lanes[name].remote not in (None, remote)
            if is_new and is_served(belonging, name, signs, session.settings.sweep_seconds):
                raise WrongUseError(f"workers still serve lane {name}; stop all of them first")
        if not belonging.note(ours, signs):
            raise WrongUseError("a worker noted another remote system meanwhile; stop all workers, then run this again")
        for name, remote in ours.items():
            click.echo(
                f"lane {name}: its work goes to {remote.host} ({some(signs.lanes[name].open_intents, 'open intent')})"
            )
    return DONE
