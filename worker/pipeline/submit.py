"""One request of a lane: compose the batch when its slot is about to open, write it down, wait, send, note the answer."""

import time
from contextlib import suppress
from functools import partial
from uuid import uuid4

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.routing import TaskName
from worker.heartbeat import Heartbeat
from worker.ledger.lane import Lane
from worker.ledger.records import (
    Advanced,
    Batch,
    BatchState,
    NoBatch,
    Outcome,
    OutcomeKind,
    Standstill,
)
from worker.outcomes import Policy, Step, after_submit, to_read_back
from worker.outcomes.after_submit import MAX_REASKS
from worker.pacing.slots import LEAD, LOOK_AGAIN, Reservation, Slots
from worker.pacing.spacing import Verdict
from worker.pipeline.blame import Blame
from worker.pipeline.hints import LaneHints
from worker.pipeline.leave import Leave
from worker.pipeline.polling import back_off, first_look, size_class
from worker.pipeline.telling import intents_of, said, values_of
from worker.remote.client import RemoteClient
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    SpaceRefused,
    Withheld,
    word_of,
)
from worker.remote.models import Accepted, BatchUpdate, Token
from worker.remote.tokens import TokenSource
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.submit")

LONGEST_WAIT = 2.0  # slots: a lane whose next slot is further away is left to the sweep
PATIENCE = 1.0  # seconds
WRITE_RETRIES = 20  # with the pauses below about as long as a restart of Redis takes
WRITE_RETRY_PAUSE = 0.25  # seconds

NOT_SENT = "nothing was sent: no slot was to be had, or the lease was lost"


