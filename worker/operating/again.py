"""Enqueue failed items once more, so that nothing that others enqueue meanwhile can be overwritten by an older value."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from feishu_batch import FeishuBatch
from feishu_batch.intents import UpdateIntent
from feishu_batch.packing import CHUNK_INTENTS, PackedIntent, chunks
from worker.operating.retry_decision import Decision, Failure, Past, Why, decide, new_intent
from worker.operating.retrying import Retry

TRIES = (
    50  # in a row that others came first; a look costs milliseconds, so only who enqueues all the time does so often
)
# As which intent a failure is retried, for whoever looks. Afterwards: between the look and the writing no time may be lost.
Note = Callable[[Failure, str], None]


class Again:
    """Each step decides anew, and writes on the condition that nobody enqueued anything since the look that it rests on."""

    def __init__(self, reader: Retry, client: FeishuBatch, note: Note, *, even_if_overtaken: bool) -> None:
        self._reader = reader
        self._client = client
        self._note = note
        self._even_if_overtaken = even_if_overtaken

    def enqueue(self, agreed: Sequence[Decision]) -> list[Decision]:
        """What was done of it, in the same order."""
        waiting = [replace(one.failure, items=one.items) for one in agreed if one.items]
        past = self._reader.past(waiting)
        done: dict[tuple[str, int], Decision] = {}
        tries = 0
        while waiting:
            step = list(_one_step(self._decide(waiting[:CHUNK_INTENTS], past)))
            tries = 0 if self._write(step, past) else tries + 1
            if tries == TRIES:
                step = [Decision(one, (), {Why.HURRIED: one.items}) for one in waiting]
            elif tries:
                self._reader.catch_up(past)
                continue
            done |= {(one.failure.lane, one.failure.number): one for one in step}
            waiting = waiting[len(step) :]
        return [_together(one, done.get((one.failure.lane, one.failure.number))) for one in agreed]

    def _decide(self, waiting: Sequence[Failure], past: Past) -> list[Decision]:
        return [decide(one, past, time.time(), even_if_overtaken=self._even_if_overtaken) for one in waiting]

    def _write(self, step: Sequence[Decision], past: Past) -> bool:
        """False: others came first. What is written here is no later change to be looked at."""
        chosen = [one for one in step if one.items]
        intents = [_intent(one) for one in chosen]
        newest = self._client.enqueue_if_newest(intents, past.newest) if intents else past.newest
        if newest is not None:
            past.newest = newest
            for one, intent in zip(chosen, intents, strict=True):
                self._note(one.failure, intent.intent_id)
        return newest is not None


def _one_step(decided: Sequence[Decision]) -> Iterator[Decision]:
    """As many as one step of the inbox takes."""
    room = len(next(chunks([PackedIntent.of(_intent(one)) for one in decided if one.items]), []))
    for one in decided:
        if one.items:
            if not room:
                return
            room -= 1
        yield one


def _intent(decision: Decision) -> UpdateIntent:
    return new_intent(decision.failure, decision.items)


def _together(agreed: Decision, done: Decision | None) -> Decision:
    """With what had been left before."""
    if done is None:
        return agreed
    left = {why: (*agreed.left.get(why, ()), *done.left.get(why, ())) for why in {**agreed.left, **done.left}}
    return Decision(agreed.failure, done.items, left)
