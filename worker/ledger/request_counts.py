"""How many requests of each kind a lane sends on each day, because tenants have a daily quota (error 1000051942)."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from worker.ledger.fields import REQUESTS_OF
from worker.ledger.keys import LaneKeys

KEPT_FOR: Final = 9 * 86_400  # seconds


class RequestCounts:
    """`zone`: of the day. The vendor does not say when its day begins."""

    def __init__(self, redis: Redis, keys: LaneKeys, zone: tzinfo) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._zone = zone

    def note(self, kind: str) -> None:
        """`kind`: of `worker.remote.calls.RequestKind`. A count that Redis does not take is lost: no request waits for it."""
        key = self._keys.requests(self._today())
        with suppress(RedisError):
            pipe = self._redis.pipeline(transaction=False)
            pipe.hincrby(key, kind, 1).expire(key, KEPT_FOR, nx=True)
            pipe.hincrby(self._keys.metrics, f"{REQUESTS_OF}{kind}", 1)
            pipe.execute()

    def today(self) -> Mapping[str, int]:
        return {kind: int(count) for kind, count in self._redis.hgetall(self._keys.requests(self._today())).items()}

    def left_of_today(self) -> float:
        """Seconds until the next day."""
        now = datetime.now(self._zone)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - now).total_seconds()

    def _today(self) -> str:
        return datetime.now(self._zone).date().isoformat()
