"""Publish the results of ended intents: release the parked Celery task, or store the result under the intent's id.

Canceled and expired intents are ended here too, in small steps in parallel to sending, so that their results follow at once.
"""

import json
import time

import structlog
from celery import Celery
from celery.canvas import signature
from celery.exceptions import TaskRevokedError
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from feishu_batch.errors import ItemsFailed
from feishu_batch.keys import IntentKeys
from feishu_batch.results import IntentState, IntentView, read_intent, read_recorded
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.pipeline.hints import LaneHints
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.publish")

PER_ROUND = 20
LONGEST_RUN = 0.5  # seconds
LONGEST_ENDING = 0.2  # seconds of it
# If a worker dies, the results that it took become due again after this time. A slow worker stops after half of that time, so
# that at most one result is published twice.
AGAIN_AFTER = 4.0
# A sent parked task confirms when it has run, which may take a while in a long queue. A second copy would find nothing to
# do, but every copy makes the queue longer.
SENT_AGAIN_AFTER = 30.0  # seconds


class Publisher:
    def __init__(
        self,
        app: Celery,
        redis: Redis,
        prefix: str,
        inbox: Inbox,
        lane: Lane,
        hints: LaneHints,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._app = app
        self._redis = redis
        self._prefix = prefix
        self._inbox = inbox
        self._lane = lane
        self._hints = hints
        self._traces = traces

    def run(self) -> int:
        """End stopped intents and publish the outbox, for a bounded time. Returns how many were published."""
        deadline = time.monotonic() + LONGEST_RUN
        if self._end_stopped(time.monotonic() + LONGEST_ENDING):
            self._hints.publish()
        published = 0
        while taken := self._lane.take_outbox(PER_ROUND, AGAIN_AFTER):
            self._confirm(self._publish_in_time(taken))
            self._traces.ended(number for number, _ in taken)
            published += len(taken)
            if time.monotonic() > deadline:
                self._hints.publish()
                break
        return published

    def _end_stopped(self, deadline: float) -> bool:
        """Whether some are left."""
        while True:
            part = self._lane.end_stopped()
            self._hints.after(part)
            if not part.more or time.monotonic() > deadline:
                return part.more

    def store(self, intent_id: str) -> None:
        """Store the result of an ended intent, over any stored one. Runs no callbacks."""
        view = read_intent(self._redis, self._prefix, intent_id)
        if view is not None and view.result is not None:
            self._store(view)

    def _publish_in_time(self, taken: list[tuple[int, str]]) -> list[int]:
        """The published ones. All others become due again in the outbox."""
        begin_until = time.monotonic() + AGAIN_AFTER / 2
        done: list[int] = []
        for number, intent_id in taken:
            if time.monotonic() > begin_until:
                log.warning("publish.slow", left=len(taken) - taken.index((number, intent_id)))
                break
            if self._try_to_publish(number, intent_id):
                done.append(number)
        return done

    def _confirm(self, stored: list[int]) -> None:
        self._lane.confirm_published(stored)
        for number in stored:
            if self._inbox.parked(number) is not None:  # parked meanwhile: the confirmation must not include it
                self._lane.republish_if_ended(number)

    def _try_to_publish(self, number: int, intent_id: str) -> bool:
        """A result that cannot be published must not block the others. It is retried later."""
        try:
            return self._publish(number, intent_id)
        except (OperationalError, RedisError, OSError):
            raise  # no result can be published at the moment
        except Exception:
            log.exception("intent.not_published", intent_id=intent_id)
            return False

    def _publish(self, number: int, intent_id: str) -> bool:
        """Whether the publication is complete. A parked task confirms later, when Celery has stored its result."""
        parked = self._inbox.parked(number)
        if parked is not None:
            signature(json.loads(parked), app=self._app).apply_async()
            self._lane.put_off_publishing(number, SENT_AGAIN_AFTER)
            return False
        # Not by its id: after a crash between recording and removing from the inbox, the id has no lane.
        view = read_recorded(self._redis, IntentKeys(self._prefix, self._lane.name, number), intent_id)
        if view is None or view.result is None:
            log.warning("intent.ended_without_result", intent_id=intent_id)
            return True
        self._store(view)
        counts = {name: count for name, count in view.result.counts.items() if count}
        log.debug("intent.ended", intent_id=intent_id, number=number, state=str(view.state), **counts)
        return True

    def _store(self, view: IntentView) -> None:
        backend = self._app.backend
        result = outcome_of(view)
        if isinstance(result, TaskRevokedError):
            backend.mark_as_revoked(view.intent_id, str(result))
        elif isinstance(result, Exception):
            backend.mark_as_failure(view.intent_id, result, call_errbacks=False)
        else:
            backend.mark_as_done(view.intent_id, result)


def outcome_of(view: IntentView) -> dict[str, object] | ItemsFailed | TaskRevokedError:
    """The return value of the Celery task of this intent, or the exception with which it fails.

    All items canceled, or all expired: revoked, with Celery's own texts.
    """
    if view.result is None:
        raise ValueError(f"intent {view.intent_id} has not ended")
    if view.state is IntentState.SUCCEEDED:
        return view.result.to_dict()
    if view.state in (IntentState.CANCELED, IntentState.EXPIRED):
        return TaskRevokedError(view.state.value)
    return ItemsFailed.of(view.result.to_dict())
