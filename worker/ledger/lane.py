"""The part of the ledger for one credential: changes, batches, jobs. Every method is one atomic step, unless stated otherwise."""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from redis import Redis

from feishu_batch.keys import RecordField
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.clock import to_ms
from worker.ledger.fields import BatchField, MetricField
from worker.ledger.inbox import HINT_MS
from worker.ledger.last_errors import LastErrors
from worker.ledger.reads.lane import LaneReads
from worker.ledger.record_calls import RECORD_CHUNK, NewIntent, NumberedSet, record_calls
from worker.ledger.records import (
    Advanced,
    Batch,
    BatchState,
    Cell,
    EndedPart,
    GroupSpec,
    LaneCounts,
    Look,
    NoBatch,
    NoBatchReason,
    NoLook,
    Outcome,
    Part,
    Recorded,
    SweepFindings,
)
from worker.ledger.refusals import Refusals
from worker.ledger.scripts import Scripts
from worker.ledger.single_route import SingleRoute

SWEEP_KNOWN_FOR = 86_400  # seconds; for an older sweep the exact time does not matter
# Limits of single calls, so that none blocks the server for more than a few milliseconds.
STOP_CHUNK = 300  # marked intents
END_CHUNK = 200  # looks at items and intents
FORGET_INTENTS = 50
FORGET_ITEMS = 10_000  # items of the intents of one call; a single intent may have as many
MOST_SORTING = 20  # steps of one claim; after a change of routes the rest is ranked by the next claims
NO_FIELDS: Mapping[str, str] = {}