class Submitter:
    def __init__(
        self,
        *,
        lane: Lane,
        slots: Slots,
        remote: RemoteClient,
        tokens: TokenSource,
        hints: LaneHints,
        blame: Blame,
        policy: Policy,
        lease: float,
        heartbeat: float,
        max_open: int,
        max_wait: float,
        uuid_survives_token: bool,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._remote = remote
        self._tokens = tokens
        self._hints = hints
        self._blame = blame
        self._policy = policy
        self._lease = lease
        self._heartbeat = heartbeat
        self._max_open = max_open
        self._max_wait = max_wait
        self._uuid_survives_token = uuid_survives_token
        self._traces = traces

    def run(self) -> dict[str, object]:
        """Send one request, if there is one to send. Returns what happened, in ids."""
        wait = self._wait_for_slot()
        self._hints.arrived(TaskName.SUBMIT_BATCH)
        if wait:
            return {"state": "waiting", "slot_opens_in": round(wait, 3)}
        if self._lane.paused():  # before the token: a lane that stopped for its credentials must not go on trying them
            return {"state": str(Standstill.PAUSED)}
        token = self._token()
        if token is None:
            return {"state": "no token"}
        claimed = self._claim(token)
        if isinstance(claimed, NoBatch):
            self._wait_for_due(claimed)
            return {"state": str(claimed.why)}
        structlog.contextvars.bind_contextvars(batch=claimed.number)
        return self._carry_out(claimed, token)

    # --- before the request ---------------------------------------------------------------------------------------

    def _wait_for_slot(self) -> float:
        """Until shortly before the slot opens. Returns 0, or the seconds until it does if that is too long to wait for."""
        slot = self._slots.spacing.slot
        while (wait := self._slots.opens_in()) > LEAD:
            if wait > LONGEST_WAIT * slot + LEAD:
                return wait
            # With a second submit worker, two that wait for one slot would each use up a start of their `rate_limit`.
            self._hints.looks_in(TaskName.SUBMIT_BATCH, wait)
            if wait <= slot:
                time.sleep(wait - LEAD)
                break
            time.sleep(LOOK_AGAIN * slot)  # somebody's request has no answer yet; with it, the slot opens earlier
        return 0.0

    def _token(self) -> Token | None:
        try:
            return self._tokens.get()
        except LaneStopped as error:
            self._pause(f"{error}. {error.advice}")
        except RemoteError as error:
            log.warning("token.not_available", error=str(error))
            self._lane.troubles.note("submit", trouble_of(error))
        return None

    def _claim(self, token: Token) -> Batch | NoBatch:
        owner = str(uuid4())
        while True:
            claimed = self._lane.claim(
                owner=owner,
                lease=self._lease,
                max_open=self._max_open,
                max_wait=self._max_wait,
                idem_uuid=str(uuid4()),
                token_fingerprint=token.fingerprint,
                slot=self._slots.spacing.slot,
            )
            if not (isinstance(claimed, NoBatch) and claimed.why is Standstill.AGAIN):
                return claimed
            self._hints.publish()

    def _wait_for_due(self, nothing: NoBatch) -> None:
        """A batch that is due again within a moment is waited for; anything later is left to the sweep."""
        if nothing.why is Standstill.IDLE and nothing.retry_after is not None and nothing.retry_after <= PATIENCE:
            time.sleep(nothing.retry_after)
            self._hints.submit()

    def _carry_out(self, batch: Batch, token: Token) -> dict[str, object]:
        began = time.time()
        step = self._without_request(batch, token)
        answer: Accepted | RemoteError | None = None
        if step is None:
            answer = self._send(batch, token)
            if isinstance(answer, RemoteError):
                answer = self._blame.recognised(batch, self._blame.judged(batch, answer))
            if answer is not None:  # as it was judged: what is an intent's fault is no trouble with the remote system
                self._lane.troubles.note("submit", trouble_of(answer))
            if answer is None:
                step = _put_back(batch)
            else:
                step = after_submit(batch, answer, self._policy, self._first_poll(batch))
        advanced = self._write(batch, step, left=_has_left(answer))
        self._follow_up(batch, step, token, advanced)
        self._traces.sent(batch, began, answer, step.then)
        return self._report(batch, step, answer, advanced)

    def _without_request(self, batch: Batch, token: Token) -> Step | None:
        """Batches that need no request: their space is known to be refused, a repeat would no longer be one, or it was canceled
        before it would be sent again: of a request whose outcome is unknown the cells tell.
        """
        if batch.kind == BatchState.REASK:
            if set(self._lane.withdrawn(batch)) == set(batch.items):
                return to_read_back(batch, self._policy, "outcome unknown, and canceled since")
            if batch.number_field("reasks") > MAX_REASKS:
                return to_read_back(batch, self._policy, "several workers ended while they sent it")
            if batch.token_fingerprint == token.fingerprint or self._uuid_survives_token:
                return None
            return to_read_back(batch, self._policy, "outcome unknown, and the token changed since")
        if batch.kind == BatchState.RESEND and (given_up := self._lane.withdrawn(batch)):
            return Step(BatchState.RESEND, settled=dict.fromkeys(given_up, Outcome(OutcomeKind.CANCELED)))
        refusal = self._lane.space_refusal(space_of(batch), self._policy.backoff_max)
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, refusal)) if refusal else None

    # --- the request ----------------------------------------------------------------------------------------------

    def _send(self, batch: Batch, token: Token) -> Accepted | RemoteError | None:
        """The answer, or None when nothing was sent: no slot was to be had, or the lease was lost."""
        beat = partial(self._lane.extend_lease, batch.fence, self._lease)
        with Heartbeat(beat, interval=self._heartbeat, lease=self._lease) as lease:
            leave = Leave(self._slots, lease, ahead=LONGEST_WAIT * self._slots.spacing.slot * self._slots.sharers)
            if not leave.take():
                return None
            answer = self._request(batch, token, leave)
            if isinstance(answer, Withheld):
                log.warning("batch.withheld", reason=answer.message)
                leave.give_back()
                return None
            if leave.reservation is not None:
                with suppress(RedisConnectionError, RedisTimeoutError):  # the slot stays shut longer; the answer counts
                    self._settle_slot(leave.reservation, batch, answer)
            return answer

    def _request(self, batch: Batch, token: Token, leave: Leave) -> Accepted | RemoteError:
        spec = batch.spec
        update = BatchUpdate(
            project_key=spec.project_key,
            work_item_type_key=spec.work_item_type_key,
            work_item_ids=batch.items,
            field_key=spec.field_key,
            update_mode=spec.update_mode,
            before_field_value=spec.before_field_value,
            after_field_value=spec.after_field_value,
            has_before=spec.update_mode == "REPLACE",
        )
        try:
            return self._remote.batch_update(
                update, token=token, idem_uuid=batch.idem_uuid, user_key=spec.user_key, may_leave=leave.still_holds
            )
        except RemoteError as error:
            return error
        except Exception as error:
            # Whatever broke here, the request may have left; and the batch must not be stuck with it.
            log.exception("batch.crashed")
            return OutcomeUnknown(f"the worker failed while sending ({type(error).__name__})")

    def _settle_slot(self, reservation: Reservation, batch: Batch, answer: Accepted | RemoteError) -> None:
        verdict = after_submit(batch, answer, self._policy, 0.0).slot
        settle_slot(self._slots, reservation, answer, verdict, self._policy)

    # --- after the request ----------------------------------------------------------------------------------------

    def _write(self, batch: Batch, step: Step, *, left: bool) -> Advanced:
        """Note the answer, also across a restart of Redis: it is the only copy of the job's id."""
        for _ in range(WRITE_RETRIES):
            with suppress(RedisConnectionError, RedisTimeoutError):
                return write_step(self._lane, batch, BatchState.SENDING, step, left=left)
            time.sleep(WRITE_RETRY_PAUSE)
        return write_step(self._lane, batch, BatchState.SENDING, step, left=left)

    def _follow_up(self, batch: Batch, step: Step, token: Token, advanced: Advanced) -> None:
        if step.renew_token:
            with suppress(RemoteError):  # the next run asks for a token anyway, and says what is wrong
                self._tokens.renew(token)
        if step.pause:
            self._pause(step.pause)
        if step.refuse_space:
            self._lane.refuse_space(space_of(batch), step.refuse_space, self._policy.backoff_max)
        if step.then is BatchState.OPEN:
            self._blame.accepted(batch)
            self._hints.poll(batch=batch.number, job=step.fields["task"])
        if step.then is BatchState.CHECK:
            self._hints.read_back(batch=batch.number)
        self._hints.publish_if(advanced.intents_ended > 0 or batch.are_dead)
        if not step.pause and (batch.more_ready or advanced.became_ready or self._lane.has_due()):
            self._hints.submit()

    def _pause(self, reason: str) -> None:
        self._lane.pause(reason, polling=False)
        log.error("lane.paused", lane=self._lane.name, reason=reason, advice="mend it, then: feishu-batch resume")

    def _first_poll(self, batch: Batch) -> float:
        return first_look(self._lane.durations(size_class(len(batch.items))), self._slots.spacing.slot)

    def _report(
        self, batch: Batch, step: Step, answer: Accepted | RemoteError | None, advanced: Advanced
    ) -> dict[str, object]:
        report: dict[str, object] = {"batch": batch.number, "items": len(batch.items), "state": str(step.then)}
        told: dict[str, object]
        if isinstance(answer, Accepted):
            report["job"] = answer.task_id
            told = {"field": batch.spec.field_key, "intents": intents_of(batch), **values_of(batch)}
            log.info("batch.accepted", **report, **told, tries=batch.tries, log_id=answer.log_id)
        else:
            error = said("error", str(answer or why_no_request(step)), batch)
            report |= {"state": "settled" if not advanced.remaining else str(step.then), "error": error["error"]}
            told = {**error, "intents": intents_of(batch), **values_of(batch)}
            told |= {"answer": word_of(answer)} if answer else {}
            log.warning("batch.not_accepted", **(report | told), kind=batch.kind, tries=batch.tries)
        if advanced.stale:
            report["state"] = "taken over"
        return report


