"""Sends the Celery tasks that wait for the end of change sets."""

import json

import structlog
from celery import Celery
from celery.canvas import signature
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from feishu_batch.change_set import SetCounts
from feishu_batch.set_reads import read_sets
from worker.ledger.inbox import Inbox

log = structlog.get_logger("feishu_batch.publish")

SETS_PER_RUN = 500


class SetEnds:
    def __init__(self, app: Celery, redis: Redis, inbox: Inbox) -> None:
        self._app = app
        self._redis = redis
        self._inbox = inbox

    def run(self) -> int:
        """Returns how many were sent. First sent, then forgotten: a worker that dies in between sends one twice, and loses none."""
        awaited = self._inbox.awaited_sets(SETS_PER_RUN)
        found = read_sets(self._redis, self._inbox.keys.prefix, list(awaited)) if awaited else []
        sent = 0
        for (name, text), counts in zip(awaited.items(), found, strict=True):
            if counts is None or (counts.is_over and self._send(text, counts)):
                self._inbox.end_await(name, text)
                sent += counts is not None
        return sent

    def _send(self, text: str, counts: SetCounts) -> bool:
        """One that cannot be sent must not block the others. It is tried again by the next sweep."""
        try:
            signature(json.loads(text), app=self._app).apply_async(args=(counts.result().to_dict(),))
        except (OperationalError, RedisError, OSError):
            raise
        except Exception:
            log.exception("change_set.end_not_sent", change_set=counts.change_set)
            return False
        log.info("change_set.ended", change_set=counts.change_set, state=str(counts.state))
        return True
