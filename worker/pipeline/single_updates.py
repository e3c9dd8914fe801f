"""Single updates: several senders take one item's changes each, and write them with one request, at the pace of one shared slot."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from feishu_batch.outcomes import OutcomeKind
from worker.decisions import Policy, Step
from worker.decisions.after_single import GivenBack, after_single
from worker.heartbeat import Heartbeat
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Advanced, Batch, BatchState, NoBatch, NoBatchReason, Outcome
from worker.pacing.slots import LEAD, Slots
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.hints import LaneHints
from worker.pipeline.log_fields import intents_of, said
from worker.pipeline.progress import ProgressReports
from worker.pipeline.request_look import RequestLook
from worker.pipeline.send import answered, has_left
from worker.pipeline.send_permit import SendPermit
from worker.pipeline.singles_off import log_switched_off, switch_off_singles
from worker.remote.client import RemoteClient
from worker.remote.errors import RemoteError, word_of
from worker.remote.models import ItemUpdate, ItemWritten, Token
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.singles")

# With one sender, the way to the remote system and back sets the pace: at 300 ms it reaches 3 requests a second, eight reach 13.
SENDERS: Final = 8
LONGEST_RUN: Final = 5.0  # seconds: then the worker handles its other messages
PATIENCE: Final = 1.0  # seconds: for what is due soon, and for a slot
STRAGGLERS: Final = (
    0.5  # seconds that a run waits for its last answers, when nothing is left to send or its time is over
)
LOOK_AGAIN: Final = 0.1  # seconds
MOST_STRIKES: Final = 5  # failed requests in a row; then the route is off for a while, and everything goes by batches
UNHEALTHY_FOR: Final = 60.0  # seconds
LONGEST_PAUSE: Final = 5.0  # seconds that changes wait for the slot; for longer they go by batches
PAUSE_ASKED: Final = "the remote system wants a pause of single updates, or refused several of them"
CANCELED: Final = Outcome(OutcomeKind.CANCELED)


class SingleUpdates:
    """`lease`, `heartbeat`: seconds for which the updates of this process are its own, and between two renewals.

    `longest`: seconds that one exchange may take.
    """

    def __init__(
        self,
        *,
        lane: Lane,
        slots: Slots,
        remote: RemoteClient,
        steps: LaneSteps,
        hints: LaneHints,
        look: RequestLook,
        progress: ProgressReports,
        policy: Policy,
        lease: float,
        heartbeat: float,
        longest: float,
        max_wait: float,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._remote = remote
        self._steps = steps
        self._hints = hints
        self._look = look
        self._progress = progress
        self._policy = policy
        self._lease = lease
        self._heartbeat = heartbeat
        self._longest = longest
        self._max_wait = max_wait
        self._traces = traces
        self._running = threading.Lock()
        self._asked_again = False
        self._turn = (
            threading.Lock()
        )  # one sender at a time waits for the slot and takes the best changes of that moment
        self._senders: ThreadPoolExecutor | None = None

    def run(self) -> dict[str, object]:
        """Send what is ready, for a bounded time. Returns how many requests were sent, and with how many changes."""
        if not self._running.acquire(blocking=False):
            self._asked_again = True
            return {"state": "another run sends"}
        self._asked_again = False
        try:
            return self._run(_Run(time.monotonic() + LONGEST_RUN))
        finally:
            self._running.release()
            if self._asked_again:  # it may have ended just before that change became ready
                self._hints.singles()

    def _run(self, run: "_Run") -> dict[str, object]:
        self._senders = self._senders or ThreadPoolExecutor(SENDERS, thread_name_prefix="single")
        self._lane.singles.begin(run.owner, self._lease)
        extend = partial(self._lane.singles.extend, run.owner, self._lease)
        with Heartbeat(extend, interval=self._heartbeat, lease=self._lease) as lease:
            senders = [self._senders.submit(self._work, run, lease) for _ in range(SENDERS)]
            late = set(senders)
            while late and run.over_for < STRAGGLERS:
                late = wait(late, timeout=LOOK_AGAIN).not_done
        if late:  # their requests have left; the next run does not wait for the answers
            with suppress(RedisError):
                self._lane.singles.extend(run.owner, max(self._lease, self._longest))
        for sender in senders:
            if sender.done():
                sender.result()
        if run.more or late:
            self._hints.singles()
        return {"requests": run.requests, "changes": run.changes}

    def _work(self, run: "_Run", lease: Heartbeat) -> None:
        while not run.is_over and not lease.lost:
            with self._turn:
                if run.is_over or (found := self._next(run)) is None:
                    continue
                batch, token = found
                permit = SendPermit(self._slots, lease, ahead=PATIENCE)
                has_slot = batch.needs_look or permit.take()  # after a look, which takes time, a slot of its own
            self._carry_out(run, batch, token, permit if has_slot else None)

    # --- before the request ---------------------------------------------------------------------------------------

    def _next(self, run: "_Run") -> tuple[Batch, Token] | None:
        """The best changes at the moment when the slot is about to open, and the token for them; None: not yet, or the run is over."""
        opens_in = self._slots.opens_in()
        if opens_in > LONGEST_PAUSE:  # also if the answer that asked for it was another process's, or another lane's
            self._pause_route(run, opens_in)
            return None
        if opens_in > LEAD:
            time.sleep(min(opens_in - LEAD, run.left))
            run.more = True
            return None
        token = self._steps.token() if not self._lane.paused() else None
        if token is None:
            run.end(more=False)
            return None
        claimed = self._lane.singles.claim(
            owner=run.owner,
            max_wait=self._max_wait,
            idem_uuid=str(uuid4()),
            token_fingerprint=token.fingerprint,
            grace=self._policy.grace,
        )
        if claimed.awaits_look:
            self._hints.look()
        if claimed.are_dead:
            self._hints.publish()
        if isinstance(claimed, NoBatch):
            self._wait_for_due(run, claimed)
            return None
        return claimed, token

    def _pause_route(self, run: "_Run", seconds: float) -> None:
        switch_off_singles(self._lane, seconds, PAUSE_ASKED)
        self._hints.submit()
        run.end(more=False)

    def _wait_for_due(self, run: "_Run", nothing: NoBatch) -> None:
        is_soon = (
            nothing.why is NoBatchReason.IDLE and nothing.retry_after is not None and nothing.retry_after <= PATIENCE
        )
        if not is_soon:
            return run.end(more=False)
        run.more = True
        return time.sleep(min(nothing.retry_after or 0.0, run.left))

    # --- the request ----------------------------------------------------------------------------------------------

    def _carry_out(self, run: "_Run", batch: Batch, token: Token, permit: SendPermit | None) -> None:
        """`permit`: None if no slot was free in time."""
        began = time.time()
        answer: ItemWritten | RemoteError | None = None
        step: Step | GivenBack | None = self._before_request(batch) if permit else GivenBack()
        if step is None and permit is not None and (permit.reservation is not None or self._take_late(permit)):
            answer = self._send(batch, token, permit)
        step = step or after_single(batch, answer, self._policy)
        advanced = self._write(batch, step, left=has_left(answer))
        if answer is not None:
            run.count(len(batch.parts))
        self._follow_up(batch, step, advanced, token)
        self._traces.sent(batch, began, answer, step.then if isinstance(step, Step) else "given back")
        _report(batch, step, answer, advanced)

    def _take_late(self, permit: SendPermit) -> bool:
        """A slot after a look, which took time."""
        with self._turn:
            return permit.take()

    def _before_request(self, batch: Batch) -> Step | None:
        """What makes the request needless, or impossible; None: it may be sent."""
        if batch.kind == BatchState.RESEND and (canceled := self._lane.canceled_cells(batch)):
            return Step(BatchState.RESEND, settled=dict.fromkeys(canceled, CANCELED))
        return self._look.step(batch) if batch.needs_look else None

    def _send(self, batch: Batch, token: Token, permit: SendPermit) -> ItemWritten | RemoteError | None:
        answer = answered(
            "single",
            permit,
            lambda: self._remote.update_item(
                _update_of(batch),
                token=token,
                idem_uuid=batch.idem_uuid,
                user_key=batch.spec.user_key,
                may_leave=permit.still_holds,
            ),
        )
        if answer is None:
            return None
        with suppress(RedisError):
            self._settle_slot(permit, answer)
            if isinstance(answer, ItemWritten):  # errors of this route are not trouble of the lane
                self._steps.note(answer)
        return answer

    def _settle_slot(self, permit: SendPermit, answer: ItemWritten | RemoteError) -> None:
        if permit.reservation is None:
            return
        strikes = self._steps.settle_slot(self._slots, permit.reservation, answer)
        if strikes >= MOST_STRIKES:
            switch_off_singles(self._lane, UNHEALTHY_FOR, str(answer))

    # --- after the request ----------------------------------------------------------------------------------------

    def _write(self, batch: Batch, step: Step | GivenBack, *, left: bool) -> Advanced:
        if isinstance(step, Step):
            return self._steps.write_patiently(batch, BatchState.SENDING, step, left=left)
        return self._steps.patiently(
            lambda: self._lane.singles.dissolve(
                batch, BatchState.SENDING, left=left, bar=step.bar, off=step.off, why=step.why
            )
        )

    def _follow_up(self, batch: Batch, step: Step | GivenBack, advanced: Advanced, token: Token) -> None:
        if isinstance(step, Step):
            self._steps.after_write(step, token)
            if step.singles_off:
                switch_off_singles(self._lane, step.singles_off, str(step.fields.get(BatchField.WHY, "")))
            if step.then is BatchState.CHECK:
                self._hints.read_back(batch=batch.number)
            if step.settled:
                self._progress.report(set(batch.intents))
        elif advanced.singles_off:
            log_switched_off(self._lane, step.off, step.why)
        self._hints.after(advanced)
        self._hints.publish_if(advanced.intents_ended > 0)


class _Run:
    """What the senders of one run share. `more`: something is left for the next run.

    `owner`: of its updates. Each run has another, so that what an error left unfinished is found when the lease ends.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self.owner = str(uuid4())
        self._counting = threading.Lock()
        self.requests = self.changes = 0
        self.more = False

    @property
    def left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.over_for > 0

    @property
    def over_for(self) -> float:
        """Seconds since it was over; 0: it is not."""
        return max(0.0, time.monotonic() - self._until)

    def end(self, *, more: bool) -> None:
        self._until, self.more = min(self._until, time.monotonic()), more

    def count(self, changes: int) -> None:
        with self._counting:
            self.requests, self.changes = self.requests + 1, self.changes + changes
            self.more = True


def _update_of(batch: Batch) -> ItemUpdate:
    spec = batch.spec
    return ItemUpdate(
        project_key=spec.project_key,
        work_item_type_key=spec.work_item_type_key,
        work_item_id=batch.items[0],
        fields=tuple((one.field_key, one.after_field_value) for one in map(batch.spec_of, batch.parts)),
    )


def _report(batch: Batch, step: Step | GivenBack, answer: ItemWritten | RemoteError | None, advanced: Advanced) -> None:
    state = "taken over" if advanced.stale else str(step.then) if isinstance(step, Step) else "given back"
    facts = {"batch": batch.number, "item": batch.items[0], "fields": batch.field_keys, "intents": intents_of(batch)}
    if isinstance(answer, ItemWritten):
        log.info("single.written", **facts, log_id=answer.log_id)
    elif answer is not None:
        log.warning(
            "single.not_written", **facts, state=state, answer=word_of(answer), **said("error", str(answer), batch)
        )
