"""What Celery says of a broker that went away, in one line. It takes hundreds: a traceback for each worker, and one more while it ends."""

import logging
from collections.abc import Iterator

from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

WORKER, STEPS, TASKS, WARNINGS = "celery.worker", "celery.bootsteps", "celery.app.trace", "py.warnings"
ENDS = (
    "The connection to Redis was lost and cannot be taken up again in place: this worker ends, to be started anew (%s)"
)
# Of a choice that a later version of Celery will make otherwise, at every lost connection; it is made in celery_options. Celery
# sets its own filter for warnings after every one of ours.
ANOTHER_DEFAULT = "In Celery 5.1 we introduced"


class LostBroker(logging.Filter):
    """At DEBUG everything stays as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == WARNINGS:
            return ANOTHER_DEFAULT not in record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is None or logging.getLogger().isEnabledFor(logging.DEBUG):
            return True
        # A worker stumbles over kombu's connection that is closed already (AttributeError), after Redis was found away; in
        # a task such an error could be one of ours.
        lost = _lost(error, chain=record.name in (WORKER, STEPS))
        if lost is None or record.name not in (WORKER, STEPS, TASKS):
            return True
        record.exc_info = record.exc_text = None
        if record.name == WORKER:
            record.msg, record.args = ENDS, (f"{type(lost).__name__}: {lost}",)
            record.levelno, record.levelname = logging.ERROR, "ERROR"
        return record.name != STEPS  # the worker has said it before


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
