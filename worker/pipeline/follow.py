"""The common part of polls and read-backs: picking the batch that is due, and applying the decision about it."""

import time
from collections.abc import Callable

import structlog

from worker.decisions import Step
from worker.ledger.lane import Lane
from worker.ledger.records import Advanced, Batch, BatchState
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.hints import LaneHints
from worker.pipeline.progress import ProgressReports
from worker.remote.models import Token

PATIENCE = 1.0  # seconds that one run waits for something to become due
# A picked batch and its poll slot are reserved for at most this time. It is longer than a poll takes; polling a job twice
# does no harm, but waiting for a dead worker does.
HOLD = 4.0  # seconds


class DueBatches:
    def __init__(
        self, lane: Lane, steps: LaneSteps, hints: LaneHints, progress: ProgressReports, *, hold: float
    ) -> None:
        self._lane = lane
        self._steps = steps
        self._hints = hints
        self._progress = progress
        self._hold = hold

    def run_one(
        self, where: str, carry_out: Callable[[Batch], dict[str, object]], again: Callable[[], None]
    ) -> dict[str, object]:
        """Returns what happened, in ids. `again` is called while the lane has more of them, due or not."""
        batch = self._pick(where)
        report: dict[str, object] = {"state": "nothing due"}
        if isinstance(batch, Batch):
            structlog.contextvars.bind_contextvars(batch=batch.number)
            report = carry_out(batch)
        if batch is not None:
            again()
        return report

    def _pick(self, where: str) -> Batch | float | None:
        """Wait a moment until something is due, so that the next hint does not cause a busy loop."""
        picked = self._lane.pick(where, hold=self._hold)
        if not isinstance(picked, float):
            return picked
        time.sleep(min(picked, PATIENCE))
        return self._lane.pick(where, hold=self._hold) if picked <= PATIENCE else picked

    def apply(self, batch: Batch, state: BatchState, step: Step, token: Token | None) -> Advanced:
        advanced = self._steps.write(batch, state, step)
        self._steps.after_write(step, token)
        # Not only for changes that became ready here: a lane at its limit of open jobs has waited until now.
        if advanced.awaits_look:
            self._hints.look()
        if advanced.became_ready or step.then is BatchState.RESEND or self._lane.has_ready():
            self._hints.submit()
        if advanced.remaining and step.then is BatchState.CHECK and state is not BatchState.CHECK:
            self._hints.read_back(batch=batch.number)
        if advanced.intents_ended:
            self._hints.publish()
        if step.settled:
            self._progress.report(set(batch.intents))
        return advanced
