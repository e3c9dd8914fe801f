"""What follows from the answer to a submit."""

from dataclasses import replace

from worker.ledger.records import Batch, BatchState
from worker.outcomes.step import (
    Policy,
    Step,
    advice_of,
    after_token_rejected,
    is_unreachable,
    refusal,
    to_read_back,
    why,
)
from worker.pipeline.polling import back_off
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.models import Accepted

REASK_DELAY = 0.2  # between an unknown outcome and asking again; the slot adds its own wait
MAX_REASKS = 3  # requests with the same UUID; after them the cells themselves are asked


def after_submit(batch: Batch, answer: Accepted | RemoteError, policy: Policy, first_poll: float) -> Step:
    if isinstance(answer, Accepted):
        fields: dict[str, str | int] = {"task": answer.task_id, "log": answer.log_id, "polls": 0, "token_rejections": 0}
        return Step(BatchState.OPEN, delay=first_poll, fields=fields)
    if batch.kind == BatchState.REASK:
        return _after_reask(batch, answer, policy)
    return _after_send(batch, answer, policy)


def _after_send(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """The answer to a fresh request decides about that request alone."""
    if isinstance(error, RateLimited):
        return Step(BatchState.RESEND, fields=_uncounted(batch, error), slot="rejected")
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.RESEND, _uncounted(batch, error))
    if isinstance(error, LaneStopped):
        return Step(BatchState.RESEND, fields=_uncounted(batch, error), pause=advice_of(error))
    if isinstance(error, SpaceRefused):
        outcome = refusal(error)
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, outcome), refuse_space=outcome)
    if isinstance(error, BatchRefused):
        if _may_be_one_items_fault(batch, error):
            return Step(BatchState.RESEND, split=True, fields={"why": str(error)})
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, refusal(error)))
    if isinstance(error, NotExecuted):
        return _after_not_executed(batch, error, policy)
    return _after_unknown(batch, error, policy)


def _after_reask(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """Whatever this answer says of the repeat, the first request may have arrived: only a clash or the cells tell."""
    if isinstance(error, RateLimited):
        return Step(BatchState.REASK, fields=why(error), slot="rejected")
    if isinstance(error, LaneStopped):
        return Step(BatchState.REASK, fields=why(error), pause=advice_of(error))
    if isinstance(error, TokenRejected):
        # A renewed token does not protect the old UUID: asking again would be a second request, not a repeat.
        return replace(to_read_back(batch, policy, str(error)), renew_token=True)
    if isinstance(error, SpaceRefused):
        return replace(_with_verdict(batch, error, policy), refuse_space=refusal(error))
    if isinstance(error, BatchRefused):
        if _may_be_one_items_fault(batch, error):
            return to_read_back(batch, policy, str(error))  # what is not seen is sent afresh, refused, and split
        return _with_verdict(batch, error, policy)
    if isinstance(error, NotExecuted):
        return _after_reask_not_executed(batch, error, policy)
    return _after_unknown(batch, error, policy)


def _after_reask_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step:
    asked = batch.number_field("reasks") + 1
    if asked > MAX_REASKS and not is_unreachable(error):
        return replace(to_read_back(batch, policy, str(error)), slot="strike")
    delay = back_off(asked, policy.backoff, policy.backoff_max)
    return Step(BatchState.REASK, delay=delay, fields={**why(error), "reasks": asked}, slot="strike")


def _with_verdict(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """Items that do not show the change in the end were refused, and are not sent again."""
    step = to_read_back(batch, policy, str(error))
    return replace(step, fields={**step.fields, "verdict": refusal(error).detail()})


def _after_unknown(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    if isinstance(error, OutcomeUnknown) and error.advice:  # asking again would meet the same
        return replace(to_read_back(batch, policy, str(error)), slot="strike", pause=advice_of(error))
    asked = batch.number_field("reasks") + 1
    if isinstance(error, IdempotencyClash) or asked > MAX_REASKS:
        step = to_read_back(batch, policy, str(error))
        return replace(step, slot="accepted" if isinstance(error, IdempotencyClash) else "strike")
    return Step(BatchState.REASK, delay=REASK_DELAY, fields={**why(error), "reasks": asked}, slot="strike")


def _after_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step:
    """Refused for a passing reason. An unreachable remote system costs no attempts: nothing is wrong with the batch."""
    delay = back_off(batch.tries, policy.backoff, policy.backoff_max)
    if is_unreachable(error):
        return Step(BatchState.RESEND, delay=delay, fields=_uncounted(batch, error), slot="strike")
    age = (batch.number_field("now") - batch.claimed_at_ms) / 1000
    if batch.tries >= policy.max_attempts and age >= policy.job_timeout:
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, refusal(error)), slot="strike")
    return Step(BatchState.RESEND, delay=delay, fields=why(error), slot="strike")


def _may_be_one_items_fault(batch: Batch, error: BatchRefused) -> bool:
    return error.splittable and len(batch.items) > 1


def _uncounted(batch: Batch, error: RemoteError) -> dict[str, str | int]:
    """The claim of a resend counts an attempt; this one was none."""
    return {**why(error), "tries": batch.tries - 1}
