"""Enqueue failed items again, without overwriting changes that are enqueued meanwhile."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from feishu_batch.intents import UpdateIntent
from feishu_batch.packing import CHUNK_INTENTS, PackedIntent, chunks
from worker.ledger.conditional_inbox import ConditionalInbox
from worker.operating.retry.decision import Failure, LaterWrites, RetryDecision, SkipReason, decide, new_intent
from worker.operating.retry.reader import RetryReader

TRIES = (
    50  # tries that failed because of new intents; a look costs milliseconds, so this happens only with a constant flow
)
# Records which intent retries a failure, for views. Written afterwards: no time may pass between the look and the enqueue.
Note = Callable[[Failure, str], None]


class RetryEnqueuer:
    """Each step decides again, and enqueues on the condition that no intent was enqueued since its look."""

    def __init__(self, reader: RetryReader, inbox: ConditionalInbox, note: Note, *, even_if_overtaken: bool) -> None:
        self._reader = reader
        self._inbox = inbox
        self._note = note
        self._even_if_overtaken = even_if_overtaken

    def enqueue(self, agreed: Sequence[RetryDecision]) -> list[RetryDecision]:
        """The decisions that were executed, in the same order."""
        waiting = [replace(one.failure, items=one.items) for one in agreed if one.items]
        past = self._reader.past(waiting)
        done: dict[tuple[str, int], RetryDecision] = {}
        tries = 0
        while waiting:
            step = list(_one_step(self._decide(waiting[:CHUNK_INTENTS], past)))
            tries = 0 if self._write(step, past) else tries + 1
            if tries == TRIES:
                step = [RetryDecision(one, (), {SkipReason.HURRIED: one.items}) for one in waiting]
            elif tries:
                self._reader.catch_up(past)
                continue
            done |= {(one.failure.lane, one.failure.number): one for one in step}
            waiting = waiting[len(step) :]
        return [_together(one, done.get((one.failure.lane, one.failure.number))) for one in agreed]

    def _decide(self, waiting: Sequence[Failure], past: LaterWrites) -> list[RetryDecision]:
        return [decide(one, past, time.time(), even_if_overtaken=self._even_if_overtaken) for one in waiting]

    def _write(self, step: Sequence[RetryDecision], past: LaterWrites) -> bool:
        """False: another intent came first. Our own intents do not count as later changes."""
        chosen = [one for one in step if one.items]
        intents = [_intent(one) for one in chosen]
        newest = self._inbox.write_if_newest(intents, past.newest) if intents else past.newest
        if newest is not None:
            past.newest = newest
            for one, intent in zip(chosen, intents, strict=True):
                self._note(one.failure, intent.intent_id)
        return newest is not None


def _one_step(decided: Sequence[RetryDecision]) -> Iterator[RetryDecision]:
    """As many as fit into one step of the inbox."""
    room = len(next(chunks([PackedIntent.of(_intent(one)) for one in decided if one.items]), []))
    for one in decided:
        if one.items:
            if not room:
                return
            room -= 1
        yield one


def _intent(decision: RetryDecision) -> UpdateIntent:
    return new_intent(decision.failure, decision.items)


def _together(agreed: RetryDecision, done: RetryDecision | None) -> RetryDecision:
    """With the previously skipped items."""
    if done is None:
        return agreed
    left = {why: (*agreed.left.get(why, ()), *done.left.get(why, ())) for why in {**agreed.left, **done.left}}
    return RetryDecision(agreed.failure, done.items, left)
