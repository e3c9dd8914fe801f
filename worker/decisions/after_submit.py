"""The decision after the answer to a submit."""

from dataclasses import replace

from worker.decisions.polling import back_off
from worker.decisions.step import (
    Policy,
    Step,
    advice_of,
    after_token_rejected,
    is_unreachable,
    refusal,
    to_read_back,
    uncounted,
    why,
)
from worker.ledger.fields import BatchField
from worker.ledger.records import Batch, BatchState
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

REASK_DELAY = 0.2  # between an unknown outcome and the repeat; the slot adds its own wait
MAX_REASKS = 3  # requests with the same UUID; after them the cells are read back


def after_submit(batch: Batch, answer: Accepted | RemoteError, policy: Policy, first_poll: float) -> Step:
    if isinstance(answer, Accepted):
        fields: dict[str, str | int] = {
            BatchField.JOB: answer.task_id,
            BatchField.LOG_ID: answer.log_id,
            BatchField.POLLS: 0,
            BatchField.TOKEN_REJECTIONS: 0,
        }
        return Step(BatchState.OPEN, delay=first_poll, fields=fields)
    if batch.kind == BatchState.REASK:
        return _after_reask(batch, answer, policy)
    return _after_send(batch, answer, policy)


def _after_send(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """The answer to a first request decides about that request only."""
    if isinstance(error, RateLimited):
        return Step(BatchState.RESEND, fields=uncounted(batch, error))
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.RESEND, uncounted(batch, error))
    if isinstance(error, LaneStopped):
        return Step(BatchState.RESEND, fields=uncounted(batch, error), pause=advice_of(error))
    if isinstance(error, SpaceRefused):
        outcome = refusal(error)
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, outcome), refuse_space=outcome)
    if isinstance(error, BatchRefused):
        if _may_be_one_items_fault(batch, error):
            return Step(BatchState.RESEND, split=True, fields={BatchField.WHY: str(error)})
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, refusal(error)))
    if isinstance(error, NotExecuted):
        return _after_not_executed(batch, error, policy)
    return _after_unknown(batch, error, policy)


def _after_reask(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """The answer to a repeat does not show whether the first request arrived: only a clash or the cells do."""
    if isinstance(error, RateLimited):
        return Step(BatchState.REASK, fields=why(error))
    if isinstance(error, LaneStopped):
        return Step(BatchState.REASK, fields=why(error), pause=advice_of(error))
    if isinstance(error, TokenRejected):
        # A renewed token does not protect the old UUID: a repeat would be a second request.
        return replace(to_read_back(batch, policy, str(error)), renew_token=True)
    if isinstance(error, SpaceRefused):
        return replace(_with_verdict(batch, error, policy), refuse_space=refusal(error))
    if isinstance(error, BatchRefused):
        if _may_be_one_items_fault(batch, error):
            return to_read_back(
                batch, policy, str(error)
            )  # items without the value are sent as a new batch, refused, and split
        return _with_verdict(batch, error, policy)
    if isinstance(error, NotExecuted):
        return _after_reask_not_executed(batch, error, policy)
    return _after_unknown(batch, error, policy)


def _after_reask_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step:
    asked = batch.number_field(BatchField.REASKS) + 1
    if asked > MAX_REASKS and not is_unreachable(error):
        return to_read_back(batch, policy, str(error))
    delay = back_off(asked, policy.backoff, policy.backoff_max)
    return Step(BatchState.REASK, delay=delay, fields={**why(error), BatchField.REASKS: asked})


def _with_verdict(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """Items that never show the change were refused, and are not sent again."""
    step = to_read_back(batch, policy, str(error))
    return replace(step, fields={**step.fields, BatchField.VERDICT: refusal(error).detail()})


def _after_unknown(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    if isinstance(error, OutcomeUnknown) and error.advice:  # a repeat would get the same answer
        return replace(to_read_back(batch, policy, str(error)), pause=advice_of(error))
    asked = batch.number_field(BatchField.REASKS) + 1
    if isinstance(error, IdempotencyClash) or asked > MAX_REASKS:
        return to_read_back(batch, policy, str(error))
    return Step(BatchState.REASK, delay=REASK_DELAY, fields={**why(error), BatchField.REASKS: asked})


def _after_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step:
    """Refused for a temporary reason. An unreachable remote system does not count as an attempt, because it is not the batch's fault."""
    delay = back_off(batch.tries, policy.backoff, policy.backoff_max)
    if is_unreachable(error):
        return Step(BatchState.RESEND, delay=delay, fields=uncounted(batch, error))
    age = (batch.number_field(BatchField.NOW) - batch.claimed_at_ms) / 1000
    if batch.tries >= policy.max_attempts and age >= policy.job_timeout:
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, refusal(error)))
    return Step(BatchState.RESEND, delay=delay, fields=why(error))


def _may_be_one_items_fault(batch: Batch, error: BatchRefused) -> bool:
    return error.splittable and len(batch.parts) > 1
