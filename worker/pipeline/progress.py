"""Progress of intents that are still open, as a custom Celery state."""

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery import Celery
from celery.exceptions import BackendError
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from feishu_batch.keys import RecordField
from feishu_batch.outcomes import FIELDS
from feishu_batch.results import Progress, read_intent, view_of_record
from worker.ledger.lane import Lane

log = structlog.get_logger("feishu_batch.progress")

PROGRESS = "PROGRESS"
_NOT_STORED = (RedisError, OperationalError, BackendError, OSError)


def info_of(progress: Progress) -> dict[str, int]:
    """The content of `AsyncResult.info`: the number of items, and the ended ones by outcome."""
    return {"total": progress.total, **progress.counts()}


def announce(app: Celery, redis: Redis, prefix: str, intent_id: str) -> None:
    """Progress of an intent that was in the inbox a moment ago. Not essential: a failure is only logged."""
    try:
        view = read_intent(redis, prefix, intent_id)
        app.backend.store_result(intent_id, info_of(Progress(view.progress.total if view else 0)), PROGRESS)
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
        """Store the counts of the intents with unfinished items. Not essential: a failure is only logged."""
        try:
            reported = [number for number, record in self._records(numbers) if self._report(number, record)]
            for _, record in self._records(reported):
                if not _is_open(record):  # it ended meanwhile, and the progress may have replaced its result
                    self._restore(record[RecordField.INTENT_ID])
        except _NOT_STORED as error:
            log.warning("progress.not_stored", error=type(error).__name__)

    def _report(self, number: int, record: dict[str, str]) -> bool:
        if not _is_open(record):
            return False
        view = view_of_record(record[RecordField.INTENT_ID], self._lane.keys.of_intent(number), record, {})
        self._app.backend.store_result(record[RecordField.INTENT_ID], info_of(view.progress), PROGRESS)
        return True

    def _records(self, numbers: Iterable[int]) -> list[tuple[int, dict[str, str]]]:
        names = [RecordField.INTENT_ID, RecordField.TOTAL, RecordField.OPEN, RecordField.IN_FLIGHT, *FIELDS]
        wanted = list(numbers)
        pipe = self._redis.pipeline(transaction=False)
        for number in wanted:
            pipe.hmget(self._lane.keys.intent(number), names)
        rows = [dict(zip(names, row, strict=True)) for row in pipe.execute()]
        return [
            (number, row) for number, row in zip(wanted, rows, strict=True) if row[RecordField.INTENT_ID] is not None
        ]


def _is_open(record: dict[str, str]) -> bool:
    return int(record.get(RecordField.OPEN) or 0) > 0
