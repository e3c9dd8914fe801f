"""Carry out what was decided about a batch, after a submit, a poll and a read-back alike."""

import time
from contextlib import suppress

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.decisions import Policy, Step, pause_after, verdict_of
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

WRITE_RETRIES = 20  # with the pauses below about as long as a restart of Redis takes
WRITE_RETRY_PAUSE = 0.25  # seconds


class LaneSteps:
    """`activity`: "submit" or "poll", under which the lane's last error is noted."""

    def __init__(self, lane: Lane, tokens: TokenSource, policy: Policy, activity: str) -> None:
        self._lane = lane
        self._tokens = tokens
        self._policy = policy
        self._activity = activity

    def token(self) -> Token | None:
        """None: there is none for now. The lane is paused where only an operator can help."""
        try:
            return self._tokens.get()
        except LaneStopped as error:
            self.pause(f"{error}. {error.advice}")
        except RemoteError as error:
            log.warning("token.not_available", error=str(error))
            self.note(error)
        return None

    def note(self, answer: object) -> None:
        """As the lane's last error, or that there is none any more."""
        self._lane.last_errors.note(self._activity, error_of(answer))

    def settle_slot(self, slots: Slots, reservation: Reservation, answer: object) -> None:
        """Say when the next request may leave."""
        verdict = verdict_of(answer)
        exchange = getattr(answer, "exchange", None)
        if exchange is None:  # nothing was sent
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

    def write(self, batch: Batch, state: BatchState, step: Step, *, left: bool = False) -> Advanced:
        """`state`: the one that the batch is in, else nothing changes. `left`: whether a request left for it, or may have."""
        if step.split:
            return self._lane.split(batch, str(step.fields.get("why", "")))
        return self._lane.advance(
            batch, state=state, settled=step.settled, then=step.then, delay=step.delay, fields=step.fields, left=left
        )

    def write_patiently(self, batch: Batch, state: BatchState, step: Step, *, left: bool) -> Advanced:
        """Also across a restart of Redis: for an answer that nobody gives twice."""
        for _ in range(WRITE_RETRIES):
            with suppress(RedisConnectionError, RedisTimeoutError):
                return self.write(batch, state, step, left=left)
            time.sleep(WRITE_RETRY_PAUSE)
        return self.write(batch, state, step, left=left)

    def after_write(self, step: Step, token: Token | None) -> None:
        if step.renew_token and token:
            with suppress(RemoteError):  # the next run asks for a token anyway, and says what is wrong
                self._tokens.renew(token)
        if step.pause:
            self.pause(step.pause)

    def pause(self, reason: str) -> None:
        self._lane.pause(reason, polling=False)
        log.error("lane.paused", lane=self._lane.name, reason=reason, advice="fix it, then run: feishu-batch resume")


def error_of(answer: object) -> str | None:
    """What an operator sees, None if the remote system is there and works. Without the log id: it is another each time."""
    if not isinstance(answer, RemoteError) or isinstance(answer, BatchRefused | SpaceRefused | IdempotencyClash):
        return None
    details = [f"{name} {value}" for name, value in (("code", answer.code), ("HTTP", answer.http_status)) if value]
    return f"{answer.message} ({', '.join(details)})" if details else answer.message
