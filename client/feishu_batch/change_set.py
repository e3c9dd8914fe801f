"""What a producer holds of a change set: intents that belong together."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from numbers import Real

from feishu_batch.errors import ReadError, UnknownChangeSet, WaitTimeout
from feishu_batch.results import IntentState, IntentView, Progress

CHUNK = 500  # intents per round trip
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


@dataclass(frozen=True, slots=True)
class SetReads:
    """How a client reads. `views` gives the intents without what failed, None for one that was forgotten."""

    ids: Callable[[str], Sequence[str]]
    views: Callable[[Sequence[str]], Sequence[IntentView | None]]
    failures: Callable[[Sequence[str]], Sequence[FailedChange]]
    revoke: Callable[[Sequence[str]], None]


class ChangeSet:
    """Names a change set; each access reads Redis. Can be made again from the id: `FeishuBatch.change_set`."""

    __slots__ = ("_ended", "_reads", "id")

    def __init__(self, change_set: str, reads: SetReads) -> None:
        self.id = change_set
        self._reads = reads
        self._ended: dict[str, Progress] = {}  # of intents: it does not change any more

    @property
    def progress(self) -> Progress:
        """The changes of all its intents together. Raises UnknownChangeSet, ReadError."""
        return self._looked_at()[0]

    def wait(self, timeout: float) -> ChangeSetResult:
        """Until every intent that was enqueued so far has ended; WaitTimeout after `timeout` seconds."""
        if not isinstance(timeout, Real):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
        while True:
            trouble: ReadError | None = None
            try:
                progress, is_over = self._looked_at()
            except ReadError as error:
                trouble, is_over = error, False
            if is_over:
                return ChangeSetResult(self.id, progress.state(), progress.counts())
            left = deadline - time.monotonic()
            if left <= 0:
                why = f"; the last look failed: {trouble}" if trouble else ""
                raise WaitTimeout(f"change set {self.id} has not ended within {timeout:g} s{why}") from trouble
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def failures(self) -> Iterator[FailedChange]:
        """What failed so far, in the order of enqueueing."""
        for some in _parts(self._ids()):
            yield from self._reads.failures(some)

    def cancel(self) -> None:
        """Ask the workers to end what is in no request yet, as `AsyncResult.revoke()` does for one intent."""
        self._reads.revoke(self._ids())

    def __repr__(self) -> str:
        return f"ChangeSet({self.id!r})"

    def _ids(self) -> Sequence[str]:
        found = self._reads.ids(self.id)
        if not found:
            raise UnknownChangeSet(f"no change set {self.id}: nothing was enqueued under it, or it was forgotten")
        return found

    def _looked_at(self) -> tuple[Progress, bool]:
        """The sum, and whether all have ended."""
        ids = self._ids()
        found: list[Progress] = []
        is_over = True
        for some in _parts([one for one in ids if one not in self._ended]):
            for intent_id, view in zip(some, self._reads.views(some), strict=True):
                if view is None:
                    continue
                if view.state.is_final:
                    self._ended[intent_id] = view.progress
                else:
                    found.append(view.progress)
                    is_over = False
        return _sum([*self._ended.values(), *found]), is_over


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _sum(progresses: Sequence[Progress]) -> Progress:
    names = [field.name for field in fields(Progress)]
    return Progress(**{name: sum(getattr(one, name) for one in progresses) for name in names})
