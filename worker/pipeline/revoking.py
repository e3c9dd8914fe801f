"""`AsyncResult.revoke()` of an intent: its pending items are canceled."""

from collections.abc import Collection
from typing import Any

import structlog
from celery import Celery
from redis import Redis

from config.settings import Settings
from feishu_batch.keys import RecordField
from feishu_batch.outcomes import OutcomeKind
from worker.connections import connect
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.ledger.records import Outcome
from worker.pipeline.hints import LaneHints

log = structlog.get_logger("feishu_batch.revoking")

_FIELDS = (RecordField.COMPLETED_AT_MS, RecordField.OPEN, RecordField.IN_FLIGHT)
CANCELED = Outcome(OutcomeKind.CANCELED)


class Revoking:
    """Every worker gets a revoke. The first one does the work; the others only need two or three reads."""

    def __init__(self, app: Celery, redis: Redis, prefix: str) -> None:
        self._app = app
        self._redis: Any = redis
        self._prefix = prefix
        self._inbox = Inbox(redis, prefix)

    @classmethod
    def from_settings(cls, app: Celery, settings: Settings) -> "Revoking":
        """With its own connection: the process that gets a revoke may be the parent of the working processes."""
        return cls(app, connect(settings), settings.key_prefix)

    def revoke(self, ids: Collection[str]) -> set[str]:
        """Cancel the pending items of these intents. Returns which ids are intents.

        First recorded, then looked up: an intent that is recorded meanwhile is canceled by the worker that records it.
        """
        self._inbox.note_revoked(ids)
        known = self._inbox.locate_all(ids)
        recorded = {intent_id: (number, lane) for intent_id, (number, lane) in known.items() if lane is not None}
        for name in {lane for _, lane in recorded.values()}:  # first, no further changes of them are sent
            numbers = [number for number, lane in recorded.values() if lane == name]
            Lane(self._redis, self._prefix, name).stop(numbers, OutcomeKind.CANCELED)
        for intent_id, (number, lane) in recorded.items():
            self._cancel(intent_id, number, lane)
        self._inbox.forget_revoked(recorded)
        return set(known)

    def _cancel(self, intent_id: str, number: int, name: str) -> None:
        lane = Lane(self._redis, self._prefix, name)
        ended, left, in_flight = self._redis.hmget(lane.keys.intent(number), *_FIELDS)
        if ended is not None or int(left or 0) <= int(in_flight or 0):
            return
        log.info("intent.revoked", intent_id=intent_id)
        done, hints = lane.end_pending(number, CANCELED), LaneHints(self._app, lane)
        hints.publish_if(bool(done.intents_ended))
        hints.after(done)
