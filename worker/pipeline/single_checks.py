"""Reads back single updates whose answer proves nothing: many items with one read, because there may be a dozen updates a second."""

import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from worker.catalogue.lane_reading import LaneReading, read_items
from worker.catalogue.models import UnavailableError
from worker.decisions import Policy, Step
from worker.decisions.after_single import GivenBack, after_single_check, after_single_check_failed
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Batch, BatchState
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.follow import HOLD, DueBatches
from worker.pipeline.hints import LaneHints
from worker.pipeline.read_back import shown_cells
from worker.pipeline.singles_off import log_switched_off, switch_off_singles
from worker.remote.client import RemoteClient
from worker.remote.errors import BatchRefused, RemoteError, word_of
from worker.remote.limits import MAX_ITEMS_PER_QUERY
from worker.remote.models import Token, WorkItem

log = structlog.get_logger("feishu_batch.singles")

LONGEST_RUN: Final = 2.0  # seconds: then the worker handles its other messages
PATIENCE: Final = 1.0  # seconds: for what is due soon, and for a slot
TOGETHER: Final = 0.5  # seconds: what is due so soon is read at the same time


class SingleChecks:
    def __init__(
        self,
        *,
        lane: Lane,
        remote: RemoteClient,
        reading: LaneReading,
        steps: LaneSteps,
        due: DueBatches,
        hints: LaneHints,
        policy: Policy,
        hold: float = HOLD,
    ) -> None:
        self._lane = lane
        self._remote = remote
        self._slots = reading.slots("read")()
        self._sender = reading.sender_of(self._slots, PATIENCE)
        self._steps = steps
        self._due = due
        self._hints = hints
        self._policy = policy
        self._hold = hold
        self._checking = threading.Lock()

    def run(self) -> dict[str, int]:
        """Read what is due, for a bounded time. Returns how many updates were read back, and how many cells have their outcome."""
        if not self._checking.acquire(blocking=False):
            return {"read_back": 0, "settled": 0}
        try:
            return self._run(time.monotonic() + LONGEST_RUN)
        finally:
            self._checking.release()

    def _run(self, until: float) -> dict[str, int]:
        checked = settled = 0
        found = self._lane.singles.pick_checks(hold=self._hold, most=MAX_ITEMS_PER_QUERY, ahead=TOGETHER)
        while found is not None:
            if isinstance(found, list):
                checked, settled = checked + len(found), settled + self._read_back(found)
            elif found > PATIENCE:
                break
            else:
                time.sleep(found)
            if time.monotonic() > until:
                break
            found = self._lane.singles.pick_checks(hold=self._hold, most=MAX_ITEMS_PER_QUERY, ahead=TOGETHER)
        if isinstance(found, list) or (found is not None and found <= PATIENCE):
            self._hints.read_back()
        return {"read_back": checked, "settled": settled}

    def _read_back(self, updates: Sequence[Batch]) -> int:
        """All of one place. Returns how many cells have their outcome now."""
        token = self._steps.token()
        answer = self._read(updates) if token else None
        if isinstance(answer, BatchRefused) and len(updates) > 1:  # one update's field must not decide about the others
            return sum(self._read_back([update]) for update in updates)
        settled = sum(self._apply(update, token, *self._decided(update, answer)) for update in updates)
        log.info("singles.read_back", updates=len(updates), settled=settled)
        return settled

    def _read(self, updates: Sequence[Batch]) -> dict[int, WorkItem] | RemoteError | None:
        """None: no read could be sent."""
        items = list(dict.fromkeys(item for update in updates for item in update.items))
        fields = list(dict.fromkeys(key for update in updates for key in update.field_keys))
        try:
            return read_items(self._remote, self._sender, self._slots, updates[0].spec, items, fields, PATIENCE)
        except UnavailableError:
            return None
        except RemoteError as error:
            log.warning("read_back.failed", answer=word_of(error))
            return error
        except Exception as error:  # the error would repeat: the updates end as if nothing could be compared
            log.exception("read_back.crashed")
            return BatchRefused(f"the worker failed while reading back ({type(error).__name__})")

    def _decided(
        self, update: Batch, answer: dict[int, WorkItem] | RemoteError | None
    ) -> tuple[Step | None, GivenBack | None]:
        if answer is None:
            return Step(BatchState.CHECK, delay=self._policy.backoff), None
        if isinstance(answer, RemoteError):
            return after_single_check_failed(update, answer, self._policy)
        return after_single_check(update, shown_cells(update, list(answer.values())), self._policy)

    def _apply(self, update: Batch, token: Token | None, step: Step | None, back: GivenBack | None) -> int:
        """Returns how many cells have their outcome now."""
        if step is not None:
            self._due.apply(update, BatchState.CHECK, step, token)
            if step.singles_off:
                switch_off_singles(self._lane, step.singles_off, str(step.fields.get(BatchField.WHY, "")))
        if back is not None:
            advanced = self._lane.singles.dissolve(
                update,
                BatchState.CHECK,
                left=False,
                bar=back.bar,
                off=back.off,
                why=back.why,
                reads_behind=self._policy.reads_behind,
            )
            if advanced.singles_off:
                log_switched_off(self._lane, back.off, back.why)
            self._hints.after(advanced)
        return len(step.settled) if step else 0
