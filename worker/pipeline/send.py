"""Send one batch: wait for its slot, send it under the lane's lease, settle the slot."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.heartbeat import Heartbeat
from worker.ledger.lane import Lane
from worker.ledger.records import Batch
from worker.pacing.slots import Slots
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.send_permit import SendPermit
from worker.remote.client import RemoteClient
from worker.remote.errors import OutcomeUnknown, RemoteError, Withheld
from worker.remote.models import Accepted, BatchUpdate, Token

T = TypeVar("T")

log = structlog.get_logger("feishu_batch.submit")

LONGEST_WAIT = 2.0  # slots: if the next slot is further away, the sweep continues the lane


class Sender:
    """`lease`, `heartbeat`: seconds for which the lane belongs to this process, and between two renewals."""

    def __init__(
        self, lane: Lane, slots: Slots, remote: RemoteClient, steps: LaneSteps, *, lease: float, heartbeat: float
    ) -> None:
        self._lane = lane
        self._slots = slots
        self._remote = remote
        self._steps = steps
        self._lease = lease
        self._heartbeat = heartbeat

    def keeping_lease(self, batch: Batch) -> Heartbeat:
        """The lease is renewed while the block runs."""
        beat = partial(self._lane.extend_lease, batch.fence, self._lease)
        return Heartbeat(beat, interval=self._heartbeat, lease=self._lease)

    def send(self, batch: Batch, token: Token) -> Accepted | RemoteError | None:
        """The answer, or None if nothing was sent: no slot was free in time, or the lease was lost."""
        with self.keeping_lease(batch) as lease:
            permit = SendPermit(self._slots, lease, ahead=LONGEST_WAIT * self._slots.spacing.slot * self._slots.sharers)
            if not permit.take():
                return None
            answer = answered(
                "batch",
                permit,
                lambda: self._remote.batch_update(
                    _update_of(batch),
                    token=token,
                    idem_uuid=batch.idem_uuid,
                    user_key=batch.spec.user_key,
                    may_leave=permit.still_holds,
                ),
            )
            if answer is None:
                return None
            if permit.reservation is not None:
                with suppress(
                    RedisConnectionError, RedisTimeoutError
                ):  # the slot stays closed longer; only the answer matters
                    self._steps.settle_slot(self._slots, permit.reservation, answer)
            return answer


def answered(what: str, permit: SendPermit, request: Callable[[], T]) -> T | RemoteError | None:
    """The answer to a request under this permit, or its error; None: it was withheld, because the permit had ended. `what`: for the log."""
    withheld, crashed = f"{what}.withheld", f"{what}.crashed"  # events
    try:
        return request()
    except Withheld as error:
        log.warning(withheld, reason=error.message)
        permit.give_back()
        return None
    except RemoteError as error:
        return error
    except Exception as error:
        # After any error here, the request may have been sent, and its changes must not be stuck.
        log.exception(crashed)
        return OutcomeUnknown(f"the worker failed while sending ({type(error).__name__})")


def has_left(answer: object) -> bool:
    """Whether a request was, or may have been, sent. `answer`: None if there was none."""
    return answer is not None and (getattr(answer, "exchange", None) is not None or isinstance(answer, OutcomeUnknown))


def _update_of(batch: Batch) -> BatchUpdate:
    spec = batch.spec
    return BatchUpdate(
        project_key=spec.project_key,
        work_item_type_key=spec.work_item_type_key,
        work_item_ids=batch.items,
        field_key=spec.field_key,
        update_mode=spec.update_mode,
        before_field_value=spec.before_field_value,
        after_field_value=spec.after_field_value,
        has_before=spec.update_mode == "REPLACE",
    )
