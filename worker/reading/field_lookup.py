"""The field catalogue for commands: uses the workers' credentials, and waits longer than intake does."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.lanes import Lanes, load_lanes
from feishu_batch.intents import is_real_project_key
from worker.catalogue.build import lane_catalogue
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.lane_reading import LaneReading, read_slot
from worker.catalogue.models import UnavailableError, shown
from worker.ledger.token_store import RedisTokenStore
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.session import Session
from worker.pacing.shared import Pacer
from worker.reading.item_reads import PATIENCE, ItemReads, ViewReads
from worker.remote.tokens import TokenSource
from worker.runtime import remote_from


@dataclass(frozen=True, slots=True)
class FieldLookup:
    lanes: Mapping[str, LaneCatalogue]
    configured: Lanes
    reads: Mapping[str, ItemReads]
    views: Mapping[str, ViewReads]

    def project_key(self, space: str) -> str:
        """The key for a key or a simple name. Raises `WrongUseError` if no credential can see the space."""
        if is_real_project_key(space):
            return space
        for catalogue in self.lanes.values():
            try:
                key = catalogue.project_key(space)
            except UnavailableError as error:
                raise UnreachableError(f"the space {shown(space)} cannot be looked up: {error}") from None
            if key is not None:
                return key
        raise WrongUseError(
            f"no space with the simple name {shown(space)} is visible to the plugin; give its project key"
        )

    def lane_of(self, project_key: str, lane: str | None = None) -> LaneCatalogue:
        return self.lanes[self.lane_name(project_key, lane)]

    def lane_name(self, project_key: str, lane: str | None = None) -> str:
        """Of the lane that serves the space. Raises `WrongUseError`."""
        try:
            name = self.configured.route(lane, project_key)
        except ValueError as error:
            raise WrongUseError(str(error)) from None
        if name not in self.lanes:
            [why] = [one.why for one in self.configured.refused if one.name == name]
            raise WrongUseError(why)
        return name


def open_field_lookup(session: Session) -> FieldLookup:
    """Raises `ConfigError` without credentials. Sends no request yet."""
    settings = session.settings
    configured = load_lanes(settings)
    lanes, reads, views = {}, {}, {}
    for config in configured.lanes:
        lane = session.lanes[config.name]
        remote = remote_from(config, settings, session.redis)
        pacer = Pacer(session.redis, lane, configured.sharing(config.name), settings.key_prefix)
        store = RedisTokenStore(session.redis, pacer.token_keys, config.fingerprint)
        tokens = TokenSource(remote, store, renew_early=settings.token_renew_early_seconds)
        wait = settings.http_timeout_seconds
        lanes[config.name] = lane_catalogue(
            lane, remote, tokens, settings, session.redis, pacer, longest_wait=wait, is_logged=False
        )
        reading = LaneReading(lane, tokens, pacer, read_slot(settings.read_slots_per_second))
        # In the slots of the workers' read-backs: the remote system counts both together.
        reads[config.name] = ItemReads(
            lane, remote, reading.slots("read"), reading.sender_of, settings.missing_item_codes
        )
        views[config.name] = ViewReads(remote, reading.sender_of(reading.slots("view")(), PATIENCE))
    return FieldLookup(lanes, configured, reads, views)
