"""The producers' part of the ledger: inbox, intent ids, parked signatures, hints."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis

from feishu_batch.errors import LedgerFormatError
from feishu_batch.inbox import ID_IS_TAKEN, about_all, enqueue_script
from feishu_batch.keys import InboxKeys, set_counts_key
from feishu_batch.ledger_format import NOT_OURS, sentence
from feishu_batch.packing import PackedIntent
from feishu_batch.producer import conflict
from feishu_batch.tracing import TRACEPARENT, current_traceparent
from worker.ledger.record_calls import NumberedSet
from worker.ledger.records import InboxEntry
from worker.ledger.scripts import Scripts

LONGEST_TIME = 13  # digits of unix milliseconds
REVOKED_KNOWN_FOR = 10_800  # seconds, as in Celery's workers
HINT_MS = 3000  # after this time a lost hint no longer prevents further hints


@dataclass(frozen=True, slots=True)
class IntakeRound:
    """`interrupted`: an earlier round did not finish: its process died, or one of its entries caused an error."""

    entries: list[InboxEntry]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """Where the intent was when its signature was parked. In the inbox (None), the worker that records it sees the signature."""

    lane: str | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Ids of intents that left the inbox, and for which a request was made before their lane was known."""

    parked: list[str]  # with a signature that waits for the end
    revoked: list[str]


