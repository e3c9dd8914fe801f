"""Progress of intents that are still open, as a custom Celery state."""

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery import Celery
from celery.exceptions import BackendError
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from feishu_batch.keys import IntentKeys
from feishu_batch.results import Progress, read_intent, view_of_record
from worker.ledger.lane import Lane

log = structlog.get_logger("feishu_batch.progress")

PROGRESS = "PROGRESS"
_NOT_STORED = (RedisError, OperationalError, BackendError, OSError)


def told(progress: Progress) -> dict[str, int]:
    """What `AsyncResult.info` has: of how many items how many have ended, and how."""
    return {"total": progress.total, **progress.counts()}


def announce(app: Celery, redis: Redis, prefix: str, intent_id: str) -> None:
    """An intent that was in the inbox just now, where nothing of it had ended. News as well: a failure is only logged."""
    try:
        view = read_intent(redis, prefix, intent_id)
        app.backend.store_result(intent_id, told(Progress(view.progress.total if view else 0)), PROGRESS)
    except _NOT_STORED as error:
        log.warning("progress.not_stored", error=type(error).__name__)


class ProgressReports:
    """`restore` stores the final result of an intent, by its id."""

    def __init__(self, app: Celery, redis: Redis, prefix: str, lane: Lane, restore: Callable[[str], None]) -> None:
        self._app = app
        self._redis: Any = redis
        self._prefix = prefix
        self._lane = lane
        self._restore = restore

    def report(self, numbers: Iterable[int]) -> None:
        """Store the counts of those of the intents that have items left. It is news, not truth: a failure is only logged."""
        try:
            reported = [number for number, record in self._records(numbers) if self._report(number, record)]
            for _, record in self._records(reported):
                if not _is_open(record):  # since we looked; the report may have replaced its result
                    self._restore(record["id"])
        except _NOT_STORED as error:
            log.warning("progress.not_stored", error=type(error).__name__)

    def _report(self, number: int, record: dict[str, str]) -> bool:
        if not _is_open(record):
            return False
        view = view_of_record(record["id"], IntentKeys(self._prefix, self._lane.name, number), record, {})
        self._app.backend.store_result(record["id"], told(view.progress), PROGRESS)
        return True

    def _records(self, numbers: Iterable[int]) -> list[tuple[int, dict[str, str]]]:
        names = ["id", "tot", "opn", "snt", "ok", "fl", "sp", "cn", "ex"]
        wanted = list(numbers)
        pipe = self._redis.pipeline(transaction=False)
        for number in wanted:
            pipe.hmget(self._lane.key(f"intent:{number}"), names)
        rows = [dict(zip(names, row, strict=True)) for row in pipe.execute()]
        return [(number, row) for number, row in zip(wanted, rows, strict=True) if row["id"] is not None]


def _is_open(record: dict[str, str]) -> bool:
    return int(record.get("opn") or 0) > 0
