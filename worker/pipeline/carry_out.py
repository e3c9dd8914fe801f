"""Applies the decision about a batch, after a submit, a poll or a read-back."""

import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.decisions import Policy, Step, pause_after, verdict_of
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Advanced, Batch, BatchState
from worker.pacing.slots import Reservation, Slots
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    RemoteError,
    SpaceRefused,
    word_of,
)
from worker.remote.models import Token
from worker.remote.tokens import TokenSource

log = structlog.get_logger("feishu_batch.lane")

WRITE_RETRIES = 20  # with the pauses below, about the duration of a restart of Redis
WRITE_RETRY_PAUSE = 0.25  # seconds


class LaneSteps:
    """`activity`: "submit" or "poll", under which the lane's last error is recorded."""

    def __init__(self, lane: Lane, tokens: TokenSource, policy: Policy, activity: str) -> None:
        self._lane = lane
        self._tokens = tokens
        self._policy = policy
        self._activity = activity

    def token(self) -> Token | None:
        """None: not available now. The lane is paused if only an operator can help."""
        try:
            return self._tokens.get()
        except LaneStopped as error:
            self.pause(f"{error}. {error.advice}")
        except RemoteError as error:
            log.warning("token.not_available", error=str(error))
            self.note(error)
        return None

    def note(self, answer: object) -> None:
        """Record the lane's last error, or that the call succeeded."""
        self._lane.last_errors.note(self._activity, error_of(answer))

    def settle_slot(self, slots: Slots, reservation: Reservation, answer: object) -> int:
        """Set when the next request may be sent. Returns the failures in a row."""
        verdict = verdict_of(answer)
        exchange = getattr(answer, "exchange", None)
        if exchange is None:  # not sent
            strikes = slots.settle(reservation, verdict="strike", answer=word_of(answer))
        else:
            answered = not isinstance(answer, RemoteError) or answer.http_status is not None
            strikes = slots.settle(
                reservation,
                verdict=verdict,
                sent_at=exchange.sent_at,
                answered_at=exchange.answered_at,
                round_trip=exchange.duration if answered else None,
                answer=word_of(answer),
            )
        if (pause := pause_after(answer, strikes, slots.spacing, self._policy)) > 0:
            slots.hold_off(reservation, pause)
        return strikes

    def write(self, batch: Batch, state: BatchState, step: Step, *, left: bool = False) -> Advanced:
        """`state`: the batch must be in it, otherwise nothing changes. `left`: whether a request was, or may have been, sent."""
        if step.split:
            return self._lane.split(batch, str(step.fields.get(BatchField.WHY, "")), self._policy.reads_behind)
        was_sent = left or state is not BatchState.SENDING
        return self._lane.advance(
            batch,
            state=state,
            settled=step.settled,
            then=step.then,
            delay=step.delay,
            fields=step.fields,
            left=left,
            reads_behind=self._policy.reads_behind if was_sent else 0.0,
        )

    def write_patiently(self, batch: Batch, state: BatchState, step: Step, *, left: bool) -> Advanced:
        return self.patiently(lambda: self.write(batch, state, step, left=left))

    @staticmethod
    def patiently(write: Callable[[], Advanced]) -> Advanced:
        """Retries even across a restart of Redis, because the answer cannot be obtained again."""
        for _ in range(WRITE_RETRIES):
            with suppress(RedisConnectionError, RedisTimeoutError):
                return write()
            time.sleep(WRITE_RETRY_PAUSE)
        return write()

    def after_write(self, step: Step, token: Token | None) -> None:
        if step.renew_token and token:
            with suppress(RemoteError):  # the next run requests a token anyway, and reports the error
                self._tokens.renew(token)
        if step.pause:
            self.pause(step.pause)

    def pause(self, reason: str) -> None:
        self._lane.pause(reason, polling=False)
        log.error(
            "lane.paused", lane=self._lane.name, reason=reason, advice="after fixing it, run: feishu-batch resume"
        )


def error_of(answer: object) -> str | None:
    """The error for an operator; None if the remote system works. Without the log id, which differs each time."""
    if not isinstance(answer, RemoteError) or isinstance(answer, BatchRefused | SpaceRefused | IdempotencyClash):
        return None
    details = [f"{name} {value}" for name, value in (("code", answer.code), ("HTTP", answer.http_status)) if value]
    return f"{answer.message} ({', '.join(details)})" if details else answer.message
