"""The look at the cells of a request just before it is sent, where its changes have a condition or keep the value from before."""

from collections.abc import Collection

import structlog

from worker.catalogue.lane_reading import read_items
from worker.catalogue.models import UnavailableError
from worker.catalogue.queries import QuerySender
from worker.decisions import Policy, Step
from worker.decisions.after_look import after_failed_look, not_seen, not_sent, seen
from worker.ledger.fields import BatchField
from worker.ledger.lane import Lane
from worker.ledger.records import Batch, BatchState
from worker.pacing.slots import Slots
from worker.remote.client import RemoteClient
from worker.remote.errors import BatchRefused, RemoteError, word_of

log = structlog.get_logger("feishu_batch.submit")

PATIENCE = 1.0  # seconds until a slot for the read opens; the request's own slot waits meanwhile


class RequestLook:
    """`sender`: of reads, with `slots`. `missing`: codes for an item that does not exist."""

    def __init__(
        self,
        lane: Lane,
        remote: RemoteClient,
        sender: QuerySender,
        slots: Slots,
        policy: Policy,
        missing: Collection[int],
    ) -> None:
        self._missing = missing
        self._lane = lane
        self._remote = remote
        self._sender = sender
        self._slots = slots
        self._policy = policy

    def step(self, batch: Batch) -> Step | None:
        """None: the request may be sent as it is."""
        if not _is_wanted(batch):
            return None
        try:
            fields = batch.field_keys
            found = read_items(self._remote, self._sender, self._slots, batch.spec, batch.items, fields, PATIENCE)
            cells = seen(batch, found, self._lane.maybe_written(batch))
        except UnavailableError:  # no slot, or the lane was paused meanwhile: not the fault of this batch
            wait = max(self._policy.backoff, self._slots.opens_in())
            return not_sent(batch, {}, wait, batch.number_field(BatchField.LOOK_FAILURES))
        except RemoteError as error:
            log.warning("look.failed", answer=word_of(error), error=str(error))
            if isinstance(error, BatchRefused) and error.code in self._missing and len(batch.items) > 1:
                return Step(BatchState.RESEND, split=True)
            if (step := after_failed_look(batch, error, self._policy)) is not None:
                return step
            cells = not_seen(batch, str(error))
        if cells.failed or not self._lane.note_looked(batch):
            return not_sent(batch, cells.failed)
        self._lane.keep_before(batch, cells.before)
        return None


def _is_wanted(batch: Batch) -> bool:
    """Not for a request that may have been executed: the cell may hold its value by now."""
    if not batch.needs_look:
        return False
    return batch.kind != BatchState.REASK or not batch.fields.get(BatchField.LOOKED)
