"""What follows from an answer: the decisions, as plain values. No clock, no network, no store.

A `Step` says what becomes of a batch; the submitter and the follower carry it out. Times in seconds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.pacing.spacing import Verdict
from worker.polling import back_off
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    RateLimited,
    RemoteError,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.models import Accepted, JobReport

REASK_DELAY = 0.2  # between an unknown outcome and asking again; the slot adds its own wait
MAX_REASKS = 3  # requests with the same UUID; after them the cells themselves are asked
MAX_TOKEN_REJECTIONS = 2  # renewed once, repeated once; then it is a configuration error
FEWEST_LOOKS = 3  # at a job that does not exist, before that is believed
MAX_REASON = 500  # characters of a remote message that are kept per item


@dataclass(frozen=True, slots=True)
class Policy:
    """The bounds of patience, from the settings."""

    max_attempts: int
    backoff: float
    backoff_max: float
    grace: float
    read_back: float
    not_exist: float
    job_timeout: float
    final_words: frozenset[str]
    not_exist_words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """`settled` changes get their outcome; the rest of the batch goes to `then`, due in `delay`."""

    then: BatchState
    settled: Mapping[int, Outcome] = field(default_factory=dict)
    delay: float = 0.0
    fields: Mapping[str, str | int] = field(default_factory=dict)
    slot: Verdict = "accepted"
    split: bool = False
    renew_token: bool = False
    pause: str | None = None
    refuse_space: Outcome | None = None


# --- after a submit ------------------------------------------------------------------------------------------------


def after_submit(batch: Batch, answer: Accepted | RemoteError, policy: Policy, first_poll: float) -> Step:
    if isinstance(answer, Accepted):
        fields: dict[str, str | int] = {"task": answer.task_id, "log": answer.log_id, "polls": 0}
        return Step(BatchState.OPEN, delay=first_poll, fields=fields)
    if batch.kind == BatchState.REASK:
        return _after_reask(batch, answer, policy)
    return _after_send(batch, answer, policy)


def _after_send(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """The answer to a fresh request decides about that request alone."""
    if isinstance(error, RateLimited):
        return Step(BatchState.RESEND, fields=_uncounted(batch, error), slot="rejected")
    if isinstance(error, TokenRejected):
        return _after_token_rejected(batch, error, BatchState.RESEND)
    if isinstance(error, LaneStopped):
        return Step(BatchState.RESEND, fields=_uncounted(batch, error), pause=_advice(error))
    if isinstance(error, SpaceRefused):
        outcome = refusal(error)
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, outcome), refuse_space=outcome)
    if isinstance(error, BatchRefused):
        if error.splittable and len(batch.items) > 1:
            return Step(BatchState.RESEND, split=True, fields={"why": str(error)})
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, refusal(error)))
    if isinstance(error, NotExecuted):
        return _after_not_executed(batch, error, policy)
    return _after_unknown(batch, error, policy)


def _after_reask(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """Whatever this answer says of the repeat, the first request may have arrived: only a clash or the cells tell."""
    if isinstance(error, RateLimited):
        return Step(BatchState.REASK, fields=_why(error), slot="rejected")
    if isinstance(error, LaneStopped):
        return Step(BatchState.REASK, fields=_why(error), pause=_advice(error))
    if isinstance(error, TokenRejected):
        # A renewed token does not protect the old UUID: asking again would be a second request, not a repeat.
        return replace(to_read_back(batch, policy, str(error)), renew_token=True)
    if isinstance(error, NotExecuted):
        delay = back_off(batch.number_field("reasks") + 1, policy.backoff, policy.backoff_max)
        fields = _why(error) | {"reasks": batch.number_field("reasks") + 1}
        return Step(BatchState.REASK, delay=delay, fields=fields, slot="strike")
    if isinstance(error, SpaceRefused | BatchRefused):
        verdict = refusal(error)
        step = to_read_back(batch, policy, str(error))
        return replace(step, fields={**step.fields, "verdict": verdict.detail()})
    return _after_unknown(batch, error, policy)


def _after_unknown(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    asked = batch.number_field("reasks") + 1
    if isinstance(error, IdempotencyClash) or asked > MAX_REASKS:
        step = to_read_back(batch, policy, str(error))
        return replace(step, slot="accepted" if isinstance(error, IdempotencyClash) else "strike")
    return Step(BatchState.REASK, delay=REASK_DELAY, fields={**_why(error), "reasks": asked}, slot="strike")


def _after_not_executed(batch: Batch, error: NotExecuted, policy: Policy) -> Step:
    """Refused for a passing reason. An unreachable remote system costs no attempts: nothing is wrong with the batch."""
    if error.code is None:
        delay = back_off(batch.tries, policy.backoff, policy.backoff_max)
        return Step(BatchState.RESEND, delay=delay, fields=_uncounted(batch, error), slot="strike")
    age = (batch.number_field("now") - batch.claimed_at_ms) / 1000
    if batch.tries >= policy.max_attempts and age >= policy.job_timeout:
        return Step(BatchState.RESEND, settled=dict.fromkeys(batch.items, refusal(error)), slot="strike")
    delay = back_off(batch.tries, policy.backoff, policy.backoff_max)
    return Step(BatchState.RESEND, delay=delay, fields=_why(error), slot="strike")


def _after_token_rejected(batch: Batch, error: TokenRejected, then: BatchState) -> Step:
    rejections = batch.number_field("token_rejections") + 1
    fields = {**_uncounted(batch, error), "token_rejections": rejections}
    if rejections < MAX_TOKEN_REJECTIONS:
        return Step(then, fields=fields, renew_token=True)
    advice = "The remote system refuses fresh tokens: check PLUGIN_ID, PLUGIN_SECRET and USER_KEY, then resume."
    return Step(then, fields=fields | {"token_rejections": 0}, pause=f"{error} — {advice}")


def to_read_back(batch: Batch, policy: Policy, why: str) -> Step:
    """The cells stay closed until a stray first request can no longer change them; then they are read."""
    since_sent = (batch.number_field("now") - batch.number_field("sent")) / 1000
    wait = max(0.0, policy.grace - since_sent)
    return Step(BatchState.CHECK, delay=wait, fields={"why": why[:MAX_REASON], "stray": 1, "looks": 0})


# --- after a poll --------------------------------------------------------------------------------------------------


def after_poll(
    batch: Batch, answer: JobReport | RemoteError, policy: Policy, next_poll: float, *, verify: bool = False
) -> Step:
    """`next_poll`: in how long to look again if the job still runs. `verify`: read back what the job says it did."""
    age = (batch.number_field("now") - batch.number_field("entered")) / 1000
    if isinstance(answer, JobReport):
        if answer.word in policy.final_words:
            return _after_end(batch, answer, policy, verify=verify)
        if answer.word in policy.not_exist_words:
            return _after_not_exist(batch, policy, next_poll, f"the remote system does not know job {answer.task_id}")
        if age > policy.job_timeout:
            return to_read_back(batch, policy, f"job {answer.task_id} did not end within {policy.job_timeout:g} s")
        return Step(BatchState.OPEN, delay=next_poll, fields={"seen_running": batch.number_field("now")})
    if isinstance(answer, RateLimited):
        return Step(BatchState.OPEN, slot="rejected")
    if isinstance(answer, TokenRejected):
        return _after_token_rejected(batch, answer, BatchState.OPEN)
    if isinstance(answer, LaneStopped):
        return Step(BatchState.OPEN, pause=_advice(answer))
    if isinstance(answer, SpaceRefused | BatchRefused):
        return _after_not_exist(batch, policy, next_poll, str(answer))
    failures = batch.number_field("poll_failures") + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.OPEN, delay=delay, fields={**_why(answer), "poll_failures": failures}, slot="strike")


def _after_not_exist(batch: Batch, policy: Policy, next_poll: float, why: str) -> Step:
    """Not visible yet, or gone for good: one look proves nothing."""
    now = batch.number_field("now")
    missing_since = batch.number_field("missing_since") or now
    looks = batch.number_field("missing_looks") + 1
    if looks >= FEWEST_LOOKS and (now - missing_since) / 1000 >= policy.not_exist:
        return to_read_back(batch, policy, why)
    return Step(BatchState.OPEN, delay=next_poll, fields={"missing_since": missing_since, "missing_looks": looks})


def _after_end(batch: Batch, report: JobReport, policy: Policy, *, verify: bool) -> Step:
    """Judge by the lists and counters; the status word does not say which items worked."""
    if batch.kind == BatchState.REASK:
        # This is the job of a repeat. The first request's job may still be running: the cells stay closed, then tell.
        return to_read_back(batch, policy, "asked twice: waiting for a stray first job")
    failed_outcome = _job_failure(report)
    settled: dict[int, Outcome] = {}
    done, failed = _told_items(batch, report)
    for item in batch.items:
        if item in failed:
            settled[item] = failed_outcome
        elif item in done and not verify:
            settled[item] = SUCCEEDED
    unproven = [item for item in batch.items if item not in done and item not in failed]
    fields: dict[str, str | int] = {"verifying": 1, "unproven": ",".join(map(str, unproven)), "looks": 0}
    fields["why"] = f"job {report.word}: read back"
    if report.word == "FAILED":
        fields["verdict"] = failed_outcome.detail()
    return Step(BatchState.CHECK, settled=settled, fields=fields)


def _told_items(batch: Batch, report: JobReport) -> tuple[Collection[int], Collection[int]]:
    """(succeeded, failed) as far as the report tells: by its lists, or by a counter that covers the whole batch."""
    everything = len(batch.items) if batch.number_field("size") == len(batch.items) else -1
    done: Collection[int] = report.succeeded or ()
    failed: Collection[int] = report.failed or ()
    if not done and not failed:
        if report.success_total == everything and not report.error_total:
            return batch.items, ()
        if report.error_total == everything and not report.success_total:
            return (), batch.items
    return [item for item in done if item not in failed], failed


def _job_failure(report: JobReport) -> Outcome:
    scenes = list(dict.fromkeys(report.scenes))
    if len(scenes) == 1:
        return Outcome.failed(scenes[0][:MAX_REASON], f"the remote job refused the item: {scenes[0]}"[:MAX_REASON])
    if scenes:
        # The remote system lists its reasons without saying which item each belongs to.
        return Outcome.failed(
            "remote_refused", f"the remote job refused the item; one of: {', '.join(scenes)}"[:MAX_REASON]
        )
    return Outcome.failed("remote_refused", "the remote job refused the item and named no reason")


# --- after a read-back ---------------------------------------------------------------------------------------------


def after_read_back(batch: Batch, shown: Mapping[int, bool | None], policy: Policy) -> Step:
    """`shown`: item → the cell shows the change; None: it cannot be compared. Items that are gone may be absent."""
    settled = {item: SUCCEEDED for item in batch.items if shown.get(item)}
    unproven = {int(item) for item in batch.fields.get("unproven", "").split(",") if item}
    verifying = bool(batch.fields.get("verifying"))
    if verifying:
        # Read back to verify what a job reported as done: "cannot be compared" is no contradiction.
        settled |= {item: SUCCEEDED for item in batch.items if item not in unproven and shown.get(item, False) is None}
    looks = batch.number_field("looks") + 1
    age = (batch.number_field("now") - batch.number_field("entered")) / 1000
    patience = policy.read_back + (policy.grace if batch.fields.get("stray") else 0.0)
    if age < patience:
        delay = back_off(looks, policy.backoff, policy.backoff_max)
        return Step(BatchState.CHECK, settled=settled, delay=delay, fields={"looks": looks})
    left = [item for item in batch.items if item not in settled]
    if verifying:
        not_stored = Outcome.failed("not_stored", "the job reported success, but the item does not show the value")
        settled |= dict.fromkeys((item for item in left if item not in unproven), not_stored)
    return _never_shown(batch, policy, settled)


def _never_shown(batch: Batch, policy: Policy, settled: dict[int, Outcome]) -> Step:
    left = [item for item in batch.items if item not in settled]
    verdict = batch.fields.get("verdict")
    if verdict:
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, Outcome.from_detail(verdict)))
    if batch.tries >= policy.max_attempts:
        lost = Outcome.failed(
            "outcome_unknown", f"sent {batch.tries} times and never seen in the item: {batch.fields.get('why', '')}"
        )
        return Step(BatchState.RESEND, settled=settled | dict.fromkeys(left, lost))
    # A new send starts afresh: what was noted about the last one would mislead its follow-up.
    return Step(BatchState.RESEND, settled=settled, fields=dict.fromkeys(FOLLOW_UP_FIELDS, ""))


FOLLOW_UP_FIELDS = (
    "task",
    "verifying",
    "unproven",
    "verdict",
    "stray",
    "looks",
    "reasks",
    "missing_since",
    "missing_looks",
    "seen_running",
)


def after_read_back_failed(batch: Batch, error: RemoteError, policy: Policy) -> Step:
    """The read-back itself did not work: it says nothing about the cells."""
    if isinstance(error, LaneStopped):
        return Step(BatchState.CHECK, pause=_advice(error))
    if isinstance(error, TokenRejected):
        return _after_token_rejected(batch, error, BatchState.CHECK)
    if isinstance(error, SpaceRefused | BatchRefused):
        return after_read_back(batch, {}, policy)
    failures = batch.number_field("read_failures") + 1
    delay = back_off(failures, policy.backoff, policy.backoff_max)
    return Step(BatchState.CHECK, delay=delay, fields={"read_failures": failures})


# --- shared --------------------------------------------------------------------------------------------------------


def refusal(error: RemoteError) -> Outcome:
    return Outcome.failed(str(error.code if error.code is not None else "refused"), str(error)[:MAX_REASON])


def _why(error: RemoteError) -> dict[str, str | int]:
    return {"why": str(error)[:MAX_REASON]}


def _uncounted(batch: Batch, error: RemoteError) -> dict[str, str | int]:
    """The claim of a resend counts an attempt; this one was none."""
    return {**_why(error), "tries": batch.tries - 1}


def _advice(error: LaneStopped) -> str:
    return f"{error}. {error.advice}".strip() if error.advice else str(error)
