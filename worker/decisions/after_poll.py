"""The decision after the answer to a poll."""

from dataclasses import replace

from feishu_batch.explained import FailureCode
from worker.decisions.agreement import proven, tells_failures_only
from worker.decisions.polling import back_off
from worker.decisions.step import (
    MAX_REASON,
    Fields,
    Policy,
    Step,
    advice_of,
    after_token_rejected,
    age_of,
    to_read_back,
    why,
)
from worker.ledger.fields import BatchField
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.remote.errors import BatchRefused, LaneStopped, RateLimited, RemoteError, SpaceRefused, TokenRejected
from worker.remote.models import JobReport

FEWEST_LOOKS = 3  # polls of a job that does not exist, before that is believed

_ANSWERED: Fields = {BatchField.POLL_FAILURES: 0, BatchField.TOKEN_REJECTIONS: 0}  # failures are counted in a row
_SEEN: Fields = {**_ANSWERED, BatchField.MISSING_SINCE_MS: "", BatchField.MISSING_LOOKS: ""}


def after_poll(
    batch: Batch, answer: JobReport | RemoteError, policy: Policy, next_poll: float, *, verify: bool = False
) -> Step:
    """`next_poll`: seconds until the next poll if the job still runs. `verify`: read back the changes that the job reports as done."""
    if isinstance(answer, JobReport):
        return _after_report(batch, answer, policy, next_poll, verify=verify)
    is_late = age_of(batch) > policy.job_timeout
    if isinstance(answer, RateLimited):
        return _given_up(batch, policy, str(answer)) if is_late else Step(BatchState.OPEN)
    if isinstance(answer, TokenRejected):
        return after_token_rejected(batch, answer, BatchState.OPEN, why(answer))
    if isinstance(answer, LaneStopped):
        return Step(BatchState.OPEN, pause=advice_of(answer))
    if isinstance(answer, SpaceRefused | BatchRefused):
        return _after_not_exist(batch, policy, next_poll, str(answer))
    # Any answer, even trouble of a gateway, leads to an end: the read-back then waits until the trouble is over.
    if is_late and (answer.code is not None or answer.http_status is not None):
        return _given_up(batch, policy, str(answer))
    failures = batch.number_field(BatchField.POLL_FAILURES) + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.OPEN, delay=delay, fields={**why(answer), BatchField.POLL_FAILURES: failures})


def _after_report(batch: Batch, report: JobReport, policy: Policy, next_poll: float, *, verify: bool) -> Step:
    if policy.is_final(report.word):
        return _after_end(batch, report, policy, verify=verify)
    if policy.is_missing(report.word):
        return _after_not_exist(batch, policy, next_poll, f"the remote system does not know job {report.task_id}")
    if age_of(batch) > policy.job_timeout:
        return _given_up(batch, policy, f"job {report.task_id} did not end within {policy.job_timeout:g} s")
    return Step(
        BatchState.OPEN,
        delay=next_poll,
        fields={**_SEEN, BatchField.SEEN_RUNNING_AT_MS: batch.number_field(BatchField.NOW)},
    )


def _given_up(batch: Batch, policy: Policy, reason: str) -> Step:
    """The job may still be running: the cells stay closed for the whole grace time from now."""
    return replace(to_read_back(batch, policy, reason), delay=policy.grace)


def _after_not_exist(batch: Batch, policy: Policy, next_poll: float, reason: str) -> Step:
    """Not visible yet, or deleted: one poll proves nothing."""
    now = batch.number_field(BatchField.NOW)
    missing_since = batch.number_field(BatchField.MISSING_SINCE_MS) or now
    looks = batch.number_field(BatchField.MISSING_LOOKS) + 1
    if looks >= FEWEST_LOOKS and (now - missing_since) / 1000 >= policy.not_exist:
        return to_read_back(batch, policy, reason)
    fields = {**_ANSWERED, BatchField.MISSING_SINCE_MS: missing_since, BatchField.MISSING_LOOKS: looks}
    return Step(BatchState.OPEN, delay=next_poll, fields=fields)


def _after_end(batch: Batch, report: JobReport, policy: Policy, *, verify: bool) -> Step:
    """Items on which status word, counters and lists agree get their outcome; the others are read back."""
    if batch.kind == BatchState.REASK:
        # This is the job of a repeat. The first request's job may still be running: the cells stay closed, then are read back.
        return to_read_back(batch, policy, "sent twice: waiting for a possible first job")
    failed_outcome = _job_failure(report)
    proof = proven(batch.items, report)
    settled = batch.by_cell(dict.fromkeys(proof.failed, failed_outcome))
    if not verify:
        settled |= batch.by_cell(dict.fromkeys(proof.succeeded, SUCCEEDED))
    unproven = [item for item in batch.items if item not in proof.succeeded | proof.failed]
    fields: dict[str, str | int] = {
        BatchField.VERIFYING: 1,
        BatchField.UNPROVEN: ",".join(map(str, unproven)),
        BatchField.LOOKS: 0,
    }
    fields[BatchField.WHY] = f"job {report.word}: {proof.doubt or 'read back'}"[:MAX_REASON]
    if report.word.upper() == "FAILED" or (proof.doubt and tells_failures_only(report)):
        fields[BatchField.VERDICT] = failed_outcome.detail()
    return Step(BatchState.CHECK, settled=settled, fields={**_ANSWERED, **fields})


def _job_failure(report: JobReport) -> Outcome:
    scenes = list(dict.fromkeys(report.scenes))
    if len(scenes) == 1:
        return Outcome.failed(scenes[0][:MAX_REASON], f"the remote job refused the item: {scenes[0]}"[:MAX_REASON])
    if scenes:
        # The remote system lists its reasons without their items.
        reason = f"the remote job refused the item; one of: {', '.join(scenes)}"
        return Outcome.failed(FailureCode.REMOTE_REFUSED, reason[:MAX_REASON])
    return Outcome.failed(FailureCode.REMOTE_REFUSED, "the remote job refused the item without a reason")
