"""From the inbox into a lane of the ledger: in the order of enqueueing, again and again the same."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import get_ident
from uuid import uuid4

import structlog
from redis.exceptions import RedisError, ResponseError

from feishu_batch.errors import IntentError
from feishu_batch.intents import UpdateIntent, is_real_project_key, parse_intent
from worker.catalogue.gate import Check, without_catalogue
from worker.catalogue.models import QUOTING, Refusal
from worker.ledger.front import Front, IntakeRound
from worker.ledger.lane import NO_WISH, Lane
from worker.ledger.recording import NewIntent
from worker.ledger.records import InboxEntry, Outcome, OutcomeKind
from worker.pipeline.entries import id_and_items, new_intent, wish_of
from worker.pipeline.hints import IntakeHints, LaneHints

LOGGER = "feishu_batch.intake"
log = structlog.get_logger(LOGGER)

ENTRIES_PER_ROUND = 500  # a round costs three writes to the server's disk, whatever it holds
ITEMS_PER_ROUND = 5_000  # bounds one pipeline, so that a round of large intents does not hold the worker for long
ENTRIES_PER_CAREFUL_ROUND = 20
MAX_ATTEMPTS = 3  # to take an entry in, before it fails
LONGEST_RUN = 0.5  # seconds: then other messages of the worker get their turn
LONGEST_CHECKS = 0.5  # seconds: a round in which checks had to wait ends early, while its lock holds


_STATES_OF_REDIS = ("OOM", "READONLY", "MISCONF", "LOADING", "NOPERM")


@dataclass(frozen=True, slots=True)
class LaneDoor:
    """Where intake hands a lane its intents."""

    lane: Lane
    hints: LaneHints


@dataclass(frozen=True, slots=True)
class _Round:
    """`ended`: no entry broke it, and the lock was ours all the while."""

    recorded: int
    ended: bool = True


class Intake:
    """`route(lane or None, project_key)` names an intent's lane, or raises ValueError with the reason why there is none."""

    def __init__(
        self,
        *,
        front: Front,
        hints: IntakeHints,
        route: Callable[[str | None, str], str],
        lanes: Mapping[str, LaneDoor],
        lease: float,
        check: Check = without_catalogue,
    ) -> None:
        """`lease`: seconds after which another process may go on where this one fell silent.

        `check` gives an intent as it goes to the remote system, or says why it does not; twice asked, it may answer otherwise.
        """
        self._front = front
        self._hints = hints
        self._route = route
        self._lanes = lanes
        self._default_lane = next(iter(lanes))
        self._lease = lease
        self._check = check
        self._name = uuid4().hex

    def drain(self, longest: float = LONGEST_RUN) -> int:
        """Record what the inbox holds, for a bounded time; hints at itself when something is left. Returns intents recorded.

        One process at a time: where another is at it, that one sees what is there now, and this one returns at once.
        """
        owner = f"{self._name}-{get_ident()}"
        deadline = time.monotonic() + longest
        recorded, ended = 0, False
        while (taken := self._front.take_round(owner, self._lease, ENTRIES_PER_ROUND, ended=ended)).entries:
            one = self._take_in(owner, taken)
            recorded, ended = recorded + one.recorded, one.ended
            if time.monotonic() > deadline:
                self._front.end_rounds(owner, ended=ended)
                self._hints.send()
                break
        return recorded

    def _take_in(self, owner: str, taken: IntakeRound) -> "_Round":
        """All at once; after a round that broke, or that ended its process, one by one, to find the entry that did it."""
        if taken.interrupted:
            return self._take_in_one_by_one(owner, taken.entries[:ENTRIES_PER_CAREFUL_ROUND])
        try:
            return _Round(self._record_round(taken.entries))
        except Exception as error:
            if _is_redis_trouble(error):
                raise
            log.exception("intake.crashed", entries=len(taken.entries))
            return _Round(0, ended=False)

    def _take_in_one_by_one(self, owner: str, entries: list[InboxEntry]) -> "_Round":
        recorded = 0
        for entry in entries:
            one = self._record_one(owner, entry)
            if one is None:
                log.warning("intake.lock_lost", number=entry.number)
                return _Round(recorded, ended=False)
            recorded += one
        return _Round(recorded)

    def _record_one(self, owner: str, entry: InboxEntry) -> int | None:
        """The attempts are counted before they are made: some end the process. None: somebody else took over meanwhile."""
        trouble = "it ended the worker"
        while (attempt := self._front.count_attempt(owner, self._lease, entry.number)) <= MAX_ATTEMPTS:
            if not attempt:
                return None
            try:
                recorded = self._record_round([entry])
            except Exception as error:
                if _is_redis_trouble(error):
                    with suppress(RedisError):
                        self._front.forget_attempts(entry.number)
                    raise
                log.exception("intake.crashed", number=entry.number)
                trouble = type(error).__name__
            else:
                self._front.forget_attempts(entry.number)
                return recorded
        recorded = self._give_up(entry, f"taking the intent in failed {MAX_ATTEMPTS} times: {trouble}")
        self._front.forget_attempts(entry.number)
        return recorded

    def _give_up(self, entry: InboxEntry, reason: str) -> int:
        log.error("inbox.entry_given_up", number=entry.number, reason=reason)
        intent_id, items = id_and_items(entry.payload)
        if intent_id is None:
            self._front.discard(entry)
            return 0
        try:
            lane = self._refuse_unrecorded(entry, intent_id, items, Outcome.failed("crashed", reason))
            self._leave({intent_id: (entry, lane)})
        except Exception as error:
            if _is_redis_trouble(error):
                raise
            log.exception("inbox.entry_lost", number=entry.number)
            self._front.discard(entry)  # not even a refusal can be recorded; those behind it have waited long enough
        return 1

    def _record_round(self, entries: list[InboxEntry]) -> int:
        """Record entries up to a bound of items. Leaving the inbox is the last step: repeated recording changes nothing."""
        done: dict[str, tuple[InboxEntry, str]] = {}
        accepted: dict[str, list[NewIntent]] = defaultdict(list)
        items = 0
        enough = time.monotonic() + LONGEST_CHECKS
        for entry in entries:
            try:
                intent = parse_intent(entry.payload)
            except IntentError as error:
                done |= self._refuse_unreadable(entry, error)
                continue
            done[intent.intent_id] = (entry, self._take(entry, intent, accepted))
            items += len(intent.work_item_ids)
            if items >= ITEMS_PER_ROUND or time.monotonic() > enough:
                break
        # Those that are revoked from here on are canceled when they leave the inbox; Celery has not called them revoked yet.
        revoked = self._front.revoked(done)
        ready = [name for name, new in accepted.items() if self._lanes[name].lane.record(_marked(new, revoked))]
        self._leave(done)
        for name in ready:  # only now: what was revoked meanwhile is canceled by then
            self._lanes[name].hints.submit()
        _tell(done)
        return len(done)

    def _leave(self, done: dict[str, tuple[InboxEntry, str]]) -> None:
        left = self._front.leave_inbox(done)
        for intent_id in left.revoked:
            entry, lane = done[intent_id]
            self._lanes[lane].lane.end_pending(entry.number, Outcome(OutcomeKind.CANCELED))
        self._front.forget_revoked(left.revoked)
        for intent_id in left.parked:  # it may have ended before the signature was there
            entry, lane = done[intent_id]
            self._lanes[lane].lane.republish_if_ended(entry.number)
        for name in {lane for _, lane in done.values()}:
            door = self._lanes[name]
            door.hints.publish_if(door.lane.has_unpublished())

    def _take(self, entry: InboxEntry, intent: UpdateIntent, accepted: dict[str, list[NewIntent]]) -> str:
        """The lane that answers for the intent. A refused one touches no cell, so it need not wait for those before it."""
        if (holder := self._holder(entry, intent)) is not None:
            accepted[holder].append(new_intent(entry, intent))
            return holder
        checked = self._check(intent)
        wish = intent if isinstance(checked, Refusal) else checked
        try:
            name = self._route(wish.lane, wish.project_key)
        except ValueError as error:
            refusal = Outcome.failed("no_lane", str(error))
            return self._refuse_unrecorded(entry, intent.intent_id, intent.work_item_ids, refusal)
        # In the lane that would have taken it: had an earlier round recorded it, and died, that would stand and be finished.
        if not isinstance(checked, Refusal) or not self._refuse_checked(entry, intent, checked, name):
            accepted[name].append(new_intent(entry, wish))
        return name

    def _refuse_checked(self, entry: InboxEntry, intent: UpdateIntent, refusal: Refusal, lane: str) -> bool:
        outcome = Outcome.failed(str(refusal.code), refusal.reason)
        return self._refuse(entry, intent.intent_id, intent.work_item_ids, outcome, lane, wish_of(intent))

    def _holder(self, entry: InboxEntry, intent: UpdateIntent) -> str | None:
        """The lane that has the intent already, where its space has to be looked up to know the lane. What it has there stands,
        whatever the space is called by now.
        """
        if len(self._lanes) == 1 or is_real_project_key(intent.project_key):
            return None
        return next((name for name, door in self._lanes.items() if door.lane.holds(entry.number)), None)

    def _refuse_unreadable(self, entry: InboxEntry, error: IntentError) -> dict[str, tuple[InboxEntry, str]]:
        """A library of another version may have written it: then its producer is answered, and the lane that does so returned."""
        log.error("inbox.unreadable_entry", number=entry.number, error=str(error)[:300])
        intent_id, items = id_and_items(entry.payload)
        located = self._front.locate(intent_id) if intent_id else None
        if intent_id is None or located is None or located[0] != entry.number:
            self._front.discard(entry)  # written by nothing of ours: there is nobody to answer
            return {}
        reason = f"this worker does not understand the intent: {str(error)[:300]}"
        refusal = Outcome.failed("not_understood", reason)
        return {intent_id: (entry, self._refuse_unrecorded(entry, intent_id, items, refusal))}

    def _refuse_unrecorded(self, entry: InboxEntry, intent_id: str, items: Sequence[int], refusal: Outcome) -> str:
        """All of it; or, if an earlier round got half-way, what is not recorded. Returns the lane that answers for the intent."""
        name = next((name for name, door in self._lanes.items() if door.lane.holds(entry.number)), None)
        if name is None:
            self._refuse(entry, intent_id, items, refusal, self._default_lane)
            return self._default_lane
        self._lanes[name].lane.refuse_rest(entry.number, refusal)
        log.warning("intent.rest_refused", intent_id=intent_id, number=entry.number, lane=name, reason=refusal.reason)
        return name

    def _refuse(
        self,
        entry: InboxEntry,
        intent_id: str,
        items: Sequence[int],
        refusal: Outcome,
        lane: str,
        wish: Mapping[str, str] = NO_WISH,
    ) -> bool:
        """False: it is recorded already."""
        refused = self._lanes[lane].lane.refuse(entry.number, intent_id, entry.enqueued_at_ms, items, refusal, wish)
        if refused:
            reason = "reason_with_values" if refusal.code in QUOTING else "reason"
            told = {"code": refusal.code, reason: refusal.reason}
            log.warning("intent.refused", intent_id=intent_id, number=entry.number, lane=lane, **told)
        return refused


def _marked(intents: list[NewIntent], revoked: Collection[str]) -> list[NewIntent]:
    """Those that were taken back before they were recorded end without touching any cell."""
    return [replace(one, canceled=one.intent_id in revoked) for one in intents] if revoked else intents


def _tell(done: Mapping[str, tuple[InboxEntry, str]]) -> None:
    """Asked once whether anybody wants to know: there may be thousands a second."""
    if logging.getLogger(LOGGER).isEnabledFor(logging.DEBUG):
        for intent_id, (entry, lane) in done.items():
            log.debug("intent.taken_in", intent_id=intent_id, number=entry.number, lane=lane)


def _is_redis_trouble(error: Exception) -> bool:
    """Redis is away, full or not ours to write to: no entry's fault. A script that fails by itself is."""
    if type(error) is not ResponseError:
        return isinstance(error, RedisError)
    return "user_script" not in str(error) or any(word in str(error) for word in _STATES_OF_REDIS)
