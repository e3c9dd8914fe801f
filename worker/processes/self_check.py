"""The problems that a process finds in its own part of the ledger, for its beacon (beacon.py)."""

from collections.abc import Iterator

from redis import Redis
from redis.exceptions import RedisError

from config.errors import ConfigError
from config.lanes import lane_names
from config.settings import Settings
from worker.connections import connect
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.lane_health import LaneHealth, read_lane_health
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.single_route import NO_SINGLES
from worker.operating.health import (
    Check,
    Mark,
    check_beat,
    check_inbox,
    check_outbox,
    check_polls,
    check_singles,
    check_submits,
    fail,
)
from worker.operating.views import inbox_view


class SelfCheck:
    """Opens one connection, at the first call. `trouble` never raises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis: Redis | None = None

    def trouble(self, role: str) -> list[str]:
        """A sentence with advice for each problem in this role's work."""
        try:
            self._redis = self._redis or connect(self._settings)
            checks = list(self._checks(role, self._redis))
        except (ConfigError, RedisError) as error:
            what = f"Redis cannot be reached ({type(error).__name__})"
            checks = [fail("redis", what, "The other checks need Redis.")]
        return [f"{one.what.rstrip('.')}. {one.advice}" for one in checks if one.mark is Mark.FAIL]

    def _checks(self, role: str, redis: Redis) -> Iterator[Check]:
        settings = self._settings
        seen = {name: read_lane_health(redis, LaneKeys(settings.key_prefix, name)) for name in lane_names(settings)}
        if role == "beat":
            yield from check_beat(seen, settings.sweep_seconds)
            return
        if role == "intake":
            yield check_inbox(inbox_view(LedgerReads(redis, settings.key_prefix)))
        for name, one in seen.items():
            yield from self._of_lane(role, name, one)

    def _of_lane(self, role: str, lane: str, seen: LaneHealth) -> Iterator[Check]:
        if role == "submit":
            yield from check_submits(lane, seen, self._settings.slot_seconds, self._settings.max_open_jobs)
        elif role == "poll":
            yield from check_polls(lane, seen)
            yield from check_singles(lane, NO_SINGLES, seen.singles_idle)
        else:
            yield from check_outbox(lane, seen)
