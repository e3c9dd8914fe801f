"""`AsyncResult.revoke()` of an intent: what still waits of it is canceled."""

from collections.abc import Collection
from typing import Any

import structlog
from celery import Celery
from redis import Redis

from config.settings import Settings
from worker.connections import connect
from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.ledger.records import Outcome, OutcomeKind
from worker.pipeline.hints import LaneHints

log = structlog.get_logger("feishu_batch.revoking")

CANCELED = Outcome(OutcomeKind.CANCELED)


class Revoking:
    """Every worker hears of a revoke. The first one does the work; for the others it is two or three reads."""

    def __init__(self, app: Celery, redis: Redis, prefix: str) -> None:
        self._app = app
        self._redis: Any = redis
        self._prefix = prefix
        self._front = Front(redis, prefix)

    @classmethod
    def from_settings(cls, app: Celery, settings: Settings) -> "Revoking":
        """With a connection of its own: the process that hears of a revoke may be one that forks those that work."""
        return cls(app, connect(settings), settings.key_prefix)

    def revoke(self, ids: Collection[str]) -> set[str]:
        """Cancel what waits of these intents. Returns which ids are intents.

        Noted first, then looked up: one that is taken in meanwhile is canceled by whoever takes it in.
        """
        self._front.note_revoked(ids)
        known = self._front.locate_all(ids)
        recorded = {intent_id: (number, lane) for intent_id, (number, lane) in known.items() if lane is not None}
        for name in {lane for _, lane in recorded.values()}:  # first nothing more of them leaves
            numbers = [number for number, lane in recorded.values() if lane == name]
            Lane(self._redis, self._prefix, name).stop(numbers, OutcomeKind.CANCELED)
        for intent_id, (number, lane) in recorded.items():
            self._cancel(intent_id, number, lane)
        self._front.forget_revoked(recorded)
        return set(known)

    def _cancel(self, intent_id: str, number: int, name: str) -> None:
        lane = Lane(self._redis, self._prefix, name)
        ended, left, in_flight = self._redis.hmget(lane.key(f"intent:{number}"), "end", "opn", "snt")
        if ended is not None or int(left or 0) <= int(in_flight or 0):
            return
        log.info("intent.revoked", intent_id=intent_id)
        done, hints = lane.end_pending(number, CANCELED), LaneHints(self._app, lane)
        hints.publish_if(bool(done.intents_ended))
        if done.became_ready:
            hints.submit()