def space_of(batch: Batch) -> str:
    """What a refusal of it says nothing about another: space, type, and the user if the intents name one."""
    spec = batch.spec
    return " ".join(filter(None, (spec.project_key, spec.work_item_type_key, spec.user_key)))


def write_step(lane: Lane, batch: Batch, state: BatchState, step: Step, *, left: bool = False) -> Advanced:
    if step.split:
        return lane.split(batch, str(step.fields.get("why", "")))
    return lane.advance(
        batch, state=state, settled=step.settled, then=step.then, delay=step.delay, fields=step.fields, left=left
    )


def trouble_of(answer: object) -> str | None:
    """What to tell an operator, None if the remote system is there and works. Without the log id: it is another each time."""
    if not isinstance(answer, RemoteError) or isinstance(answer, BatchRefused | SpaceRefused | IdempotencyClash):
        return None
    details = [f"{name} {value}" for name, value in (("code", answer.code), ("HTTP", answer.http_status)) if value]
    return f"{answer.message} ({', '.join(details)})" if details else answer.message


def _has_left(answer: Accepted | RemoteError | None) -> bool:
    """Whether a request left, or may have."""
    if answer is None:
        return False
    return answer.exchange is not None or isinstance(answer, OutcomeUnknown)


def settle_slot(slots: Slots, reservation: Reservation, answer: object, verdict: Verdict, policy: Policy) -> None:
    """Say when the next request may leave.

    One failure alone does not slow the lane down; several in a row do, and so does an answer that asks for it.
    """
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
    if verdict == "rejected":
        pause = slots.spacing.pause_after_refusals(strikes, policy.backoff_max)
    else:
        pause = back_off(strikes - 1, policy.backoff, policy.backoff_max)
    if (pause := max(pause, asked_pause(answer))) > 0:
        slots.hold_off(reservation, pause)


def asked_pause(answer: object) -> float:
    """Seconds for which the remote system asks to be left alone, where it says so of its state and not of one request."""
    return answer.retry_after if isinstance(answer, RateLimited | NotExecuted | OutcomeUnknown) else 0.0


def why_no_request(step: Step) -> str:
    refused = next(iter(step.settled.values()), None)
    return str(step.fields.get("why") or (refused and refused.reason) or NOT_SENT)


def _put_back(batch: Batch) -> Step:
    """Not sent after all. The claim of a fresh send counted an attempt, that of a repeat did not."""
    if batch.kind == BatchState.REASK:
        return Step(BatchState.REASK)
    return Step(BatchState.RESEND, fields={"tries": batch.tries - 1})