class Inbox:
    """Intents that producers wrote and no lane has recorded yet. Every method is one round trip."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self.keys = InboxKeys(prefix)

    def enqueue(self, intent: PackedIntent, traceparent: str = "", producer: str = "") -> None:
        """Writes intents that came through Celery, as the producers' library does. Raises `IntentConflict`, `LedgerFormatError`.

        `traceparent`: the producer's, if the message has one; otherwise that of the task, if Celery is traced here.
        `producer`: who sent the message, for an intent that names none.
        """
        keys = self.keys
        about = about_all(traceparent or current_traceparent(), producer)
        answer = self._redis.register_script(enqueue_script())(
            keys=[keys.inbox, keys.ids, keys.sequence, keys.parked, keys.hint, keys.format],
            args=[HINT_MS, "", *intent.arguments(), *about],
        )
        if answer[0] == NOT_OURS:
            raise LedgerFormatError(sentence(keys.prefix, str(answer[1])))
        if answer[0] == ID_IS_TAKEN:
            raise conflict(intent.intent_id)

    def length(self) -> int:
        return cast("int", self._redis.xlen(self.keys.inbox))

    def hand_over(self, lane_of: Mapping[str, tuple[InboxEntry, str]]) -> "HandedOver":
        """Remove recorded intents from the inbox: {intent id: (entry, lane)}. Readers find them in the lane from now on."""
        if not lane_of:
            return HandedOver([], [])
        known = self._redis.hmget(self.keys.ids, list(lane_of))
        named = {
            intent_id: f"{':'.join(entry.split(':')[:2])}:{lane}"
            for (intent_id, (_, lane)), entry in zip(lane_of.items(), known, strict=True)
            if entry is not None
        }
        pipe = self._redis.pipeline(transaction=True)
        if named:
            pipe.hset(self.keys.ids, mapping=named)
        pipe.xdel(self.keys.inbox, *[entry.position for entry, _ in lane_of.values()])
        pipe.hmget(self.keys.parked, [str(entry.number) for entry, _ in lane_of.values()])
        pipe.zmscore(self.keys.revoked, list(lane_of))
        parked, revoked = (
            [intent_id for intent_id, found in zip(lane_of, answer, strict=True) if found is not None]
            for answer in pipe.execute()[-2:]
        )
        return HandedOver(parked, revoked)

    def take_round(self, owner: str, lease: float, limit: int, *, ended: bool) -> "IntakeRound":
        """The oldest entries, in the order of enqueueing, and the lock for `lease` seconds. If none is left, the lock is released.

        `ended`: the owner's last round finished.
        """
        keys = self.keys
        interrupted, entries = self._scripts.get("take_round")(
            keys=[keys.lock, keys.round, keys.inbox], args=[owner, round(lease * 1000), limit, int(ended)]
        )
        return IntakeRound([_entry(position, flat) for position, flat in entries], bool(interrupted))

    def end_rounds(self, owner: str, *, ended: bool) -> bool:
        """Release the lock although entries may be left. False: another process had it by then."""
        keys = [self.keys.lock, self.keys.round]
        return bool(self._scripts.get("end_rounds")(keys=keys, args=[owner, int(ended)]))

    def count_attempt(self, owner: str, lease: float, number: int) -> int:
        """The number of attempts to record this entry, including this one; 0: another process has the lock by now."""
        keys = [self.keys.lock, self.keys.attempts]
        return int(self._scripts.get("count_attempt")(keys=keys, args=[owner, round(lease * 1000), number]))

    def forget_attempts(self, number: int) -> None:
        self._redis.hdel(self.keys.attempts, str(number))

    def discard(self, entry: InboxEntry) -> None:
        """Delete an entry that is not an intent: it has no id for a result."""
        self._redis.xdel(self.keys.inbox, entry.position)

    def lose(self, entry: InboxEntry, intent_id: str, change_set: str | None, items: int) -> None:
        """Delete an entry for which not even a refusal can be recorded. Its change set counts its items as failed."""
        keys = self.keys
        of_set = keys.set_facts(change_set) if change_set else keys.ids
        self._scripts.get("lose")(
            keys=[keys.inbox, keys.ids, keys.lost, of_set],
            args=[entry.position, entry.number, intent_id, change_set or "", items],
        )

    def forget_lost(self, older_than: float, limit: int) -> None:
        """Those that were lost so many seconds ago leave their change sets."""
        before = self._redis.time()[0] - older_than
        for member in self._redis.zrange(self.keys.lost, "-inf", before, byscore=True, offset=0, num=limit):
            number, intent_id, change_set = member.split(" ")
            self.leave_sets({change_set: [(int(number), intent_id)]})
            self._redis.zrem(self.keys.lost, member)

    def park(self, number: int, intent_id: str, signature: str, *, delivered_before: bool) -> "Parked | None":
        """Store a Celery signature (JSON) until the intent has ended. None: the signature of an earlier delivery has already run."""
        keys = self.keys
        entry = self._scripts.get("park")(
            keys=[keys.parked, keys.released, keys.ids], args=[number, intent_id, signature, int(delivered_before)]
        )
        return None if entry is None else Parked(_place(entry)[1])

    def parked(self, number: int) -> str | None:
        """The Celery signature that waits for the intent's end, as JSON."""
        return cast("str | None", self._redis.hget(self.keys.parked, str(number)))

    def release(self, number: int) -> None:
        """The parked signature has run. If its message is delivered again, nothing is left to do."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hdel(self.keys.parked, str(number))
        pipe.sadd(self.keys.released, number)
        pipe.execute()

    def locate(self, intent_id: str) -> tuple[int, str | None] | None:
        """(number, lane or None while in the inbox), or None for an unknown id."""
        entry = self._redis.hget(self.keys.ids, intent_id)
        return None if entry is None else _place(entry)

    def locate_all(self, ids: Collection[str]) -> dict[str, tuple[int, str | None]]:
        """As `locate`, for the known ids."""
        wanted = list(ids)
        entries = self._redis.hmget(self.keys.ids, wanted) if wanted else []
        return {intent_id: _place(entry) for intent_id, entry in zip(wanted, entries, strict=True) if entry is not None}

    def note_revoked(self, ids: Collection[str]) -> None:
        """Intents with these ids are canceled if they are recorded within the next hours."""
        if not ids:
            return
        now = time.time()
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(self.keys.revoked, dict.fromkeys(ids, round(now, 3)))
        pipe.zremrangebyscore(self.keys.revoked, "-inf", now - REVOKED_KNOWN_FOR)
        pipe.expire(self.keys.revoked, REVOKED_KNOWN_FOR)
        pipe.execute()

    def revoked(self, ids: Collection[str]) -> set[str]:
        """Which of these were revoked but are not canceled yet."""
        wanted = list(ids)
        noted = self._redis.zmscore(self.keys.revoked, wanted) if wanted else []
        return {intent_id for intent_id, score in zip(wanted, noted, strict=True) if score is not None}

    def forget_revoked(self, ids: Collection[str]) -> None:
        if ids:
            self._redis.zrem(self.keys.revoked, *ids)

    def forget(self, intents: Sequence[tuple[int, str | None]]) -> None:
        """(number, intent id) of the records that the lane deletes next. An id that is in use again keeps its new entry."""
        named = [(number, intent_id) for number, intent_id in intents if intent_id]
        known = self._redis.hmget(self.keys.ids, [intent_id for _, intent_id in named]) if named else []
        pipe = self._redis.pipeline(transaction=False)
        for (number, intent_id), entry in zip(named, known, strict=True):
            if entry and entry.startswith(f"{number}:"):
                pipe.hdel(self.keys.ids, intent_id)
        for number, _ in intents:
            pipe.hdel(self.keys.parked, str(number))
            pipe.srem(self.keys.released, number)
        pipe.execute()

    def join_set(self, change_set: str, lane: str) -> NumberedSet | None:
        """The set, as the lane is to count it; None if no intent of it is known."""
        number = self._scripts.get("join_set")(keys=[self.keys.set_facts(change_set)], args=[lane])
        return None if number is None else NumberedSet(str(number), change_set)

    def leave_sets(self, intents: Mapping[str, Sequence[tuple[int, str]]]) -> None:
        """Change set → (number, intent id) of intents that the lane forgets next. A set ends with its last intent."""
        keys = self.keys
        for name, some in intents.items():
            of_set = [keys.set(name), keys.set_facts(name), keys.sets, keys.dropped_sets]
            pairs = [part for number, intent_id in some for part in (intent_id, number)]
            self._scripts.get("leave_set")(keys=of_set, args=[name, *pairs])

    def awaited_sets(self, limit: int) -> dict[str, str]:
        """Change set → the Celery signature that waits for its end, as JSON. If there are more: some, at random."""
        found = self._redis.hrandfield(self.keys.awaited_sets, limit, withvalues=True) or []
        return dict(zip(found[::2], found[1::2], strict=True))

    def end_await(self, change_set: str, signature: str) -> None:
        """That signature was sent."""
        self._scripts.get("end_await")(keys=[self.keys.awaited_sets], args=[change_set, signature])

    def delete_dropped_sets(self, limit: int) -> None:
        """The lanes' counts of sets that were forgotten."""
        for entry in self._redis.srandmember(self.keys.dropped_sets, limit):
            number, _, lane = entry.partition(" ")
            self._redis.delete(set_counts_key(self.keys.prefix, lane, number))
            self._redis.srem(self.keys.dropped_sets, entry)

    def clear_hint(self) -> None:
        self._redis.delete(self.keys.hint)

    def want_hint(self) -> bool:
        """Whether a hint should be sent; at most one is outstanding."""
        return bool(self._scripts.get("want_hint")(keys=[self.keys.hint], args=[HINT_MS]))


def _entry(position: str, flat: Sequence[str]) -> InboxEntry:
    """Any entry of the stream; an entry without an intent is detected when it is parsed."""
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    at = fields.get("t", "")
    enqueued_at_ms = int(at) if at.isascii() and at.isdigit() and len(at) <= LONGEST_TIME else 0
    trace = fields.get("c", "")
    trace = trace if TRACEPARENT.fullmatch(trace) else ""
    return InboxEntry(
        int(position.partition("-")[0]), enqueued_at_ms, fields.get("i", ""), position, trace, fields.get("p", "")
    )


def _place(entry: str) -> tuple[int, str | None]:
    number, _, lane = [*entry.split(":"), None][:3]
    return int(number or 0), lane
