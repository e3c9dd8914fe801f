"""The decision after a read-back of the cells."""

from collections.abc import Mapping

from feishu_batch.explained import FailureCode
from worker.decisions.polling import back_off
from worker.decisions.step import (
    FOLLOW_UP_FIELDS,
    Policy,
    Step,
    advice_of,
    after_token_rejected,
    age_of,
    is_not_served,
    is_unreachable,
)
from worker.ledger.fields import BatchField
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Cell, Outcome
from worker.remote.errors import BatchRefused, LaneStopped, RemoteError, SpaceRefused, TokenRejected


def after_read_back(batch: Batch, shown: Mapping[Cell, bool | None], policy: Policy) -> Step:
    """`shown`: whether each cell shows its change; None: it cannot be compared. Deleted items may be absent."""
    settled = {cell: SUCCEEDED for cell in batch.cells if shown.get(cell)}
    unproven = {int(item) for item in batch.fields.get(BatchField.UNPROVEN, "").split(",") if item}
    reported = [cell for cell in batch.cells if batch.fields.get(BatchField.VERIFYING) and cell.item not in unproven]
    # Read back to verify the report of a job: "cannot be compared" is not a contradiction.
    settled |= {cell: SUCCEEDED for cell in reported if shown.get(cell, False) is None}
    if age_of(batch) < _patience(batch, policy):
        looks = batch.number_field(BatchField.LOOKS) + 1
        fields = {BatchField.LOOKS: looks, BatchField.READ_FAILURES: 0, BatchField.TOKEN_REJECTIONS: 0}
        delay = back_off(looks, policy.backoff, policy.backoff_max)
        return Step(BatchState.CHECK, settled=settled, delay=delay, fields=fields)
    not_stored = Outcome.failed(
        FailureCode.NOT_STORED, "the remote system reported success, but the item does not show the value"
    )
    settled |= {cell: not_stored for cell in reported if cell not in settled}
    return _never_shown(batch, policy, settled)


def _patience(batch: Batch, policy: Policy) -> float:
    return policy.read_back + (policy.grace if batch.fields.get(BatchField.STRAY) else 0.0)


def _never_shown(batch: Batch, policy: Policy, settled: dict[Cell, Outcome]) -> Step:
    left = [cell for cell in batch.cells if cell not in settled]
    verdict = batch.fields.get(BatchField.VERDICT)
    if verdict:
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, Outcome.from_detail(verdict)))
    if batch.tries >= policy.max_attempts:
        reason = f"sent {batch.tries} times, but the item never showed the value: {batch.fields.get('why', '')}"
        lost = Outcome.failed(FailureCode.OUTCOME_UNKNOWN, reason)
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, lost))
    return Step(BatchState.RESEND, settled=settled, fields=dict.fromkeys(FOLLOW_UP_FIELDS, ""))


def after_read_back_failed(batch: Batch, error: RemoteError, policy: Policy, *, others_work: bool = False) -> Step:
    """The read-back itself failed, so it proves nothing about the cells. `others_work`: other calls are answered meanwhile."""
    if isinstance(error, LaneStopped):
        return Step(BatchState.CHECK, pause=advice_of(error))
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.CHECK, {})
    is_late = age_of(batch) > policy.job_timeout
    never = (is_not_served(error) and (others_work or is_late)) or (is_late and not is_unreachable(error))
    if isinstance(error, SpaceRefused | BatchRefused) or never:
        return after_read_back(batch, dict.fromkeys(batch.cells), policy)
    failures = batch.number_field(BatchField.READ_FAILURES) + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.CHECK, delay=delay, fields={BatchField.READ_FAILURES: failures})
