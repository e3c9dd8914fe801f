"""What a producer holds of a change set: intents that belong together."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from celery import Signature

from feishu_batch.errors import ReadError, UnknownChangeSet, WaitTimeout
from feishu_batch.results import IntentState, Progress

SET_PAGE = 500  # intents per round trip
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class FailedChange:
    """`field`: as the workers sent it, by its key; as it was written where it was refused before."""

    item: int
    field: str
    code: str | None
    reason: str | None
    intent_id: str


@dataclass(frozen=True, slots=True)
class ChangeSetResult:
    """The result of a change set, after all its intents have ended."""

    change_set: str
    state: IntentState
    counts: dict[str, int]  # changes

    @property
    def ok(self) -> bool:
        return self.state is IntentState.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON, as `on_end` passes it on."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True, slots=True)
class SetCounts:
    """A change set at one moment. `progress`: of its changes. Times are unix seconds."""

    change_set: str
    intents: int  # that were enqueued
    ended: int  # of these
    forgotten: int  # of these: their records have expired, and they still count
    progress: Progress
    note: str | None  # of its first intent
    producer: str | None  # of its first intent
    since: float
    grew_at: float
    requests: int = 0  # that had changes of it

    @property
    def is_over(self) -> bool:
        return self.ended == self.intents

    @property
    def state(self) -> IntentState:
        return self.progress.state() if self.is_over else IntentState.OPEN

    def result(self) -> ChangeSetResult:
        return ChangeSetResult(self.change_set, self.state, self.progress.counts())


@dataclass(frozen=True, slots=True)
class SetReads:
    """How a client reads. `ids`: number and id of some of its intents, in the order of enqueueing, after a number."""

    counts: Callable[[str], SetCounts | None]
    ids: Callable[[str, int], Sequence[tuple[int, str]]]
    failures: Callable[[Sequence[str]], Sequence[FailedChange]]
    revoke: Callable[[Sequence[str]], None]
    await_end: Callable[[str, Signature], bool]


class ChangeSet:
    """Names a change set; each access reads Redis. Can be made again from the id: `FeishuBatch.change_set`.

    `known`: how many changes of the table `enqueue_table` had taken under this id before, so that this call enqueued the others only.
    None: that cannot be said, of one made from an id, and where this very call may have written them, as the answer of its first try
    was lost.
    """

    __slots__ = ("_reads", "id", "known")

    def __init__(self, change_set: str, reads: SetReads, known: int | None = None) -> None:
        self.id = change_set
        self.known = known
        self._reads = reads

    @property
    def progress(self) -> Progress:
        """The changes of all its intents together. Raises UnknownChangeSet, ReadError."""
        return self._counts().progress

    def wait(self, timeout: float) -> ChangeSetResult:
        """Until every intent that was enqueued so far has ended; WaitTimeout after `timeout` seconds."""
        if not isinstance(timeout, Real):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
        while True:
            trouble: ReadError | None = None
            try:
                counts = self._counts()
                if counts.is_over:
                    return counts.result()
            except ReadError as error:
                trouble = error
            left = deadline - time.monotonic()
            if left <= 0:
                why = f"; the last look failed: {trouble}" if trouble else ""
                raise WaitTimeout(f"change set {self.id} has not ended within {timeout:g} s{why}") from trouble
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def on_end(self, signature: Signature) -> None:
        """Have the workers send this Celery task once all intents so far have ended, with the result as its first argument.

        Name its queue, as of any task behind an intent. A later call replaces it. A worker that dies may send it twice.
        """
        if not self._reads.await_end(self.id, signature):
            raise self._unknown()

    def failures(self) -> Iterator[FailedChange]:
        """What failed so far, in the order of enqueueing, without changes that `feishu-batch retry` has made since."""
        for some in self._ids():
            yield from self._reads.failures(some)

    def cancel(self) -> None:
        """Ask the workers to end what is in no request yet, as `AsyncResult.revoke()` does for one intent."""
        for some in self._ids():
            self._reads.revoke(some)

    def __repr__(self) -> str:
        return f"ChangeSet({self.id!r})"

    def _counts(self) -> SetCounts:
        if (found := self._reads.counts(self.id)) is None:
            raise self._unknown()
        return found

    def _unknown(self) -> UnknownChangeSet:
        return UnknownChangeSet(f"no change set {self.id}: nothing was enqueued under it, or it was forgotten")

    def _ids(self) -> Iterator[Sequence[str]]:
        """Some hundred at a time. Raises UnknownChangeSet."""
        self._counts()
        last = 0
        while some := self._reads.ids(self.id, last):
            yield [intent_id for _, intent_id in some]
            last = some[-1][0]
