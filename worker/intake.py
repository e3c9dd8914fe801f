"""From the inbox into a lane of the ledger: in the order of enqueueing, again and again the same."""

import time
from hashlib import blake2b

import structlog

from feishu_batch.errors import IntentError
from feishu_batch.intents import UpdateIntent, group_spec, parse_intent
from worker.hints import Hints
from worker.ledger.front import Front
from worker.ledger.lane import Lane, NewIntent
from worker.ledger.records import InboxEntry, Outcome

log = structlog.get_logger("feishu_batch.intake")

ENTRIES_PER_ROUND = 200
ITEMS_PER_ROUND = 5_000  # bounds one pipeline, so that a round of large intents does not hold the worker for long
LONGEST_RUN = 0.5  # seconds: then other messages of the worker get their turn


class Intake:
    def __init__(self, front: Front, lane: Lane, hints: Hints, default_user_key: str | None) -> None:
        self._front = front
        self._lane = lane
        self._hints = hints
        self._default_user_key = default_user_key

    def drain(self, longest: float = LONGEST_RUN) -> int:
        """Record what the inbox holds, for a bounded time; hints at itself when something is left. Returns intents recorded."""
        deadline = time.monotonic() + longest
        recorded = 0
        while entries := self._front.inbox_entries(ENTRIES_PER_ROUND):
            recorded += self._record_round(entries)
            if time.monotonic() > deadline:
                self._hints.intake()
                break
        return recorded

    def _record_round(self, entries: list[InboxEntry]) -> int:
        """Record entries up to a bound of items. Leaving the inbox is the last step: repeated recording changes nothing."""
        done: dict[str, tuple[int, str]] = {}
        accepted: list[NewIntent] = []
        items = 0
        for entry in entries:
            intent = self._parse(entry)
            if intent is None:
                self._front.discard(entry.number)
                continue
            refusal = self._refusal(intent)
            if refusal:
                self._record(accepted)  # what was enqueued before comes before
                accepted = []
                self._lane.refuse(entry.number, intent.intent_id, entry.enqueued_at_ms, intent.work_item_ids, refusal)
                log.warning("intent.refused", intent_id=intent.intent_id, reason=refusal.reason)
            else:
                accepted.append(self._new_intent(entry, intent))
            done[intent.intent_id] = (entry.number, self._lane.name)
            items += len(intent.work_item_ids)
            if items >= ITEMS_PER_ROUND:
                break
        self._record(accepted)
        self._front.leave_inbox(done)
        self._hints.publish_if(self._lane.has_unpublished())
        return len(done)

    def _record(self, intents: list[NewIntent]) -> None:
        if intents and self._lane.record(intents):
            self._hints.submit()

    def _parse(self, entry: InboxEntry) -> UpdateIntent | None:
        """The library validated it; something else may have written into the inbox. That has no id to answer to."""
        try:
            return parse_intent(entry.payload)
        except IntentError as error:
            log.error("inbox.unreadable_entry", number=entry.number, error=str(error)[:300])
            return None

    def _refusal(self, intent: UpdateIntent) -> Outcome | None:
        if intent.lane not in {None, self._lane.name}:
            return Outcome.failed(
                "unknown_lane", f"no lane is named {intent.lane!r}; this worker serves {self._lane.name!r}"
            )
        return None

    def _new_intent(self, entry: InboxEntry, intent: UpdateIntent) -> NewIntent:
        spec = group_spec(intent, self._default_user_key)
        return NewIntent(
            number=entry.number,
            intent_id=intent.intent_id,
            digest=blake2b(spec.encode(), digest_size=12).hexdigest(),
            spec=spec,
            column=f"{intent.project_key} {intent.field_key}",
            mode=str(intent.update_mode),
            priority=intent.priority,
            enqueued_at_ms=entry.enqueued_at_ms,
            expires_at_ms=round(intent.expires_at.timestamp() * 1000) if intent.expires_at else None,
            keep_every_change=intent.keep_every_change,
            note=intent.note,
            items=intent.work_item_ids,
        )
