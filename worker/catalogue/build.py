"""The catalogue of each lane, and the gate before all of them, from the settings."""

from collections.abc import Callable, Mapping

from redis import Redis

from config.catalogue import FieldCatalogue
from config.settings import Settings
from worker.catalogue.asking import Asker, Errands, OnStopped
from worker.catalogue.gate import CatalogueGate, Check, without_catalogue
from worker.catalogue.lane import LaneCatalogue
from worker.ledger.lane import Lane
from worker.pacing.shared import Pacer
from worker.remote.client import RemoteClient
from worker.remote.tokens import TokenSource

WAITS_PER_LEASE = 4  # fields, the same anew, people, a space: each may be waited for while one intent is taken in


def lane_catalogue(
    lane: Lane,
    remote: RemoteClient,
    tokens: TokenSource,
    settings: Settings,
    redis: Redis,
    pacer: Pacer | None = None,
    *,
    longest_wait: float | None = None,
    on_stopped: OnStopped = lambda _error: None,
    is_logged: bool = True,
) -> LaneCatalogue:
    """One slot for its three endpoints together: each alone may be asked as often. `longest_wait`: seconds, if not that of intake.

    `pacer`: for a lane that shares its plugin with others.

    `on_stopped` hears of a look-up that was refused for the lane's sake.
    """
    slots = (pacer or Pacer.of_one(redis, lane)).slots("catalogue", 1 / settings.read_slots_per_second)
    wait = longest_wait or min(settings.catalogue_wait_seconds, settings.lease_seconds / WAITS_PER_LEASE)
    return LaneCatalogue(
        remote=remote,
        asker=Asker(tokens, slots, lambda: _why_paused(lane), patience=wait, on_stopped=on_stopped),
        errands=Errands(wait, settings.catalogue_retry_seconds, lane=lane.name, is_logged=is_logged),
        settings=settings,
        redis=redis,
        key=lane.key,
    )


def gate(
    settings: FieldCatalogue, lanes: Mapping[str, LaneCatalogue], route: Callable[[str | None, str], str]
) -> Check:
    if settings.catalogue == "off":
        return without_catalogue
    return CatalogueGate(lanes, route).check


def _why_paused(lane: Lane) -> str | None:
    """Of a lane that the remote system refused: an operator's pause keeps changes from being sent, not names from being looked up.

    The first sentence; `status` has the others, which say what to do.
    """
    pause = lane.paused()
    if pause is None or pause.get("polling"):
        return None
    return str(pause.get("reason") or "by hand").partition(". ")[0].rstrip(".")
