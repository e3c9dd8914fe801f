"""The decision after the answer to a single update. Pure.

The single route never fails a change for a reason that may be its own, and never stops the lane: what it cannot send goes to the batch route,
which finds out by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from worker.decisions.after_read_back import after_read_back, after_read_back_failed
from worker.decisions.polling import back_off
from worker.decisions.step import (
    Policy,
    Step,
    after_token_rejected,
    age_of,
    is_last_rejection,
    is_unreachable,
    refusal,
    to_read_back,
    uncounted,
    why,
)
from worker.ledger.fields import BatchField
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Cell
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
    is_route_refused,
)
from worker.remote.models import ItemWritten

MAY_BE_EXECUTED = (OutcomeUnknown, IdempotencyClash)
REFUSED_FOR = 3600.0  # seconds without the route after the endpoint itself was refused
TROUBLE_FOR = 60.0  # seconds after an answer that stops the lane, if the batch route gets it, too
TOGETHER = (
    1.0  # seconds until updates are read back, so that one read has a dozen items: each read counts against the quota
)
VERIFIED = "several fields, or a type whose answer proves nothing: read back"


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The changes may be sent again by either route. `bar`: what they write goes by batches for an hour. `off`: seconds without the route."""

    bar: bool = False
    off: float = 0.0
    why: str = ""


def after_single(batch: Batch, answer: ItemWritten | RemoteError | None, policy: Policy) -> Step | GivenBack:
    """`answer`: None if no request was sent."""
    if answer is None:
        return GivenBack()
    if isinstance(answer, ItemWritten):
        return _after_written(batch, answer, policy)
    return _not_the_routes(batch, answer) or _after_error(batch, answer, policy)


def after_single_check(
    update: Batch, shown: Mapping[Cell, bool | None], policy: Policy
) -> tuple[Step | None, GivenBack | None]:
    """What reading the cells shows (`after_read_back`): a step for those that it proves, and then what happens to the others.

    An answer of several fields proves nothing, so what the read does not prove is sent again by a batch, whose job names each item. Not
    while reads may be behind: a condition would be checked against a value that is ours.
    """
    if not update.fields.get(BatchField.VERIFYING):
        return after_read_back(update, shown, policy), None
    settled = {cell: SUCCEEDED for cell in update.cells if shown.get(cell)}
    rest = [cell for cell in update.cells if cell not in settled]
    nothing_to_come = all(shown.get(cell, False) is None for cell in rest)
    cannot_compare = any(shown.get(cell, False) is None for cell in rest) and age_of(update) >= policy.reads_behind
    if rest and (nothing_to_come or cannot_compare or age_of(update) >= policy.read_back):
        return (Step(BatchState.CHECK, settled=settled) if settled else None), GivenBack(bar=True)
    looks = update.number_field(BatchField.LOOKS) + 1
    delay = back_off(looks, policy.backoff, policy.backoff_max)
    return Step(BatchState.CHECK, settled=settled, delay=delay, fields={BatchField.LOOKS: looks}), None


def after_single_check_failed(
    update: Batch, error: RemoteError, policy: Policy
) -> tuple[Step | None, GivenBack | None]:
    """The read failed. It never stops the lane: what can be sent again goes by batches, the rest is read later, and sent again in the end."""
    if isinstance(error, TokenRejected) and not is_last_rejection(update, error):
        return after_token_rejected(update, error, BatchState.CHECK, {}), None
    if isinstance(error, LaneStopped | TokenRejected | SpaceRefused | BatchRefused):
        off = 0.0 if isinstance(error, BatchRefused | SpaceRefused) else TROUBLE_FOR
        if update.fields.get(BatchField.VERIFYING):
            return None, GivenBack(bar=True, off=off, why=str(error))
        step = after_read_back(update, dict.fromkeys(update.cells), policy)
        return replace(step, singles_off=off, fields={**step.fields, **(why(error) if off else {})}), None
    return after_read_back_failed(update, error, policy), None


def _not_the_routes(batch: Batch, error: RemoteError) -> GivenBack | None:
    """What concerns the endpoint, the lane or the space, and so the other route finds out."""
    if is_route_refused(error) and not isinstance(error, MAY_BE_EXECUTED):
        return GivenBack(off=REFUSED_FOR, why=str(error))
    if isinstance(error, LaneStopped) or (isinstance(error, TokenRejected) and is_last_rejection(batch, error)):
        return GivenBack(off=TROUBLE_FOR, why=str(error))
    return GivenBack(bar=True) if isinstance(error, SpaceRefused) else None


def _after_error(batch: Batch, error: RemoteError, policy: Policy) -> Step | GivenBack:
    if isinstance(error, RateLimited):
        return Step(BatchState.RESEND, fields=uncounted(batch, error))
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.RESEND, uncounted(batch, error))
    if isinstance(error, BatchRefused):
        return _after_refused(batch, error)
    if isinstance(error, NotExecuted):
        return _after_not_executed(batch, error, policy)
    # A gateway that says "no such endpoint" does not prove that nothing was executed: its cells stay closed, too.
    off = REFUSED_FOR if is_route_refused(error) else 0.0
    return replace(to_read_back(batch, policy, str(error)), singles_off=off)


def _after_written(batch: Batch, answer: ItemWritten, policy: Policy) -> Step:
    """Several teams report fields of one request that were dropped although its answer said success."""
    if not batch.fields.get(BatchField.VERIFY):
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, SUCCEEDED))
    fields: dict[str, str | int] = {
        BatchField.VERIFYING: 1,
        BatchField.UNPROVEN: "",
        BatchField.LOOKS: 0,
        BatchField.WHY: VERIFIED,
        BatchField.LOG_ID: answer.log_id,
    }
    return Step(BatchState.CHECK, delay=min(TOGETHER, policy.read_back / 4), fields=fields)


def _after_refused(batch: Batch, error: BatchRefused) -> Step | GivenBack:
    """With several fields, each is sent alone to find the bad one."""
    if len(batch.parts) > 1:
        return Step(BatchState.RESEND, split=True, fields=why(error))
    if error.is_listed:
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.cells, refusal(error)))
    return GivenBack(bar=True)


def _after_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step | GivenBack:
    if batch.tries >= policy.max_attempts:
        return GivenBack(bar=True)
    delay = back_off(batch.tries, policy.backoff, policy.backoff_max)
    return Step(BatchState.RESEND, delay=delay, fields=uncounted(batch, error) if is_unreachable(error) else why(error))
