"""One log line for a lost broker, where Celery writes hundreds: a traceback for each worker, and another while it ends."""

import logging
from collections.abc import Iterator

from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

WORKER, STEPS, TASKS, WARNINGS = "celery.worker", "celery.bootsteps", "celery.app.trace", "py.warnings"
ENDS = "The connection to Redis was lost and cannot be restored in this process: this worker ends, to be restarted (%s)"
# Celery's warning at every lost connection about a default that will change; celery_options sets it explicitly. Celery
# installs its own warning filter after ours.
ANOTHER_DEFAULT = "In Celery 5.1 we introduced"


class LostBroker(logging.Filter):
    """At DEBUG nothing is changed."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == WARNINGS:
            return ANOTHER_DEFAULT not in record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is None or logging.getLogger().isEnabledFor(logging.DEBUG):
            return True
        # After a lost Redis, a worker fails on kombu's closed connection (AttributeError); in a task such an error could be a
        # bug of ours.
        lost = _lost(error, chain=record.name in (WORKER, STEPS))
        if lost is None or record.name not in (WORKER, STEPS, TASKS):
            return True
        record.exc_info = record.exc_text = None
        if record.name == WORKER:
            record.msg, record.args = ENDS, (f"{type(lost).__name__}: {lost}",)
            record.levelno, record.levelname = logging.ERROR, "ERROR"
        return record.name != STEPS  # the worker has already logged it


def _lost(error: BaseException, *, chain: bool) -> BaseException | None:
    found = _chain(error) if chain else iter([error])
    return next((one for one in found if _is_away(one)), None)


def _is_away(error: BaseException) -> bool:
    return isinstance(error, RedisConnectionError | RedisTimeoutError) and not isinstance(error, AuthenticationError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
