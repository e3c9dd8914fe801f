"""Records intents from the inbox in a lane of the ledger, in the order of enqueueing; every step may be repeated."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from threading import get_ident
from uuid import uuid4

import structlog
from redis.exceptions import RedisError, ResponseError

from feishu_batch.errors import IntentError
from feishu_batch.explained import FailureCode
from feishu_batch.intents import UpdateIntent, is_real_project_key, parse_intent
from feishu_batch.outcomes import OutcomeKind
from worker.catalogue.gate import Check, without_catalogue
from worker.catalogue.models import Refusal
from worker.ledger.inbox import Inbox, IntakeRound
from worker.ledger.record_calls import NewIntent, NumberedSet
from worker.ledger.records import InboxEntry, Outcome
from worker.pipeline.entries import as_written, new_intent, parts_of, readable_parts
from worker.pipeline.hints import IntakeHints
from worker.pipeline.intake_refusals import IntakeLane, IntakeRefusals

LOGGER = "feishu_batch.intake"
log = structlog.get_logger(LOGGER)

ENTRIES_PER_ROUND = 500  # a round of any size costs three writes to the server's disk
ITEMS_PER_ROUND = 5_000  # limits one pipeline, so that a round of large intents does not block the worker for long
ENTRIES_PER_CAREFUL_ROUND = 20
MAX_ATTEMPTS = 3  # attempts to record an entry, before it fails
LONGEST_RUN = 0.5  # seconds: then the worker handles its other messages
LONGEST_CHECKS = 0.5  # seconds: a round with slow checks ends early, while its lock is valid


SingleKind = Callable[[str, UpdateIntent], str]  # lane, checked intent
JoinSet = Callable[[str, str], NumberedSet | None]  # change set, lane

_STATES_OF_REDIS = ("OOM", "READONLY", "MISCONF", "LOADING", "NOPERM")


@dataclass(frozen=True, slots=True)
class _Round:
    """`ended`: no entry caused an error, and the lock was ours all the time."""

    recorded: int
    ended: bool = True


class Intake:
    """`route(lane or None, project_key)` returns an intent's lane, or raises ValueError with the reason why there is none."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        hints: IntakeHints,
        route: Callable[[str | None, str], str],
        lanes: Mapping[str, IntakeLane],
        lease: float,
        check: Check = without_catalogue,
        single_kind: SingleKind = lambda _lane, _intent: "",
    ) -> None:
        """`lease`: seconds without a renewal after which another process may continue.

        `check` returns an intent in the API's form, or the reason for its refusal; a second call may return something else.
        `single_kind` says whether single updates may write it (`NewIntent.single`).
        """
        self._inbox = inbox
        self._hints = hints
        self._route = route
        self._lanes = lanes
        self._refusals = IntakeRefusals(inbox, lanes)
        self._lease = lease
        self._check = check
        self._single_kind = single_kind
        self._name = uuid4().hex

    def drain(self, longest: float = LONGEST_RUN) -> int:
        """Record the intents in the inbox, for a bounded time; sends itself a hint if some are left. Returns the number of recorded intents.

        One process at a time: if another one is recording, it sees all present intents, and this one returns at once.
        """
        owner = f"{self._name}-{get_ident()}"
        deadline = time.monotonic() + longest
        recorded, ended = 0, False
        while (taken := self._inbox.take_round(owner, self._lease, ENTRIES_PER_ROUND, ended=ended)).entries:
            one = self._handle_round(owner, taken)
            recorded, ended = recorded + one.recorded, one.ended
            if time.monotonic() > deadline:
                self._inbox.end_rounds(owner, ended=ended)
                self._hints.send()
                break
        return recorded

    def _handle_round(self, owner: str, taken: IntakeRound) -> "_Round":
        """All at once; after a round that failed or ended its process, one by one, to find the entry that caused it."""
        if taken.interrupted:
            return self._record_one_by_one(owner, taken.entries[:ENTRIES_PER_CAREFUL_ROUND])
        try:
            return _Round(self._record_round(taken.entries))
        except Exception as error:
            if _is_redis_trouble(error):
                raise
            log.exception("intake.crashed", entries=len(taken.entries))
            return _Round(0, ended=False)

    def _record_one_by_one(self, owner: str, entries: list[InboxEntry]) -> "_Round":
        recorded = 0
        for entry in entries:
            one = self._record_one(owner, entry)
            if one is None:
                log.warning("intake.lock_lost", number=entry.number)
                return _Round(recorded, ended=False)
            recorded += one
        return _Round(recorded)

    def _record_one(self, owner: str, entry: InboxEntry) -> int | None:
        """Attempts are counted before they are made, because some end the process. None: another process took over meanwhile."""
        trouble = "it ended the worker"
        while (attempt := self._inbox.count_attempt(owner, self._lease, entry.number)) <= MAX_ATTEMPTS:
            if not attempt:
                return None
            try:
                recorded = self._record_round([entry])
            except Exception as error:
                if _is_redis_trouble(error):
                    with suppress(RedisError):
                        self._inbox.forget_attempts(entry.number)
                    raise
                log.exception("intake.crashed", number=entry.number)
                trouble = type(error).__name__
            else:
                self._inbox.forget_attempts(entry.number)
                return recorded
        recorded = self._give_up(entry, f"recording the intent failed {MAX_ATTEMPTS} times: {trouble}")
        self._inbox.forget_attempts(entry.number)
        return recorded

    def _give_up(self, entry: InboxEntry, reason: str) -> int:
        log.error("inbox.entry_given_up", number=entry.number, reason=reason)
        parts = readable_parts(entry.payload)
        if parts.intent_id is None:
            self._inbox.discard(entry)
            return 0
        try:
            lane = self._refusals.unrecorded(entry, parts, Outcome.failed(FailureCode.CRASHED, reason))
            self._leave({parts.intent_id: (entry, lane)})
        except Exception as error:
            if _is_redis_trouble(error):
                raise
            log.exception("inbox.entry_lost", number=entry.number, intent_id=parts.intent_id)
            # Not even a refusal can be recorded, and the later entries have waited long enough.
            is_in_part = any(serving.lane.holds(entry.number) for serving in self._lanes.values())
            self._inbox.lose(entry, parts.intent_id, None if is_in_part else parts.change_set, len(parts.items))
        return 1

    def _record_round(self, entries: list[InboxEntry]) -> int:
        """Record entries up to a limit of items. Removing them from the inbox is the last step: recording them again changes nothing."""
        done: dict[str, tuple[InboxEntry, str]] = {}
        accepted: dict[str, list[NewIntent]] = defaultdict(list)
        sets = cache(self._inbox.join_set)  # for this round only: a set may be forgotten, and begin again
        items = 0
        enough = time.monotonic() + LONGEST_CHECKS
        for entry in entries:
            try:
                intent = parse_intent(entry.payload)
            except IntentError as error:
                done |= self._refusals.unreadable(entry, error)
                continue
            done[intent.intent_id] = (entry, self._take(entry, intent, accepted, sets))
            items += len(intent.work_item_ids)
            if items >= ITEMS_PER_ROUND or time.monotonic() > enough:
                break
        # Intents revoked from here on are canceled when they leave the inbox; Celery has not marked them as revoked yet.
        revoked = self._inbox.revoked(done)
        recorded = {name: self._lanes[name].lane.record(_marked(new, revoked)) for name, new in accepted.items()}
        self._leave(done)
        for name, made in recorded.items():  # only now: intents revoked meanwhile are canceled by then
            self._lanes[name].hints.after(made)
        _tell(done)
        return len(done)

    def _leave(self, done: dict[str, tuple[InboxEntry, str]]) -> None:
        left = self._inbox.hand_over(done)
        for intent_id in left.revoked:
            entry, lane = done[intent_id]
            self._lanes[lane].lane.end_pending(entry.number, Outcome(OutcomeKind.CANCELED))
        self._inbox.forget_revoked(left.revoked)
        for intent_id in left.parked:  # it may have ended before the signature was parked
            entry, lane = done[intent_id]
            self._lanes[lane].lane.republish_if_ended(entry.number)
        for name in {lane for _, lane in done.values()}:
            serving = self._lanes[name]
            serving.hints.publish_if(serving.lane.has_unpublished())

    def _take(
        self, entry: InboxEntry, intent: UpdateIntent, accepted: dict[str, list[NewIntent]], sets: JoinSet
    ) -> str:
        """The lane that records the intent. A refused one touches no cell, so it need not wait for earlier ones."""
        if (holder := self._holder(entry, intent)) is not None:
            accepted[holder].append(_with_set(entry, intent, holder, sets))
            return holder
        checked = self._check(intent)
        resolved = intent if isinstance(checked, Refusal) else checked
        try:
            name = self._route(resolved.lane, resolved.project_key)
        except ValueError as error:
            refusal = Outcome.failed(FailureCode.NO_LANE, str(error))
            return self._refusals.unrecorded(entry, parts_of(intent), refusal, as_written(intent))
        # In the lane that would have recorded it: if an earlier round recorded it and died, that record is completed.
        if not isinstance(checked, Refusal) or not self._refusals.checked(entry, intent, checked, name):
            new = _with_set(entry, resolved, name, sets)
            accepted[name].append(replace(new, single=self._single_kind(name, resolved)))
        return name

    def _holder(self, entry: InboxEntry, intent: UpdateIntent) -> str | None:
        """The lane that has already recorded the intent, if its space must be looked up to know the lane. That record is kept,
        even if the name of the space means another one by now.
        """
        if len(self._lanes) == 1 or is_real_project_key(intent.project_key):
            return None
        return next((name for name, serving in self._lanes.items() if serving.lane.holds(entry.number)), None)


def _with_set(entry: InboxEntry, intent: UpdateIntent, lane: str, sets: JoinSet) -> NewIntent:
    return new_intent(entry, intent, sets(intent.change_set, lane) if intent.change_set else None)


def _marked(intents: list[NewIntent], revoked: Collection[str]) -> list[NewIntent]:
    """Intents canceled before they were recorded end without touching any cell."""
    return [replace(one, canceled=one.intent_id in revoked) for one in intents] if revoked else intents


def _tell(done: Mapping[str, tuple[InboxEntry, str]]) -> None:
    """The log level is checked once: there may be thousands of lines a second."""
    if logging.getLogger(LOGGER).isEnabledFor(logging.DEBUG):
        for intent_id, (entry, lane) in done.items():
            log.debug("intent.recorded", intent_id=intent_id, number=entry.number, lane=lane)


def _is_redis_trouble(error: Exception) -> bool:
    """Redis does not answer, is full or read-only: not caused by an entry. A script that fails is."""
    if type(error) is not ResponseError:
        return isinstance(error, RedisError)
    return "user_script" not in str(error) or any(word in str(error) for word in _STATES_OF_REDIS)
