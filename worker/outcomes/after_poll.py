"""What follows from the answer to a poll."""

from dataclasses import replace

from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.outcomes.agreement import proven, tells_failures_only
from worker.outcomes.step import (
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
from worker.pipeline.polling import back_off
from worker.remote.errors import BatchRefused, LaneStopped, RateLimited, RemoteError, SpaceRefused, TokenRejected
from worker.remote.models import JobReport

FEWEST_LOOKS = 3  # at a job that does not exist, before that is believed

_ANSWERED: Fields = {"poll_failures": 0, "token_rejections": 0}  # failures are counted in a row
_SEEN: Fields = {**_ANSWERED, "missing_since": "", "missing_looks": ""}


def after_poll(
    batch: Batch, answer: JobReport | RemoteError, policy: Policy, next_poll: float, *, verify: bool = False
) -> Step:
    """`next_poll`: in how long to look again if the job still runs. `verify`: read back what the job says it did."""
    if isinstance(answer, JobReport):
        return _after_report(batch, answer, policy, next_poll, verify=verify)
    is_late = age_of(batch) > policy.job_timeout
    if isinstance(answer, RateLimited):
        return replace(_given_up(batch, policy, str(answer)) if is_late else Step(BatchState.OPEN), slot="rejected")
    if isinstance(answer, TokenRejected):
        return after_token_rejected(batch, answer, BatchState.OPEN, why(answer))
    if isinstance(answer, LaneStopped):
        return Step(BatchState.OPEN, pause=advice_of(answer))
    if isinstance(answer, SpaceRefused | BatchRefused):
        return _after_not_exist(batch, policy, next_poll, str(answer))
    # Whatever is answered, a gateway's trouble too, comes to an end: the read-back then waits for as long as that lasts.
    if is_late and (answer.code is not None or answer.http_status is not None):
        return _given_up(batch, policy, str(answer))
    failures = batch.number_field("poll_failures") + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.OPEN, delay=delay, fields={**why(answer), "poll_failures": failures}, slot="strike")


def _after_report(batch: Batch, report: JobReport, policy: Policy, next_poll: float, *, verify: bool) -> Step:
    if policy.is_final(report.word):
        return _after_end(batch, report, policy, verify=verify)
    if policy.is_missing(report.word):
        return _after_not_exist(batch, policy, next_poll, f"the remote system does not know job {report.task_id}")
    if age_of(batch) > policy.job_timeout:
        return _given_up(batch, policy, f"job {report.task_id} did not end within {policy.job_timeout:g} s")
    return Step(BatchState.OPEN, delay=next_poll, fields={**_SEEN, "seen_running": batch.number_field("now")})


def _given_up(batch: Batch, policy: Policy, reason: str) -> Step:
    """The job may be at work this very moment: the cells stay closed for the whole grace time from now."""
    return replace(to_read_back(batch, policy, reason), delay=policy.grace)


def _after_not_exist(batch: Batch, policy: Policy, next_poll: float, reason: str) -> Step:
    """Not visible yet, or gone for good: one look proves nothing."""
    now = batch.number_field("now")
    missing_since = batch.number_field("missing_since") or now
    looks = batch.number_field("missing_looks") + 1
    if looks >= FEWEST_LOOKS and (now - missing_since) / 1000 >= policy.not_exist:
        return to_read_back(batch, policy, reason)
    fields = {**_ANSWERED, "missing_since": missing_since, "missing_looks": looks}
    return Step(BatchState.OPEN, delay=next_poll, fields=fields)


def _after_end(batch: Batch, report: JobReport, policy: Policy, *, verify: bool) -> Step:
    """What word, counters and lists agree in has its outcome; the rest is read back."""
    if batch.kind == BatchState.REASK:
        # This is the job of a repeat. The first request's job may still be running: the cells stay closed, then tell.
        return to_read_back(batch, policy, "asked twice: waiting for a stray first job")
    failed_outcome = _job_failure(report)
    told = proven(batch.items, report)
    settled = dict.fromkeys(sorted(told.failed), failed_outcome)
    if not verify:
        settled |= dict.fromkeys(sorted(told.succeeded), SUCCEEDED)
    unproven = [item for item in batch.items if item not in told.succeeded | told.failed]
    fields: dict[str, str | int] = {"verifying": 1, "unproven": ",".join(map(str, unproven)), "looks": 0}
    fields["why"] = f"job {report.word}: {told.doubt or 'read back'}"[:MAX_REASON]
    if report.word.upper() == "FAILED" or (told.doubt and tells_failures_only(report)):
        fields["verdict"] = failed_outcome.detail()
    return Step(BatchState.CHECK, settled=settled, fields={**_ANSWERED, **fields})


def _job_failure(report: JobReport) -> Outcome:
    scenes = list(dict.fromkeys(report.scenes))
    if len(scenes) == 1:
        return Outcome.failed(scenes[0][:MAX_REASON], f"the remote job refused the item: {scenes[0]}"[:MAX_REASON])
    if scenes:
        # The remote system lists its reasons without saying which item each belongs to.
        reason = f"the remote job refused the item; one of: {', '.join(scenes)}"
        return Outcome.failed("remote_refused", reason[:MAX_REASON])
    return Outcome.failed("remote_refused", "the remote job refused the item and named no reason")
