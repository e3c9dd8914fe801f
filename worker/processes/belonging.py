"""Whether workers with these settings may serve this ledger: its lanes work for one remote system and plugin each.

Checked by every worker process before it reads its first message, by `up` before it starts any, and by `doctor`.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from config.errors import ConfigError
from config.fields import ENV_PREFIX
from config.lanes import LaneConfig, Lanes
from config.settings import Settings
from worker.connections import control_app
from worker.ledger.belonging import Belonging, LaneSigns, Remote, Signs
from worker.wording import some

LEDGER_COMMAND = "feishu_ledger"  # of remote control: workers answer with their ledger's name
PING_SECONDS = 1.0
LOOK_EVERY = 0.5  # seconds
SWEEPS_UNTIL_GONE = 3  # missed sweeps after which a lane counts as not served
A_START_TAKES = 10.0  # seconds until the first sweep


@dataclass(frozen=True, slots=True)
class Objection:
    """`served`: the objection is only valid if other workers serve this lane; None: always valid."""

    what: str
    served: str | None = None


def remote_of(lane: LaneConfig) -> Remote:
    parts = urlsplit(lane.base_url)
    port = f":{parts.port}" if parts.port else ""
    return Remote(f"{parts.hostname}{port}", lane.plugin)


def objections(ours: Mapping[str, Remote], signs: Signs, refused: Collection[str] = ()) -> Iterator[Objection]:
    """`ours`: the remote system of each lane in the settings; `refused`: further lanes of the settings."""
    for lane, remote in ours.items():
        there = signs.lanes[lane].remote
        if there is not None and there.plugin != remote.plugin:
            yield _other_remote(lane, there, remote, signs)
    for lane, seen in signs.lanes.items():
        same = [name for name, remote in ours.items() if seen.remote and seen.remote.plugin == remote.plugin]
        if lane not in ours and lane not in refused and same:
            yield Objection(
                f"lane {lane} of this ledger has the same plugin as lane {same[0]} and is served by other workers, which would"
                f" send faster than the limit together with these; name both lanes in one lanes file ({ENV_PREFIX}LANES_FILE),"
                f" or give both the same {ENV_PREFIX}LANE",
                served=lane,
            )


def _other_remote(lane: str, there: Remote, here: Remote, signs: Signs) -> Objection:
    count = signs.lanes[lane].open_intents + signs.inbox
    if there.host != here.host and count:
        return Objection(
            f"lane {lane} of this ledger has {some(count, 'open intent')} for {there.host}, and these settings name {here.host};"
            f" finish or cancel the work with the earlier settings, or, if it is to go to {here.host}, run:"
            f" feishu-batch rebind --lane {lane}"
        )
    what = f"the remote system {there.host}" if there.host != here.host else "another plugin"
    return Objection(
        f"lane {lane} of this ledger is served by workers with {what}; stop all of them first,"
        f" or give this deployment a {ENV_PREFIX}KEY_PREFIX of its own",
        served=lane,
    )


def perhaps_served(seen: LaneSigns, sweep_every: float) -> bool:
    """Whether workers may serve the lane now, by the time since its last sweep or record."""
    swept = seen.swept_ago is not None and seen.swept_ago <= SWEEPS_UNTIL_GONE * sweep_every
    return swept or (seen.noted_ago is not None and seen.noted_ago <= A_START_TAKES)


def admit(
    belonging: Belonging,
    lanes: Lanes,
    sweep_every: float,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Records the lanes as ours. Raises ConfigError if they belong to other workers, RedisError.

    Workers of a lane are noticed by its sweeps; so this waits for some sweeps if there were workers a moment ago.
    """
    ours = {lane.name: remote_of(lane) for lane in lanes.lanes}
    refused = {lane.name for lane in lanes.refused}
    while True:
        signs = belonging.look(ours)
        for one in objections(ours, signs, refused):
            if one.served and not is_served(belonging, one.served, signs, sweep_every, wait):
                continue
            if one.served and belonging.look([one.served]).lanes[one.served].noted != signs.lanes[one.served].noted:
                break  # meanwhile it was recorded again, perhaps by workers that started together with this one
            raise ConfigError(f"Refused: {one.what}.")
        else:
            if belonging.note(ours, signs):
                return


def refuse_other_ledgers(settings: Settings, belonging: Belonging) -> None:
    """If the broker is not the ledger's Redis: raises ConfigError if workers of another ledger answer on this broker.

    With the same key prefix they would take each other's Celery tasks. A broker that does not answer raises no error.
    """
    if settings.effective_broker_url == settings.effective_redis_url:
        return
    with contextlib.closing(control_app(settings)) as app:
        try:
            replies = app.control.broadcast(LEDGER_COMMAND, reply=True, timeout=PING_SECONDS) or []
        except Exception:  # noqa: BLE001 - any error of the broker: no worker uses it now
            return
    name = belonging.name()
    ledgers = {node: said.get("ledger") for one in replies for node, said in one.items() if isinstance(said, dict)}
    others = sorted(node for node, ledger in ledgers.items() if ledger not in (None, name))
    if others:
        raise ConfigError(
            f"Refused: {others[0]} works through the same broker for another ledger, and each would take the other's Celery"
            f" tasks; give this deployment a database, a vhost or a {ENV_PREFIX}KEY_PREFIX of its own."
        )


def is_served(
    belonging: Belonging, lane: str, signs: Signs, sweep_every: float, wait: Callable[[float], None] = time.sleep
) -> bool:
    """Whether workers serve the lane: it was swept since `signs`. Waits for a sweep if there were workers a moment ago."""
    waited, longest = 0.0, max(SWEEPS_UNTIL_GONE * sweep_every, A_START_TAKES)
    seen = signs.lanes[lane]
    while waited < longest and perhaps_served(seen, sweep_every):
        if seen.swept != signs.lanes[lane].swept:
            return True
        wait(LOOK_EVERY)
        waited += LOOK_EVERY
        seen = belonging.look([lane]).lanes[lane]
    return False
