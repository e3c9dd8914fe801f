"""One read-back: reads the cells of a batch with an unknown outcome."""

import time
from collections.abc import Mapping, Sequence

import structlog

from worker.decisions import Policy, Step, after_read_back, after_read_back_failed, is_not_served
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Batch, BatchState, Cell
from worker.pacing.reads import more_in
from worker.pacing.slots import Slots
from worker.pipeline.blame import Blame
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.follow import PATIENCE, DueBatches
from worker.pipeline.hints import LaneHints
from worker.pipeline.log_fields import said
from worker.remote.client import RemoteClient
from worker.remote.compare import ABSENT, shows
from worker.remote.errors import BatchRefused, RateLimited, RemoteError, pause_asked_for, word_of
from worker.remote.models import Token, WorkItem
from worker.tracing import NO_TRACES, Traces

log = structlog.get_logger("feishu_batch.follow")


class ReadBack:
    def __init__(
        self,
        *,
        lane: Lane,
        slots: Slots,
        remote: RemoteClient,
        steps: LaneSteps,
        due: DueBatches,
        hints: LaneHints,
        blame: Blame,
        policy: Policy,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._remote = remote
        self._steps = steps
        self._due = due
        self._hints = hints
        self._blame = blame
        self._policy = policy
        self._traces = traces

    def run(self) -> dict[str, object]:
        """Read the cells of the batch with an unknown outcome that is due."""
        return self._due.run_one("checks", self._read_back, self._hints.read_back)

    def _read_back(self, batch: Batch) -> dict[str, object]:
        token = self._steps.token()
        began = time.time()
        reservation = self._slots.take(ahead=PATIENCE) if token else None
        if token is None or reservation is None:
            step = Step(BatchState.CHECK, delay=self._policy.backoff)
        else:
            step, error = self._look(batch, token)
            if isinstance(error, RateLimited):
                self._steps.settle_slot(self._slots, reservation, error)
            else:
                self._slots.settle(reservation, verdict="accepted")
                if pause := pause_asked_for(error):
                    self._slots.hold_off(reservation, pause)
        self._due.apply(batch, BatchState.CHECK, step, token)
        self._traces.read_back(batch, began, len(step.settled), step.then)
        is_news = step.settled or step.then is not BatchState.CHECK
        (log.info if is_news else log.debug)(
            "batch.read_back",
            settled=len(step.settled),
            remaining=len(batch.parts) - len(step.settled),
            **said("why", batch.fields.get(BatchField.WHY) or "", batch),
        )
        return {"batch": batch.number, "state": str(step.then), "settled": len(step.settled)}

    def _look(self, batch: Batch, token: Token) -> tuple[Step, RemoteError | None]:
        try:
            return after_read_back(batch, self._shown(batch, token), self._policy), None
        except RemoteError as error:
            log.warning("read_back.failed", answer=word_of(error), **said("error", str(error), batch))
            others_work = is_not_served(error) and self._lane.last_errors.none()
            judged = self._blame.judged(batch, error)
            return after_read_back_failed(batch, judged, self._policy, others_work=others_work), error
        except Exception as error:  # the error would repeat: the batch ends as if nothing could be compared
            log.exception("read_back.crashed")
            crash = BatchRefused(f"the worker failed while reading back ({type(error).__name__})")
            return after_read_back_failed(batch, crash, self._policy), None

    def _shown(self, batch: Batch, token: Token) -> Mapping[Cell, bool | None]:
        spec = batch.spec
        found = self._remote.query_items(
            spec.project_key,
            spec.work_item_type_key,
            batch.items,
            batch.field_keys,
            token=token,
            user_key=spec.user_key,
            before_next_call=more_in(self._slots, PATIENCE),
        )
        return shown_cells(batch, found)


def shown_cells(batch: Batch, found: Sequence[WorkItem]) -> dict[Cell, bool | None]:
    """What reading the items says of each cell (`after_read_back`)."""
    items = {item.id: item for item in found}
    shown: dict[Cell, bool | None] = {}
    for part in batch.parts:
        spec, item = batch.spec_of(part), items.get(part.cell.item)
        if item is not None:
            shown[part.cell] = shows(
                item.types.get(spec.field_key),
                spec.update_mode,
                spec.before_field_value,
                spec.after_field_value,
                item.fields.get(spec.field_key, ABSENT),
            )
    return shown
