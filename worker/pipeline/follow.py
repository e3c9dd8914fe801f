"""Follow what was accepted to its end: one poll, or one read-back, of the batch that is due most."""

import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import structlog

from worker.ledger.lane import Lane
from worker.ledger.records import Advanced, Batch, BatchState
from worker.outcomes import Policy, Step, after_poll, after_read_back, after_read_back_failed, is_not_served
from worker.pacing.slots import Slots
from worker.pipeline.blame import Blame
from worker.pipeline.hints import LaneHints
from worker.pipeline.polling import estimated_duration, next_look, size_class
from worker.pipeline.progress import ProgressReports
from worker.pipeline.submit import settle_slot, trouble_of, write_step
from worker.pipeline.telling import said
from worker.remote.client import RemoteClient
from worker.remote.compare import ABSENT, shows
from worker.remote.errors import BatchRefused, LaneStopped, RateLimited, RemoteError, word_of
from worker.remote.models import JobReport, Token
from worker.remote.tokens import TokenSource
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.follow")

PATIENCE = 1.0  # seconds that one run waits for something to become due
# For so long at most a picked batch and its poll slot are kept from others. Longer than polls take; asking for a job twice
# does no harm, and waiting for a worker that died does.
HOLD = 4.0  # seconds


class Follower:
    def __init__(
        self,
        *,
        lane: Lane,
        poll_slots: Slots,
        read_slots: Slots,
        remote: RemoteClient,
        tokens: TokenSource,
        hints: LaneHints,
        progress: ProgressReports,
        blame: Blame,
        policy: Policy,
        hold: float,
        verify_share: float,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._poll_slots = poll_slots
        self._read_slots = read_slots
        self._remote = remote
        self._tokens = tokens
        self._hints = hints
        self._progress = progress
        self._blame = blame
        self._policy = policy
        self._hold = hold
        self._verify_share = verify_share
        self._traces = traces
        # A second hint for the lane must not make a second stream of polls in this process.
        self._polling = threading.Lock()

    # --- polls ----------------------------------------------------------------------------------------------------

    def poll(self) -> dict[str, object]:
        """Ask for the job that is due most, if one becomes due soon. Returns what happened, in ids."""
        if not self._polling.acquire(blocking=False):
            return {"state": "another run polls"}
        try:
            return self._poll_next()
        finally:
            self._polling.release()

    def _poll_next(self) -> dict[str, object]:
        time.sleep(min(PATIENCE, self._poll_slots.opens_in()))
        batch = self._pick("jobs")
        report: dict[str, object] = {"state": "nothing due"}
        if isinstance(batch, Batch):
            structlog.contextvars.bind_contextvars(batch=batch.number, job=batch.task_id)
            report = self._poll(batch)
        if batch is not None:
            self._hints.poll()
        return report

    def _pick(self, where: str) -> Batch | float | None:
        """Wait a moment for something to become due, so that the hint that is sent next does not spin."""
        picked = self._lane.pick(where, hold=self._hold)
        if not isinstance(picked, float):
            return picked
        time.sleep(min(picked, PATIENCE))
        return self._lane.pick(where, hold=self._hold) if picked <= PATIENCE else picked

    def _poll(self, batch: Batch) -> dict[str, object]:
        token = self._token()
        began = time.time()
        answer = self._ask(batch, token) if token else None
        if answer is None:
            step = Step(BatchState.OPEN, delay=self._policy.backoff)
        else:
            step = after_poll(batch, answer, self._policy, self._next_poll(batch, answer), verify=self._is_sampled())
            step = _counted(step, batch)
        advanced = self._apply(batch, BatchState.OPEN, step, token)
        self._traces.polled(batch, began, answer, step.then)
        if isinstance(answer, JobReport) and self._policy.is_final(answer.word):
            self._learn(batch)
            self._log_end(batch, answer, step)
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
        reservation = self._poll_slots.take(ahead=2 * self._poll_slots.spacing.slot)
        if reservation is None:
            return None
        answer: JobReport | RemoteError
        try:
            answer = self._remote.task_result(batch.task_id or "", token=token)
        except RemoteError as error:
            answer = error
        except Exception as error:  # whatever broke here breaks again: the batch ends as if the job were not there
            log.exception("poll.crashed")
            answer = BatchRefused(f"the worker failed while asking for the job ({type(error).__name__})")
        verdict = after_poll(batch, answer, self._policy, 0.0).slot
        settle_slot(self._poll_slots, reservation, answer, verdict, self._policy)
        self._lane.troubles.note("poll", trouble_of(answer))
        return answer

    def _next_poll(self, batch: Batch, answer: JobReport | RemoteError) -> float:
        age = (batch.number_field("now") - batch.number_field("entered")) / 1000
        durations = self._lane.durations(size_class(batch.number_field("size")))
        progress = answer.progress if isinstance(answer, JobReport) else 0.0
        return next_look(age, durations, self._poll_slots.spacing.slot, progress)

    def _learn(self, batch: Batch) -> None:
        entered, now = batch.number_field("entered"), batch.number_field("now")
        seen_running = batch.number_field("seen_running", entered)
        duration = estimated_duration((seen_running - entered) / 1000, (now - entered) / 1000)
        self._lane.note_duration(size_class(batch.number_field("size")), duration)

    def _log_end(self, batch: Batch, report: JobReport, step: Step) -> None:
        failed = sum(outcome.code is not None for outcome in step.settled.values())
        log.info(
            "job.ended",
            word=report.word,
            succeeded=len(step.settled) - failed,
            failed=failed,
            to_read_back=len(batch.items) - len(step.settled),
            polls=batch.polls + 1,
        )

    def _is_sampled(self) -> bool:
        return random.random() < self._verify_share

    # --- read-backs -----------------------------------------------------------------------------------------------

    def read_back(self) -> dict[str, object]:
        """Read the cells of the batch whose outcome is unknown and whose time has come."""
        batch = self._pick("checks")
        report: dict[str, object] = {"state": "nothing due"}
        if isinstance(batch, Batch):
            structlog.contextvars.bind_contextvars(batch=batch.number)
            report = self._read_back(batch)
        if batch is not None:
            self._hints.read_back()
        return report

    def _read_back(self, batch: Batch) -> dict[str, object]:
        token = self._token()
        began = time.time()
        reservation = self._read_slots.take(ahead=PATIENCE) if token else None
        if token is None or reservation is None:
            step = Step(BatchState.CHECK, delay=self._policy.backoff)
        else:
            step, error = self._look(batch, token)
            if isinstance(error, RateLimited):
                settle_slot(self._read_slots, reservation, error, "rejected", self._policy)
            else:
                self._read_slots.settle(reservation, verdict="accepted")
        self._apply(batch, BatchState.CHECK, step, token)
        self._traces.read_back(batch, began, len(step.settled), step.then)
        is_news = step.settled or step.then is not BatchState.CHECK
        (log.info if is_news else log.debug)(
            "batch.read_back",
            settled=len(step.settled),
            remaining=len(batch.items) - len(step.settled),
            **said("why", batch.fields.get("why") or "", batch),
        )
        return {"batch": batch.number, "state": str(step.then), "settled": len(step.settled)}

    def _look(self, batch: Batch, token: Token) -> tuple[Step, RemoteError | None]:
        try:
            return after_read_back(batch, self._shown(batch, token), self._policy), None
        except RemoteError as error:
            log.warning("read_back.failed", answer=word_of(error), **said("error", str(error), batch))
            others_work = is_not_served(error) and self._lane.troubles.none()
            judged = self._blame.judged(batch, error)
            return after_read_back_failed(batch, judged, self._policy, others_work=others_work), error
        except Exception as error:  # whatever broke here breaks again: the batch ends as if nothing could be compared
            log.exception("read_back.crashed")
            crash = BatchRefused(f"the worker failed while reading back ({type(error).__name__})")
            return after_read_back_failed(batch, crash, self._policy), None

    def _shown(self, batch: Batch, token: Token) -> Mapping[int, bool | None]:
        spec = batch.spec
        found = self._remote.query_items(
            spec.project_key,
            spec.work_item_type_key,
            batch.items,
            [spec.field_key],
            token=token,
            user_key=spec.user_key,
            before_next_call=partial(self._read_slots.take, ahead=PATIENCE),
        )
        return {
            item.id: shows(
                item.types.get(spec.field_key),
                spec.update_mode,
                spec.before_field_value,
                spec.after_field_value,
                item.fields.get(spec.field_key, ABSENT),
            )
            for item in found
        }

    # --- shared ---------------------------------------------------------------------------------------------------

    def _token(self) -> Token | None:
        try:
            return self._tokens.get()
        except LaneStopped as error:
            self._lane.pause(f"{error}. {error.advice}", polling=False)
            log.error("lane.paused", lane=self._lane.name, reason=str(error), advice=error.advice)
        except RemoteError as error:
            log.warning("token.not_available", error=str(error))
            self._lane.troubles.note("poll", trouble_of(error))
        return None

    def _apply(self, batch: Batch, state: BatchState, step: Step, token: Token | None) -> Advanced:
        advanced = write_step(self._lane, batch, state, step)
        if step.renew_token and token:
            with suppress(RemoteError):  # the next run asks for a token anyway, and says what is wrong
                self._tokens.renew(token)
        if step.pause:
            self._lane.pause(step.pause, polling=False)
            log.error(
                "lane.paused", lane=self._lane.name, reason=step.pause, advice="mend it, then: feishu-batch resume"
            )
        # Not only for what became ready here: a lane that had as many jobs open as it may stands still until now.
        if advanced.became_ready or step.then is BatchState.RESEND or self._lane.has_ready():
            self._hints.submit()
        if advanced.remaining and step.then is BatchState.CHECK and state is not BatchState.CHECK:
            self._hints.read_back(batch=batch.number)
        if advanced.intents_ended:
            self._hints.publish()
        if step.settled:
            self._progress.report(set(batch.intents))
        return advanced


def _counted(step: Step, batch: Batch) -> Step:
    return Step(
        then=step.then,
        settled=step.settled,
        delay=step.delay,
        fields={"polls": batch.polls + 1, **step.fields},
        slot=step.slot,
        renew_token=step.renew_token,
        pause=step.pause,
    )
