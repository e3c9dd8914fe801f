"""One poll of the job that has been due for longest; settles the items that the answer proves."""

import random
import threading
import time
from dataclasses import replace

import structlog

from worker.decisions import Policy, Step, after_poll
from worker.decisions.polling import estimated_duration, next_look, size_class
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Batch, BatchState
from worker.pacing.slots import Slots
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.follow import PATIENCE, DueBatches
from worker.pipeline.hints import LaneHints
from worker.pipeline.log_fields import said
from worker.remote.client import RemoteClient
from worker.remote.errors import BatchRefused, RemoteError, word_of
from worker.remote.models import JobReport, Token
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.follow")


class JobPoller:
    """`verify_share`: the share of successful jobs whose items are read back anyway."""

    def __init__(
        self,
        *,
        lane: Lane,
        slots: Slots,
        remote: RemoteClient,
        steps: LaneSteps,
        due: DueBatches,
        hints: LaneHints,
        policy: Policy,
        verify_share: float,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._remote = remote
        self._steps = steps
        self._due = due
        self._hints = hints
        self._policy = policy
        self._verify_share = verify_share
        self._traces = traces
        # A second hint for the lane must not start a second series of polls in this process.
        self._polling = threading.Lock()

    def run(self) -> dict[str, object]:
        """Poll the job that has been due for longest, if one becomes due soon. Returns what happened, in ids."""
        if not self._polling.acquire(blocking=False):
            return {"state": "another run polls"}
        try:
            time.sleep(min(PATIENCE, self._slots.opens_in()))
            return self._due.run_one("jobs", self._poll, self._hints.poll)
        finally:
            self._polling.release()

    def _poll(self, batch: Batch) -> dict[str, object]:
        structlog.contextvars.bind_contextvars(job=batch.task_id)
        token = self._steps.token()
        began = time.time()
        answer = self._ask(batch, token) if token else None
        step = Step(BatchState.OPEN, delay=self._policy.backoff) if answer is None else self._decide(batch, answer)
        advanced = self._due.apply(batch, BatchState.OPEN, step, token)
        self._traces.polled(batch, began, answer, step.then)
        if isinstance(answer, JobReport) and self._policy.is_final(answer.word):
            self._learn(batch)
            _log_end(batch, answer, step)
        elif isinstance(answer, RemoteError):
            log.warning("poll.failed", answer=word_of(answer), **said("error", str(answer), batch))
        return {
            "batch": batch.number,
            "job": batch.task_id,
            "state": "settled" if not advanced.remaining else str(step.then),
            "settled": len(step.settled),
            "remaining": advanced.remaining,
        }

    def _ask(self, batch: Batch, token: Token) -> JobReport | RemoteError | None:
        reservation = self._slots.take(ahead=2 * self._slots.spacing.slot)
        if reservation is None:
            return None
        answer: JobReport | RemoteError
        try:
            answer = self._remote.task_result(batch.task_id or "", token=token)
        except RemoteError as error:
            answer = error
        except Exception as error:  # the error would repeat: the batch ends as if the job did not exist
            log.exception("poll.crashed")
            answer = BatchRefused(f"the worker failed while polling the job ({type(error).__name__})")
        self._steps.settle_slot(self._slots, reservation, answer)
        self._steps.note(answer)
        return answer

    def _decide(self, batch: Batch, answer: JobReport | RemoteError) -> Step:
        verify = random.random() < self._verify_share
        step = after_poll(batch, answer, self._policy, self._next_poll(batch, answer), verify=verify)
        return replace(step, fields={BatchField.POLLS: batch.polls + 1, **step.fields})

    def _next_poll(self, batch: Batch, answer: JobReport | RemoteError) -> float:
        age = (batch.number_field(BatchField.NOW) - batch.number_field(BatchField.ENTERED_AT_MS)) / 1000
        durations = self._lane.durations(size_class(batch.number_field(BatchField.SIZE)))
        progress = answer.progress if isinstance(answer, JobReport) else 0.0
        return next_look(age, durations, self._slots.spacing.slot, progress)

    def _learn(self, batch: Batch) -> None:
        entered, now = batch.number_field(BatchField.ENTERED_AT_MS), batch.number_field(BatchField.NOW)
        seen_running = batch.number_field(BatchField.SEEN_RUNNING_AT_MS, entered)
        duration = estimated_duration((seen_running - entered) / 1000, (now - entered) / 1000)
        self._lane.note_duration(size_class(batch.number_field(BatchField.SIZE)), duration)


def _log_end(batch: Batch, report: JobReport, step: Step) -> None:
    failed = sum(outcome.code is not None for outcome in step.settled.values())
    log.info(
        "job.ended",
        word=report.word,
        succeeded=len(step.settled) - failed,
        failed=failed,
        to_read_back=len(batch.items) - len(step.settled),
        polls=batch.polls + 1,
    )
