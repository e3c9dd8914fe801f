"""What follows from reading the cells of a request just before it is sent: for a condition, and to keep the values from before. Pure."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from feishu_batch.explained import FailureCode
from worker.decisions.step import Policy, Step, advice_of, after_token_rejected
from worker.ledger.fields import BatchField
from worker.ledger.records import Batch, BatchState, Cell, GroupSpec, Outcome
from worker.remote.compare import ABSENT
from worker.remote.equality import holds
from worker.remote.errors import MAY_PASS, LaneStopped, RemoteError, TokenRejected
from worker.remote.models import WorkItem

MOST_FAILURES = 5  # reads in a row; then a condition counts as not checkable, and values from before are not kept
CHANGED = Outcome.failed(FailureCode.CHANGED_MEANWHILE, "not written: the cell does not hold the expected value")
PERHAPS_OURS = Outcome.failed(
    FailureCode.OUTCOME_UNKNOWN,
    "the cell does not hold the expected value, perhaps because an earlier request, whose outcome is unknown, has written it",
)
READING_FORBIDDEN = (10301, 10404)  # the plugin or the user may not read here, and perhaps write
NOT_SHOWN = "the answer does not show this item"


@dataclass(frozen=True, slots=True)
class SeenCells:
    """`failed`: cells that are not to be written. `before`: JSON of [type, value] to keep."""

    failed: Mapping[Cell, Outcome] = field(default_factory=dict)
    before: Mapping[Cell, str] = field(default_factory=dict)


def seen(batch: Batch, found: Mapping[int, WorkItem], maybe_written: Collection[Cell] = ()) -> SeenCells:
    """`maybe_written`: cells that may hold this change already.

    Without a condition, an item that was not found is sent: the remote system says what is wrong with it.
    """
    failed: dict[Cell, Outcome] = {}
    before: dict[Cell, str] = {}
    for part in batch.parts:
        spec, item = batch.spec_of(part), found.get(part.cell.item)
        if (outcome := _refused(spec, item)) is not None:
            failed[part.cell] = PERHAPS_OURS if outcome is CHANGED and part.cell in maybe_written else outcome
        elif item is not None and spec.keep_before and spec.field_key in item.fields:
            before[part.cell] = _json(item, spec.field_key)
    return SeenCells(failed, before)


def not_seen(batch: Batch, why: str) -> SeenCells:
    """A condition that cannot be checked is never taken as true."""
    conditional = [part.cell for part in batch.parts if batch.spec_of(part).expected is not None]
    return SeenCells(dict.fromkeys(conditional, _unknown(why)))


def after_failed_look(batch: Batch, error: RemoteError, policy: Policy) -> Step | None:
    """None: reading again is useless. Trouble of the lane pauses it, as that of a submit does."""
    if isinstance(error, TokenRejected):
        return after_token_rejected(batch, error, BatchState.RESEND, not_sent(batch, {}).fields)
    if isinstance(error, LaneStopped) and error.code not in READING_FORBIDDEN:
        return replace(not_sent(batch, {}), pause=advice_of(error))
    failures = batch.number_field(BatchField.LOOK_FAILURES) + 1
    if not isinstance(error, MAY_PASS) or failures >= MOST_FAILURES:
        return None
    delay = max(error.retry_after or 0.0, min(policy.backoff_max, policy.backoff * 2 ** (failures - 1)))
    return not_sent(batch, {}, delay, failures)


def not_sent(batch: Batch, settled: Mapping[Cell, Outcome], delay: float = 0.0, failures: int = 0) -> Step:
    """No request left: the claim's attempt does not count."""
    tries = batch.tries - (batch.kind != BatchState.REASK)
    fields = {BatchField.TRIES: tries, BatchField.LOOK_FAILURES: failures}
    return Step(BatchState.RESEND, settled=settled, delay=delay, fields=fields)


def _refused(spec: GroupSpec, item: WorkItem | None) -> Outcome | None:
    if spec.expected is None:
        return None
    if item is None:
        return _unknown(NOT_SHOWN)
    stored = item.fields.get(spec.field_key, ABSENT)
    held = holds(item.types.get(spec.field_key), "UPDATE", None, spec.expected[0], stored)
    if held is None:
        left_out = "the answer leaves the field out: it may be empty, or hidden from the user"
        return _unknown(left_out if stored is ABSENT else "values of this type, or in this form, cannot be compared")
    return None if held else CHANGED


def _unknown(why: str) -> Outcome:
    return Outcome.failed(FailureCode.CONDITION_UNKNOWN, f"not written: the expected value could not be checked: {why}")


def _json(item: WorkItem, field_key: str) -> str:
    content = [item.types.get(field_key), item.fields[field_key]]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
