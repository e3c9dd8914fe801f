"""One request of a lane: compose the batch when its slot is about to open, record it, wait, send, record the answer."""

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.routing import TaskName
from feishu_batch.outcomes import OutcomeKind
from worker.decisions import Policy, Step, after_submit, to_read_back
from worker.decisions.after_submit import MAX_REASKS
from worker.decisions.polling import first_look, size_class
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import (
    Advanced,
    Batch,
    BatchState,
    NoBatch,
    NoBatchReason,
    Outcome,
)
from worker.pacing.slots import LEAD, LOOK_AGAIN, Slots
from worker.pipeline.blame import Blame
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.hints import LaneHints
from worker.pipeline.log_fields import intents_of, said, values_of
from worker.pipeline.request_look import RequestLook
from worker.pipeline.send import LONGEST_WAIT, Sender, has_left
from worker.remote.errors import (
    RemoteError,
    word_of,
)
from worker.remote.models import Accepted, Token
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.submit")

PATIENCE = 1.0  # seconds
LONGEST_LOOK = 0.5  # seconds for which a batch is composed earlier at most

NOT_SENT = "not sent: no slot was free in time, or the lease was lost"


class Submitter:
    def __init__(
        self,
        *,
        lane: Lane,
        slots: Slots,
        sender: Sender,
        steps: LaneSteps,
        hints: LaneHints,
        blame: Blame,
        look: RequestLook,
        policy: Policy,
        lease: float,
        max_open: int,
        max_wait: float,
        uuid_survives_token: bool,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._sender = sender
        self._steps = steps
        self._hints = hints
        self._blame = blame
        self._look = look
        self._policy = policy
        self._lease = lease
        self._max_open = max_open
        self._max_wait = max_wait
        self._uuid_survives_token = uuid_survives_token
        self._traces = traces
        self._look_takes = 0.0  # seconds that the last batch was read before its request

    def run(self) -> dict[str, object]:
        """Send one request, if a batch is ready. Returns what happened, in ids."""
        wait = self._wait_for_slot()
        self._hints.arrived(TaskName.SUBMIT_BATCH)
        if wait:
            return {"state": "waiting", "slot_opens_in": round(wait, 3)}
        if self._lane.paused():  # before the token: a lane that stopped because of its credentials must not retry them
            return {"state": str(NoBatchReason.PAUSED)}
        token = self._steps.token()
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
        """Wait until shortly before the slot opens. Returns 0, or the seconds until it opens if that is too long to wait."""
        slot = self._slots.spacing.slot
        lead = LEAD + self._look_takes
        while (wait := self._slots.opens_in()) > lead:
            if wait > LONGEST_WAIT * slot + lead:
                return wait
            # With a second submit worker, both would wait for one slot, and each would use up a start of its `rate_limit`.
            self._hints.looks_in(TaskName.SUBMIT_BATCH, wait)
            if wait <= slot:
                time.sleep(wait - lead)
                break
            time.sleep(LOOK_AGAIN * slot)  # another request has no answer yet; with the answer, the slot opens earlier
        return 0.0

    def _claim(self, token: Token) -> Batch | NoBatch:
        claimed = self._lane.claim(
            owner=str(uuid4()),
            lease=self._lease,
            max_open=self._max_open,
            max_wait=self._max_wait,
            idem_uuid=str(uuid4()),
            token_fingerprint=token.fingerprint,
            slot=self._slots.spacing.slot,
        )
        if isinstance(claimed, NoBatch) and claimed.are_dead:
            self._hints.publish()
        if claimed.awaits_look:
            self._hints.look()
        return claimed

    def _wait_for_due(self, nothing: NoBatch) -> None:
        """Wait for a batch that is due again in a moment; the sweep handles later ones."""
        if nothing.why is NoBatchReason.IDLE and nothing.retry_after is not None and nothing.retry_after <= PATIENCE:
            time.sleep(nothing.retry_after)
            self._hints.submit()

    def _carry_out(self, batch: Batch, token: Token) -> dict[str, object]:
        began = time.time()
        step = self._without_request(batch, token) or self._after_look(batch)
        answer: Accepted | RemoteError | None = None
        if step is None:
            answer = self._judged_answer(batch, token)
            step = _put_back(batch) if answer is None else self._decide(batch, answer)
        advanced = self._steps.write_patiently(batch, BatchState.SENDING, step, left=has_left(answer))
        self._follow_up(batch, step, token, advanced)
        self._traces.sent(batch, began, answer, step.then)
        return self._report(batch, step, answer, advanced)

    def _after_look(self, batch: Batch) -> Step | None:
        """It takes place while the slot is still closed: the next batch is composed as much earlier as this one took."""
        self._look_takes = 0.0
        if not batch.needs_look:
            return None
        began = time.monotonic()
        with self._sender.keeping_lease(batch):
            step = self._look.step(batch)
        self._look_takes = min(LONGEST_LOOK, time.monotonic() - began)
        return step

    def _judged_answer(self, batch: Batch, token: Token) -> Accepted | RemoteError | None:
        answer = self._sender.send(batch, token)
        if isinstance(answer, RemoteError):
            answer = self._blame.recognised(batch, self._blame.judged(batch, answer))
        if (
            answer is not None
        ):  # after finding the cause: a refusal caused by an intent is not trouble with the remote system
            self._steps.note(answer)
        return answer

    def _decide(self, batch: Batch, answer: Accepted | RemoteError) -> Step:
        durations: Sequence[float] = ()
        with suppress(
            RedisConnectionError, RedisTimeoutError
        ):  # an estimate is sufficient; only the answer must be recorded
            durations = self._lane.durations(size_class(len(batch.items)))
        return after_submit(batch, answer, self._policy, first_look(durations, self._slots.spacing.slot))

    def _without_request(self, batch: Batch, token: Token) -> Step | None:
        """Batches that need no request: their space is known to be refused, a repeat is no longer possible, or they were canceled
        before being sent again. If an outcome is unknown, the cells are read back.
        """
        if batch.kind == BatchState.REASK:
            if set(self._lane.canceled_cells(batch)) == set(batch.cells):
                return to_read_back(batch, self._policy, "outcome unknown, and canceled since")
            if batch.spec.expected is not None and batch.fields.get(BatchField.LOOKED):
                return to_read_back(batch, self._policy, "outcome unknown, and its condition must not be checked again")
            if batch.number_field(BatchField.REASKS) > MAX_REASKS:
                return to_read_back(batch, self._policy, "several workers ended while sending it")
            if batch.token_fingerprint == token.fingerprint or self._uuid_survives_token:
                return None
            return to_read_back(batch, self._policy, "outcome unknown, and the token changed since")
        if batch.kind == BatchState.RESEND and (given_up := self._lane.canceled_cells(batch)):
            return Step(BatchState.RESEND, settled=dict.fromkeys(given_up, Outcome(OutcomeKind.CANCELED)))
        refusal = self._lane.refusals.space_refusal(space_of(batch), self._policy.backoff_max)
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, refusal)) if refusal else None

    # --- after the request ----------------------------------------------------------------------------------------

    def _follow_up(self, batch: Batch, step: Step, token: Token, advanced: Advanced) -> None:
        self._steps.after_write(step, token)
        if step.refuse_space:
            self._lane.refusals.refuse_space(space_of(batch), step.refuse_space, self._policy.backoff_max)
        if step.then is BatchState.OPEN:
            self._blame.accepted(batch)
            self._hints.poll(batch=batch.number, job=step.fields[BatchField.JOB])
        if step.then is BatchState.CHECK:
            self._hints.read_back(batch=batch.number)
        if advanced.awaits_look:
            self._hints.look()
        self._hints.publish_if(advanced.intents_ended > 0 or batch.are_dead)
        if not step.pause and (batch.more_ready or advanced.became_ready or self._lane.has_due()):
            self._hints.submit()

    def _report(
        self, batch: Batch, step: Step, answer: Accepted | RemoteError | None, advanced: Advanced
    ) -> dict[str, object]:
        report: dict[str, object] = {"batch": batch.number, "items": len(batch.items), "state": str(step.then)}
        outcome: dict[str, object]
        if isinstance(answer, Accepted):
            report["job"] = answer.task_id
            outcome = {"field": batch.spec.field_key, "intents": intents_of(batch), **values_of(batch)}
            log.info("batch.accepted", **report, **outcome, tries=batch.tries, log_id=answer.log_id)
        else:
            error = said("error", str(answer or why_no_request(step)), batch)
            report |= {"state": "settled" if not advanced.remaining else str(step.then), "error": error["error"]}
            outcome = {**error, "intents": intents_of(batch), **values_of(batch)}
            outcome |= {"answer": word_of(answer)} if answer else {}
            log.warning("batch.not_accepted", **(report | outcome), kind=batch.kind, tries=batch.tries)
        if advanced.stale:
            report["state"] = "taken over"
        return report


def space_of(batch: Batch) -> str:
    """The place of a batch: space, type, and the user if the intents name one. A refusal of one place says nothing about others."""
    spec = batch.spec
    return " ".join(filter(None, (spec.project_key, spec.work_item_type_key, spec.user_key)))


def why_no_request(step: Step) -> str:
    refused = next(iter(step.settled.values()), None)
    return str(step.fields.get(BatchField.WHY) or (refused and refused.reason) or NOT_SENT)


def _put_back(batch: Batch) -> Step:
    """Not sent. The claim of a first send counted an attempt, that of a repeat did not."""
    if batch.kind == BatchState.REASK:
        return Step(BatchState.REASK)
    return Step(BatchState.RESEND, fields={BatchField.TRIES: batch.tries - 1})
