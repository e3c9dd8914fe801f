"""One credential's half of the ledger: changes, batches, jobs. Every method is one atomic step, except where it says so."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from redis import Redis

from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.front import HINT_MS
from worker.ledger.recording import RECORD_CHUNK, NewIntent, record_calls
from worker.ledger.records import (
    Access,
    Advanced,
    Batch,
    BatchState,
    EndedPart,
    LaneCounts,
    Look,
    NoBatch,
    Outcome,
    OutcomeKind,
    Standstill,
)
from worker.ledger.scripts import Scripts
from worker.ledger.trouble import Troubles
from worker.ledger.withdrawn import Withdrawn

SWEEP_KNOWN_FOR = 86_400  # seconds; of an older one it is enough to know that it is old
# Bounds of single calls, so that none holds the server for more than a few milliseconds.
STOP_CHUNK = 300  # intents that are marked
END_CHUNK = 200  # looks at items and intents
FORGET_INTENTS = 50
FORGET_ITEMS = 10_000  # of the intents of one call; a single intent may have as many
NO_WISH: Mapping[str, str] = {}
BATCH_ITEMS = 50  # the official limit of one request; the scripts know it too (_lane.lua)


class Lane:
    def __init__(self, redis: Redis, prefix: str, name: str) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self.name = name
        self.prefix = f"{prefix}:{{{name}}}:"
        self.troubles = Troubles(redis, self.key("trouble"))

    def _run(self, script: str, *args: Any, client: Any = None) -> Any:
        return self._scripts.get(script)(keys=[self.prefix], args=args, client=client)

    def key(self, name: str) -> str:
        return self.prefix + name

    # --- intake ---------------------------------------------------------------------------------------------------

    def record(self, intents: Sequence[NewIntent]) -> bool:
        """Record intents in their order, a pipeline of calls; repeated, it changes nothing. Returns whether work became ready."""
        pipe = self._redis.pipeline(transaction=False)
        for call in record_calls(intents):
            self._run("record", call, client=pipe)
        return any(ready for ready, _ in pipe.execute())

    def refuse(
        self,
        number: int,
        intent_id: str,
        enqueued_at_ms: int,
        items: Sequence[int],
        outcome: Outcome,
        wish: Mapping[str, str] = NO_WISH,
    ) -> bool:
        """Record an intent that ends at once: every item failed. False: it was recorded before, perhaps only in part.

        `wish`: further fields of the record, by which it can be enqueued once more.
        """
        packed, more = ",".join(map(str, items)), [part for pair in wish.items() for part in pair]
        return bool(self._run("refuse", number, intent_id, enqueued_at_ms, len(items), packed, outcome.detail(), *more))

    def refuse_rest(self, number: int, outcome: Outcome) -> None:
        """Fail what is not recorded yet of an intent that is recorded in part."""
        while self._run("refuse_rest", number, RECORD_CHUNK, outcome.detail()):
            pass

    def holds(self, number: int) -> bool:
        """Whether the intent is recorded here, perhaps only in part."""
        return bool(self._redis.exists(self.key(f"intent:{number}")))

    # --- sending --------------------------------------------------------------------------------------------------

    def claim(
        self,
        *,
        owner: str,
        lease: float,
        max_open: int,
        max_wait: float,
        idem_uuid: str,
        token_fingerprint: str,
        slot: float = 1.0,
    ) -> Batch | NoBatch:
        """Take the lease and a batch, and write the coming request down. `slot`: what is no idle time between two requests."""
        args = (owner, _ms(lease), max_open, _ms(max_wait), idem_uuid, token_fingerprint, _ms(slot))
        answer = self._run("claim", *args)
        kind, rest = answer[0], answer[1:]
        if kind == "batch":
            number, spec, more, are_dead = rest[:4]
            return Batch.from_answer(number, spec, rest[4:], more_ready=bool(int(more)), are_dead=bool(int(are_dead)))
        why = Standstill(kind)
        knows_when = why in {Standstill.HELD, Standstill.IDLE} and int(rest[0]) >= 0
        return NoBatch(why, int(rest[0]) / 1000 if knows_when else None)

    def extend_lease(self, fence: int, lease: float) -> bool:
        return bool(self._run("extend_lease", fence, _ms(lease)))

    def advance(
        self,
        batch: Batch,
        *,
        state: BatchState,
        settled: Mapping[int, Outcome],
        then: BatchState,
        delay: float = 0.0,
        fields: Mapping[str, str | int] | None = None,
        left: bool = False,
    ) -> Advanced:
        """Settle some of the batch's changes and move the rest to its next state, due in `delay` seconds.

        `left`: the request left, or may have, and is counted.
        """
        pairs = [part for pair in (fields or {}).items() for part in pair]
        triples = [part for item, o in settled.items() for part in (item, o.kind.value, o.detail())]
        remaining, ended, ready = self._run(
            "advance", batch.number, state, batch.fence, then, _ms(delay), int(left), len(pairs) // 2, *pairs, *triples
        )
        return Advanced(remaining < 0, max(0, remaining), ended, bool(ready))

    def split(self, batch: Batch, why: str) -> Advanced:
        first, _ = self._run("split", batch.number, batch.fence, why)
        return Advanced(stale=int(first) < 0, remaining=len(batch.items))

    # --- following ------------------------------------------------------------------------------------------------

    def pick(self, where: str, *, hold: float, ahead: float = 0.0) -> Batch | float | None:
        """The batch in `where` (jobs | checks) to look at now; seconds until one is due; None when there is none."""
        answer = self._run("pick", where, _ms(hold), _ms(ahead))
        if answer[0] == "none":
            return None
        if answer[0] == "wait":
            return int(answer[1]) / 1000
        return Batch.from_answer(answer[1], answer[2], answer[3:])

    def durations(self, size_class: int) -> list[float]:
        """Seconds that recent jobs of this size took, newest first."""
        return [float(value) for value in self._redis.lrange(self.key(f"durations:{size_class}"), 0, -1)]

    def note_duration(self, size_class: int, seconds: float) -> None:
        key = self.key(f"durations:{size_class}")
        self._redis.pipeline(transaction=False).lpush(key, f"{seconds:.3f}").ltrim(key, 0, 63).execute()

    # --- ending ---------------------------------------------------------------------------------------------------

    def stop(self, numbers: Sequence[int], kind: OutcomeKind) -> int:
        """Mark intents as canceled: nothing of them is sent that is in no request yet. Returns how many were marked now."""
        pipe = self._redis.pipeline(transaction=False)
        for start in range(0, len(numbers), STOP_CHUNK):
            self._run("stop", kind.value, *numbers[start : start + STOP_CHUNK], client=pipe)
        return sum(pipe.execute())

    def hold(self, seconds: float) -> None:
        """No request is composed for so long, unless `release` comes before: for who marks a long list of intents."""
        self._redis.set(self.key("hold"), _ms(seconds), px=_ms(seconds))

    def release(self) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(self.key("metrics"), "resumed", _ms(self.now()))
        pipe.delete(self.key("hold"))
        pipe.execute()

    def end_stopped(self) -> EndedPart:
        """End a part of what waits of canceled and expired intents, in one step."""
        _, ended, ready, more = self._run("end_stopped", END_CHUNK)
        return EndedPart(ended, bool(ready), bool(more))

    def end_all(self, numbers: Sequence[int]) -> Advanced:
        """End whatever waits of intents that were stopped, in as many steps as it takes."""
        done = ended = 0
        became_ready = False
        while done < len(numbers):
            step, intents, ready, _ = self._run("end_stopped", END_CHUNK, *numbers[done : done + END_CHUNK])
            done, ended, became_ready = done + step, ended + intents, became_ready or bool(ready)
        return Advanced(stale=False, intents_ended=ended, became_ready=became_ready)

    def end_pending(self, number: int, outcome: Outcome) -> Advanced:
        """End whatever is still pending of an intent; what a batch holds keeps its own course."""
        self.stop([number], outcome.kind)
        return self.end_all([number])

    def note_retry(self, number: int, new_id: str) -> None:
        """That failed items of the intent are enqueued once more under this id; nothing where it was forgotten."""
        self._run("note_retry", number, new_id)

    def take_outbox(self, limit: int, again_after: float) -> list[tuple[int, str]]:
        """(number, intent id) of ended intents whose result has to be made known."""
        flat = self._run("take_outbox", limit, _ms(again_after))
        return [(int(number), intent_id) for number, intent_id in zip(flat[::2], flat[1::2], strict=True)]

    def has_unpublished(self) -> bool:
        return bool(self._redis.zcount(self.key("outbox"), "-inf", _ms(self.now())))

    def confirm_published(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._redis.zrem(self.key("outbox"), *numbers)

    def put_off_publishing(self, number: int, seconds: float) -> None:
        """Its task was sent: if it is not confirmed by then, it is made known again. Confirmed meanwhile, it stays so."""
        self._redis.zadd(self.key("outbox"), {str(number): _ms(self.now() + seconds)}, xx=True)

    def republish_if_ended(self, number: int) -> bool:
        """An intent that ended before its signature was parked has to be made known once more."""
        if self._redis.hget(self.key(f"intent:{number}"), "end") is None:
            return False
        self._redis.zadd(self.key("outbox"), {str(number): 0})
        return True

    def forgettable(self, list_name: str, older_than: float, limit: int) -> list[tuple[int, str | None]]:
        """(number, intent id) of ended intents in `list_name` (succeeded | failed) older than so many seconds."""
        until = self.wall() - older_than
        numbers = self._redis.zrange(
            self.key(f"ended:{list_name}"), "-inf", _ms(until), byscore=True, offset=0, num=limit
        )
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.key(f"intent:{number}"), "id")
        return [(int(number), intent_id) for number, intent_id in zip(numbers, pipe.execute(), strict=True)]

    def forget(self, numbers: Sequence[int]) -> None:
        """In as many steps as it takes to keep each of them short."""
        for part in self._forget_parts(numbers):
            self._run("forget", *part)

    def _forget_parts(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.key(f"intent:{number}"), "tot")
        part: list[int] = []
        items = 0
        for number, total in zip(numbers, pipe.execute(), strict=True):
            if part and (len(part) == FORGET_INTENTS or items + int(total or 0) > FORGET_ITEMS):
                yield part
                part, items = [], 0
            part.append(number)
            items += int(total or 0)
        if part:
            yield part

    # --- state of the lane ----------------------------------------------------------------------------------------

    def withdrawn(self, batch: Batch) -> tuple[int, ...]:
        """Items of the batch that were canceled since it was composed."""
        return Withdrawn(self._redis, self.prefix).items(batch)

    def pause(self, reason: str, *, polling: bool) -> None:
        """Stand still until `resume`. `polling`: whether open jobs may still be followed."""
        value = {"reason": reason, "since": round(time.time(), 3), "polling": polling}
        packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self._redis.set(self.key("pause"), packed, get=True) is None:
            self._redis.hincrby(self.key("metrics"), "pauses", 1)

    def resume(self) -> bool:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(self.key("metrics"), "resumed", _ms(self.now()))  # that nothing was sent until now is no idleness
        pipe.delete(self.key("pause"))
        return bool(pipe.execute()[1])

    def paused(self) -> dict[str, Any] | None:
        text = self._redis.get(self.key("pause"))
        return cast("dict[str, Any]", json.loads(text)) if text else None

    def refuse_space(self, space: str, outcome: Outcome, seconds: float) -> None:
        """Remember for a while that the remote refuses this space and type, so that no more requests are spent on it."""
        self._redis.set(self.key(f"refused:{space}"), outcome.detail(), px=_ms(seconds))

    def space_refusal(self, space: str, seconds: float) -> Outcome | None:
        """`seconds`: for how long it was to be remembered. Where more is left, the server's clock was set back."""
        key = self.key(f"refused:{space}")
        detail, left = self._redis.pipeline(transaction=False).get(key).pttl(key).execute()
        return Outcome.from_detail(detail) if detail and left <= _ms(seconds) else None

    def note_refused(self, place: str, enough: int, memory: float) -> Access:
        """A place, `<project_key> <user_key>`, refused access. `memory`: seconds for which refusals count."""
        refusals, others, here, elsewhere = self._run("note_access", place, "refused", enough, _ms(memory), 0)
        return Access(int(refusals), bool(others), bool(here), str(elsewhere) or None)

    def note_accepted(self, place: str, memory: float, *, as_itself: bool = False) -> None:
        """`memory`: seconds for which it counts that the lane's own user was accepted there (`as_itself`)."""
        word = "accepted as itself" if as_itself else "accepted"
        self._run("note_access", place, word, 0, 0, _ms(memory))

    def note_unlisted(self, kind: str, code: int, memory: float) -> int:
        """A request of this kind was refused with a code that stands in no list: how many in a row with the same one."""
        key = self.key(f"unlisted:{kind}")
        row, _ = self._redis.pipeline(transaction=True).hincrby(key, str(code), 1).pexpire(key, _ms(memory)).execute()
        return int(row)

    def forget_unlisted(self, kind: str) -> None:
        self._redis.delete(self.key(f"unlisted:{kind}"))

    def want_hint(self, kind: str) -> bool:
        return bool(self._scripts.get("want_hint")(keys=[self.key(f"hint:{kind}")], args=[HINT_MS]))

    def hold_hint(self, kind: str, seconds: float) -> None:
        """Whoever took the hint looks in so many seconds: until then no other is wanted."""
        self._redis.set(self.key(f"hint:{kind}"), _ms(seconds), px=_ms(seconds))

    def clear_hint(self, kind: str) -> None:
        self._redis.delete(self.key(f"hint:{kind}"))

    def counts(self) -> LaneCounts:
        pipe = self._redis.pipeline(transaction=False)
        for zset in ("full", "part", "jobs", "due", "checks", "outbox"):
            pipe.zcard(self.key(zset))
        pipe.hlen(self.key("cells"))
        pipe.exists(self.key("lease"))
        full, part, jobs, due, checks, outbox, cells, lease = pipe.execute()
        return LaneCounts(full + part, cells, jobs, due, checks, bool(lease), outbox)

    def look(self, keep_succeeded: float, keep_failed: float) -> Look:
        """What a sweep has to know, in one step, which also notes that somebody looks after the lane. Times in seconds."""
        told = self._run("look", _ms(keep_succeeded), _ms(keep_failed), SWEEP_KNOWN_FOR)
        full, part, jobs, due, checks, outbox, cells, lease, *flags = told
        counts = LaneCounts(full + part, cells, jobs, due, checks, bool(lease), outbox)
        return Look(counts, *map(bool, flags))

    def has_ready(self) -> bool:
        return bool(self._redis.exists(self.key("full"), self.key("part")))

    def has_due(self) -> bool:
        """Whether a batch waits to be sent again soon."""
        return bool(self._redis.zcount(self.key("due"), "-inf", _ms(self.now() + 1.0)))

    def now(self) -> float:
        """The ledger's clock, unix seconds: for what is due, lasts or has waited (lua/_clock.lua)."""
        return self._clocks()[0]

    def wall(self) -> float:
        """The Redis clock, unix seconds: for moments that came from outside, or that people look at."""
        return self._clocks()[1]

    def _clocks(self) -> tuple[float, float]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().hmget(self.key("clock"), CLOCK_FIELDS)
        return read_clock(*pipe.execute())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
