"""Intents that intake does not record: each gets its answer in the lane that would have taken it."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from feishu_batch.errors import IntentError
from feishu_batch.explained import FailureCode
from feishu_batch.intents import UpdateIntent
from feishu_batch.keys import RecordField
from worker.catalogue.models import QUOTING, Refusal
from worker.ledger.inbox import Inbox
from worker.ledger.lane import NO_FIELDS, Lane
from worker.ledger.records import InboxEntry, Outcome
from worker.pipeline.entries import ReadableParts, as_written, parts_of, readable_parts
from worker.pipeline.hints import LaneHints

log = structlog.get_logger("feishu_batch.intake")


@dataclass(frozen=True, slots=True)
class IntakeLane:
    """The interface through which intake passes intents to a lane."""

    lane: Lane
    hints: LaneHints


class IntakeRefusals:
    def __init__(self, inbox: Inbox, lanes: Mapping[str, IntakeLane]) -> None:
        self._inbox = inbox
        self._lanes = lanes
        self._default_lane = next(iter(lanes))

    def unreadable(self, entry: InboxEntry, error: IntentError) -> dict[str, tuple[InboxEntry, str]]:
        """Another version of the library may have written it: then it is refused, and the lane with the refusal is returned."""
        log.error("inbox.unreadable_entry", number=entry.number, error=str(error)[:300])
        parts = readable_parts(entry.payload)
        located = self._inbox.locate(parts.intent_id) if parts.intent_id else None
        if parts.intent_id is None or located is None or located[0] != entry.number:
            self._inbox.discard(entry)  # written by another program: it has no id for a result
            return {}
        reason = f"this worker cannot read the intent: {str(error)[:300]}"
        refusal = Outcome.failed(FailureCode.NOT_UNDERSTOOD, reason)
        return {parts.intent_id: (entry, self.unrecorded(entry, parts, refusal))}

    def unrecorded(
        self, entry: InboxEntry, parts: ReadableParts, refusal: Outcome, written: Mapping[str, str] = NO_FIELDS
    ) -> str:
        """Refuse all of it, or the items that an earlier, unfinished round did not record. Returns the lane with the refusal.

        `written`: the intent as its producer wrote it, where it is readable.
        """
        name = next((name for name, serving in self._lanes.items() if serving.lane.holds(entry.number)), None)
        if name is None:
            self._refuse(entry, parts, refusal, self._default_lane, written)
            return self._default_lane
        self._lanes[name].lane.refuse_rest(entry.number, refusal)
        log.warning(
            "intent.rest_refused", intent_id=parts.intent_id, number=entry.number, lane=name, reason=refusal.reason
        )
        return name

    def checked(self, entry: InboxEntry, intent: UpdateIntent, refusal: Refusal, lane: str) -> bool:
        outcome = Outcome.failed(str(refusal.code), refusal.reason)
        return self._refuse(entry, parts_of(intent), outcome, lane, as_written(intent))

    def _refuse(
        self,
        entry: InboxEntry,
        parts: ReadableParts,
        refusal: Outcome,
        lane: str,
        written: Mapping[str, str] = NO_FIELDS,
    ) -> bool:
        """False: it is already recorded."""
        intent_id = parts.intent_id or ""
        of_set = self._inbox.join_set(parts.change_set, lane) if parts.change_set else None
        here = self._lanes[lane].lane
        about = {**written, RecordField.PRODUCER: parts.producer or entry.producer}
        fields = {name: value for name, value in about.items() if value}
        refused = here.refuse(
            entry.number, intent_id, entry.enqueued_at_ms, parts.items, refusal, fields, change_set=of_set
        )
        if refused:
            reason = "reason_with_values" if refusal.code in QUOTING else "reason"
            why = {"code": refusal.code, reason: refusal.reason}
            log.warning("intent.refused", intent_id=intent_id, number=entry.number, lane=lane, **why)
        return refused