class Lane(LaneReads):
    """The steps of the work; `LaneReads` has the reads."""

    def __init__(self, redis: Redis, prefix: str, name: str) -> None:
        super().__init__(redis, prefix, name)
        self._scripts = Scripts(redis)
        self.last_errors = LastErrors(redis, self.keys.trouble)
        self.refusals = Refusals(redis, self.keys)
        self.singles = SingleRoute(redis, self.keys, self._run, self.now)

    def _run(self, script: str, *args: Any, client: Any = None) -> Any:
        return self._scripts.get(script)(keys=[self.prefix], args=args, client=client)

    # --- intake ---------------------------------------------------------------------------------------------------

    def record(self, intents: Sequence[NewIntent]) -> Recorded:
        """Record intents in order, in a pipeline of calls; a repetition changes nothing."""
        pipe = self._redis.pipeline(transaction=False)
        for call in record_calls(intents):
            self._run("record", call, client=pipe)
        answers = pipe.execute()
        return Recorded(any(ready for ready, _, _ in answers), any(looks for _, _, looks in answers))

    def refuse(
        self,
        number: int,
        intent_id: str,
        enqueued_at_ms: int,
        items: Sequence[int],
        outcome: Outcome,
        as_written: Mapping[str, str] = NO_FIELDS,
        change_set: NumberedSet | None = None,
    ) -> bool:
        """Record an intent that ends at once: every item failed. False: it was recorded before, perhaps only in part.

        `as_written`: further fields of the record, with which it can be enqueued again.
        """
        packed, more = ",".join(map(str, items)), [part for pair in as_written.items() for part in pair]
        of_set = (change_set.number, change_set.name) if change_set else ("", "")
        args = (number, intent_id, enqueued_at_ms, len(items), packed, outcome.detail(), *of_set, *more)
        return bool(self._run("refuse", *args))

    def refuse_rest(self, number: int, outcome: Outcome) -> None:
        """Fail the items that are not recorded yet, of an intent that is recorded in part."""
        while self._run("refuse_rest", number, RECORD_CHUNK, outcome.detail()):
            pass

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
        """Take the lease and a batch, and record the coming request. `slot`: the time between two requests that is not idle time.

        In bounded steps: if thousands of intents were canceled or have expired, one step may not find the active ones among them.
        """
        args = (owner, to_ms(lease), max_open, to_ms(max_wait), idem_uuid, token_fingerprint, to_ms(slot))
        answer = self._run("claim", *args, "", "")
        steps = 0
        while answer[0] == "again":
            steps += 1
            answer = self._run("claim", *args, answer[1], "1" if steps >= MOST_SORTING else "")
        kind, rest = answer[0], answer[1:]
        if kind == "batch":
            number, spec, *flags = rest[:5]
            more, are_dead, looks = (bool(int(flag)) for flag in flags)
            return Batch.from_answer(number, spec, rest[5:], more_ready=more, are_dead=are_dead, awaits_look=looks)
        why = NoBatchReason(kind)
        knows_when = why in {NoBatchReason.HELD, NoBatchReason.IDLE} and int(rest[0]) >= 0
        are_dead, looks = map(bool, rest[1:]) if why is NoBatchReason.IDLE else (False, False)
        return NoBatch(why, int(rest[0]) / 1000 if knows_when else None, are_dead, looks)

    def extend_lease(self, fence: int, lease: float) -> bool:
        return bool(self._run("extend_lease", fence, to_ms(lease)))

    def advance(
        self,
        batch: Batch,
        *,
        state: BatchState,
        settled: Mapping[Cell, Outcome],
        then: BatchState,
        delay: float = 0.0,
        fields: Mapping[str, str | int] | None = None,
        left: bool = False,
        reads_behind: float = 0.0,
    ) -> Advanced:
        """Settle some of the batch's changes and move the rest to its next state, due in `delay` seconds.

        `left`: the request was, or may have been, sent, and is counted. `reads_behind`: seconds for which a read of a settled cell proves nothing.
        """
        pairs = [part for pair in (fields or {}).items() for part in pair]
        triples = [part for cell, o in settled.items() for part in (str(cell), o.kind.value, o.detail())]
        remaining, ended, ready, looks = self._run(
            "advance",
            batch.number,
            state,
            batch.fence,
            then,
            to_ms(delay),
            int(left),
            to_ms(reads_behind),
            len(pairs) // 2,
            *pairs,
            *triples,
        )
        return Advanced(remaining < 0, max(0, remaining), ended, bool(ready), bool(looks))

    def split(self, batch: Batch, why: str, reads_behind: float = 0.0) -> Advanced:
        """`reads_behind`: seconds for which a read of a single update's cells proves nothing."""
        pieces = self._run("split", batch.number, batch.fence, why, to_ms(reads_behind))
        return Advanced(stale=int(pieces[0]) < 0, remaining=len(batch.parts))

    # --- following ------------------------------------------------------------------------------------------------

    def pick(self, where: str, *, hold: float, ahead: float = 0.0) -> Batch | float | None:
        """The batch in `where` (jobs | checks) that is due now; or the seconds until one is due; None if there is none."""
        answer = self._run("pick", where, to_ms(hold), to_ms(ahead))
        if answer[0] == "none":
            return None
        if answer[0] == "wait":
            return int(answer[1]) / 1000
        return Batch.from_answer(answer[1], answer[2], answer[3:])

    def note_duration(self, size_class: int, seconds: float) -> None:
        key = self.keys.durations(size_class)
        self._redis.pipeline(transaction=False).lpush(key, f"{seconds:.3f}").ltrim(key, 0, 63).execute()

    # --- looks ----------------------------------------------------------------------------------------------------

    def claim_look(self, *, hold: float, most_items: int, most_claims: int) -> Look | NoLook:
        """Cells to read, with the changes that wait for it. `hold`: seconds until another process may read them.

        After `most_claims` of the same cells, their changes are sent without a look.
        """
        answer = self._run("claim_look", to_ms(hold), most_items, most_claims)
        if answer[0] != "look":
            return NoLook(more=answer[0] == "again", became_ready=bool(answer[1]))
        _, claim, times, parts, groups, specs, ready = answer
        known = {group: GroupSpec.from_json(spec) for group, spec in json.loads(specs).items()}
        by_intent = {int(number): known[group] for number, group in json.loads(groups).items()}
        return Look(int(claim), int(times), tuple(map(Part.from_text, parts.split(","))), by_intent, bool(ready))

    def end_look(self, look: Look, unchanged: Collection[Cell], *, unreadable: float = 0.0) -> Advanced:
        """`unchanged`: cells that hold their value; the other changes may be sent.

        `unreadable`: seconds for which nothing of this place is looked at, because it cannot be read.
        """
        return self._end_look(look, to_ms(unreadable), *map(str, unchanged))

    def release_look(self, look: Look) -> Advanced:
        """Its changes wait for a look again."""
        return self._end_look(look, -1)

    def _end_look(self, look: Look, *args: int | str) -> Advanced:
        ended, ready, looks = self._run("end_look", look.claim, look.times, *args)
        return Advanced(stale=ended < 0, intents_ended=max(0, ended), became_ready=bool(ready), awaits_look=bool(looks))

    def put_off_look(self, look: Look, seconds: float) -> None:
        """It is handed out again in `seconds`."""
        self._redis.zadd(self.keys.look_claims, {str(look.claim): to_ms(self.now() + seconds)}, xx=True)

    def stop_looks(self, seconds: float) -> None:
        """No cells are read to skip changes; those that a change needs before its request are."""
        self._redis.set(self.keys.no_looks, 1, px=to_ms(seconds))

    def note_looked(self, batch: Batch) -> bool:
        """Before its request is sent. False: another process has taken it over."""
        return bool(self._run("note_looked", batch.number, batch.fence))

    def maybe_written(self, batch: Batch) -> set[Cell]:
        """Cells that may hold the value of this very change, because an earlier request may have been executed, perhaps by the other route."""
        if batch.fields.get(BatchField.MAYBE_WRITTEN):
            return set(batch.cells)
        found = self._redis.hmget(self.keys.maybe, [str(cell) for cell in batch.cells])
        return {part.cell for part, number in zip(batch.parts, found, strict=True) if number == str(part.intent)}

    def keep_before(self, batch: Batch, values: Mapping[Cell, str]) -> None:
        """Keep the values before a request, as JSON of [type, value], for each intent that the change belongs to.

        After a request that may have written, the first value stays: what is there now may be ours.
        """
        parts = [part for part in batch.parts if part.cell in values]
        shared = self._redis.hmget(self.keys.shared, [f"{part.intent}:{part.cell}" for part in parts]) if parts else []
        pipe = self._redis.pipeline(transaction=False)
        of_part = [
            (part, [part.intent, *map(int, others.split(",") if others else ())])
            for part, others in zip(parts, shared, strict=True)
        ]
        asked = self._asked_before({number for _, numbers in of_part for number in numbers})
        may_be_ours = bool(batch.fields.get(BatchField.MAYBE_WRITTEN))
        for part, numbers in of_part:
            for number in numbers:
                keep = pipe.hsetnx if may_be_ours or number in asked else pipe.hset
                keep(self.keys.of_intent(number).before, str(part.cell.item), values[part.cell])
        pipe.execute()

    def _asked_before(self, numbers: Collection[int]) -> set[int]:
        """Intents of which a request was sent before, perhaps by the other route."""
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.keys.intent(number), RecordField.REQUESTS)
        return {number for number, asked in zip(numbers, pipe.execute(), strict=True) if asked}

    # --- ending ---------------------------------------------------------------------------------------------------

    def stop(self, numbers: Sequence[int], kind: OutcomeKind) -> int:
        """Mark intents as canceled: their changes that are not in a request yet are not sent. Returns how many were marked now."""
        pipe = self._redis.pipeline(transaction=False)
        for start in range(0, len(numbers), STOP_CHUNK):
            self._run("stop", kind.value, *numbers[start : start + STOP_CHUNK], client=pipe)
        return sum(pipe.execute())

    def hold(self, seconds: float) -> None:
        """No request is composed for `seconds`, or until `release`: used while a long list of intents is marked."""
        self._redis.set(self.keys.hold, to_ms(seconds), px=to_ms(seconds))

    def release(self) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(self.keys.metrics, MetricField.RESUMED, to_ms(self.now()))
        pipe.delete(self.keys.hold)
        pipe.execute()

    def end_stopped(self) -> EndedPart:
        """End a part of the waiting changes of canceled and expired intents, in one step."""
        _, ended, ready, more, looks = self._run("end_stopped", END_CHUNK)
        return EndedPart(ended, bool(ready), bool(more), bool(looks))

    def end_all(self, numbers: Sequence[int]) -> Advanced:
        """End all waiting changes of stopped intents, in as many steps as necessary."""
        done = ended = 0
        became_ready = awaits_look = False
        while done < len(numbers):
            step, intents, ready, _, looks = self._run("end_stopped", END_CHUNK, *numbers[done : done + END_CHUNK])
            done, ended, became_ready = done + step, ended + intents, became_ready or bool(ready)
            awaits_look = awaits_look or bool(looks)
        return Advanced(stale=False, intents_ended=ended, became_ready=became_ready, awaits_look=awaits_look)

    def end_pending(self, number: int, outcome: Outcome) -> Advanced:
        """End all pending changes of an intent; changes in a batch are not affected."""
        self.stop([number], outcome.kind)
        return self.end_all([number])

    def note_retry(self, number: int, new_id: str) -> None:
        """Record that failed items of the intent are enqueued again under this id; no effect if its record has expired."""
        self._run("note_retry", number, new_id)

    def take_outbox(self, limit: int, again_after: float) -> list[tuple[int, str]]:
        """(number, intent id) of ended intents whose result must be published."""
        flat = self._run("take_outbox", limit, to_ms(again_after))
        return [(int(number), intent_id) for number, intent_id in zip(flat[::2], flat[1::2], strict=True)]

    def confirm_published(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._redis.zrem(self.keys.outbox, *numbers)

    def put_off_publishing(self, number: int, seconds: float) -> None:
        """Its task was sent: without a confirmation by then, it is published again. A confirmation meanwhile stays valid."""
        self._redis.zadd(self.keys.outbox, {str(number): to_ms(self.now() + seconds)}, xx=True)

    def republish_if_ended(self, number: int) -> bool:
        """An intent that ended before its signature was parked must be published again."""
        if self._redis.hget(self.keys.intent(number), RecordField.COMPLETED_AT_MS) is None:
            return False
        self._redis.zadd(self.keys.outbox, {str(number): 0})
        return True

    def forget(self, numbers: Sequence[int]) -> None:
        """In several steps, so that each of them is short."""
        for part in self._forget_parts(numbers):
            self._run("forget", *part)

    def _forget_parts(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self.keys.intent(number), RecordField.TOTAL)
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

    def pause(self, reason: str, *, polling: bool) -> None:
        """Pause until `resume`. `polling`: whether open jobs are still polled."""
        value = {"reason": reason, "since": round(time.time(), 3), "polling": polling}
        packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self._redis.set(self.keys.pause, packed, get=True) is None:
            self._redis.hincrby(self.keys.metrics, MetricField.PAUSES, 1)

    def resume(self) -> bool:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(
            self.keys.metrics, MetricField.RESUMED, to_ms(self.now())
        )  # that nothing was sent until now is no idleness
        pipe.delete(self.keys.pause)
        return bool(pipe.execute()[1])

    def want_hint(self, kind: str) -> bool:
        return bool(self._scripts.get("want_hint")(keys=[self.keys.hint(kind)], args=[HINT_MS]))

    def hold_hint(self, kind: str, seconds: float) -> None:
        """The worker that took the hint looks in `seconds`: until then no other hint is wanted."""
        self._redis.set(self.keys.hint(kind), to_ms(seconds), px=to_ms(seconds))

    def clear_hint(self, kind: str) -> None:
        self._redis.delete(self.keys.hint(kind))

    def sweep(self, keep_succeeded: float, keep_failed: float) -> SweepFindings:
        """The data for a sweep, in one step, which also records the time of the sweep. Times in seconds."""
        answer = self._run("sweep", to_ms(keep_succeeded), to_ms(keep_failed), SWEEP_KNOWN_FOR)
        full, part, jobs, due, checks, outbox, cells, singles, single_due, single_checks, lease, *flags = answer
        counts = LaneCounts(
            ready_groups=full + part + singles,
            owned_cells=cells,
            open_jobs=jobs,
            due_batches=due + single_due,
            checks=checks + single_checks,
            sending=bool(lease),
            unpublished=outbox,
            single_groups=singles + single_due,
            single_checks=single_checks,
        )
        return SweepFindings(counts, *map(bool, flags))
