"""The catalogue of each lane, and the gate before all of them, from the settings."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from redis import Redis

from config.lookups import LookupSettings
from config.settings import Settings
from worker.catalogue.gate import CatalogueGate, Check, without_catalogue
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.queries import BackgroundQueries, OnStopped, QuerySender
from worker.ledger.lane import Lane
from worker.pacing.shared import Pacer
from worker.remote.client import RemoteClient
from worker.remote.tokens import TokenSource

WAITS_PER_LEASE = 4  # fields, refreshed fields, people, a space: intake may wait for each of them for one intent


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
    """One slot for its three endpoints together, although each has its own limit. `longest_wait`: seconds; default: that of intake.

    `pacer`: for a lane that shares its plugin with other lanes.

    `on_stopped` is called when a look-up was refused because of the lane's credential.
    """
    slots = (pacer or Pacer.of_one(redis, lane)).slots("catalogue", 1 / settings.read_slots_per_second)
    wait = longest_wait or min(settings.catalogue_wait_seconds, settings.lease_seconds / WAITS_PER_LEASE)
    return LaneCatalogue(
        remote=remote,
        sender=QuerySender(tokens, slots, lambda: why_paused(lane), patience=wait, on_stopped=on_stopped),
        queries=BackgroundQueries(
            wait,
            settings.catalogue_retry_seconds,
            lane=lane.name,
            is_logged=is_logged,
            # A command may run with other settings than the workers, so its errors are none of the lane.
            on_result=partial(lane.last_errors.note, "look_up") if is_logged else lambda _error: None,
        ),
        settings=settings,
        redis=redis,
        keys=lane.keys,
        late=settings.lease_seconds / WAITS_PER_LEASE,
    )


def gate(
    settings: LookupSettings,
    lanes: Mapping[str, LaneCatalogue],
    route: Callable[[str | None, str], str],
    refused: Collection[str] = (),
) -> Check:
    """`refused`: names of lanes that cannot be served, and so cannot be asked."""
    if settings.catalogue == "off":
        return without_catalogue
    texts_pass = settings.unchecked_texts == "send"
    return CatalogueGate(lanes, route, refused=refused, texts_pass=texts_pass).check


def why_paused(lane: Lane) -> str | None:
    """Why a lane was paused by a refusal. A pause by an operator stops changes, but not look-ups.

    Only the first sentence; `status` shows the others, with advice.
    """
    pause = lane.paused()
    if pause is None or pause.get("polling"):
        return None
    return str(pause.get("reason") or "by hand").partition(". ")[0].rstrip(".")
