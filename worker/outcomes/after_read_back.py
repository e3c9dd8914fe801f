"""What follows from looking at the cells themselves."""

from collections.abc import Mapping

from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.outcomes.step import (
    FOLLOW_UP_FIELDS,
    Policy,
    Step,
    advice_of,
    after_token_rejected,
    age_of,
    is_not_served,
    is_unreachable,
)
from worker.pipeline.polling import back_off
from worker.remote.errors import BatchRefused, LaneStopped, RemoteError, SpaceRefused, TokenRejected


def after_read_back(batch: Batch, shown: Mapping[int, bool | None], policy: Policy) -> Step:
    """`shown`: item → the cell shows the change; None: it cannot be compared. Items that are gone may be absent."""
    settled = {item: SUCCEEDED for item in batch.items if shown.get(item)}
    unproven = {int(item) for item in batch.fields.get("unproven", "").split(",") if item}
    reported = [item for item in batch.items if batch.fields.get("verifying") and item not in unproven]
    # Read back to verify what a job reported as done: "cannot be compared" is no contradiction.
    settled |= {item: SUCCEEDED for item in reported if shown.get(item, False) is None}
    if age_of(batch) < _patience(batch, policy):
        looks = batch.number_field("looks") + 1
        fields = {"looks": looks, "read_failures": 0, "token_rejections": 0}
        delay = back_off(looks, policy.backoff, policy.backoff_max)
        return Step(BatchState.CHECK, settled=settled, delay=delay, fields=fields)
    not_stored = Outcome.failed("not_stored", "the job reported success, but the item does not show the value")
    settled |= {item: not_stored for item in reported if item not in settled}
    return _never_shown(batch, policy, settled)


def _patience(batch: Batch, policy: Policy) -> float:
    return policy.read_back + (policy.grace if batch.fields.get("stray") else 0.0)


def _never_shown(batch: Batch, policy: Policy, settled: dict[int, Outcome]) -> Step:
    left = [item for item in batch.items if item not in settled]
    verdict = batch.fields.get("verdict")
    if verdict:
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, Outcome.from_detail(verdict)))
    if batch.tries >= policy.max_attempts:
        reason = f"sent {batch.tries} times and never seen in the item: {batch.fields.get('why', '')}"
        lost = Outcome.failed("outcome_unknown", reason)
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, lost))
    return Step(BatchState.RESEND, settled=settled, fields=dict.fromkeys(FOLLOW_UP_FIELDS, ""))


def after_read_back_failed(batch: Batch, error: RemoteError, policy: Policy, *, others_work: bool = False) -> Step:
    """The read-back itself did not work: it says nothing about the cells. `others_work`: other calls are answered meanwhile."""
    if isinstance(error, LaneStopped):
        return Step(BatchState.CHECK, pause=advice_of(error))
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.CHECK, {})
    is_late = age_of(batch) > policy.job_timeout
    never = (is_not_served(error) and (others_work or is_late)) or (is_late and not is_unreachable(error))
    if isinstance(error, SpaceRefused | BatchRefused) or never:
        return after_read_back(batch, dict.fromkeys(batch.items), policy)
    failures = batch.number_field("read_failures") + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.CHECK, delay=delay, fields={"read_failures": failures})
