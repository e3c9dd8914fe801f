"""The interface for reporting steps to tracing. Times are unix seconds of this process's clock."""

from collections.abc import Iterable

from worker.ledger.records import Batch


class Traces:
    """Each method is called at the end of a step. This class ignores all calls."""

    def sent(self, batch: Batch, began: float, answer: object, state: str) -> None:
        """A request to change items; `answer` None: nothing was sent."""

    def polled(self, batch: Batch, began: float, answer: object, state: str) -> None: ...

    def read_back(self, batch: Batch, began: float, settled: int, state: str) -> None: ...

    def ended(self, numbers: Iterable[int]) -> None:
        """Intents of the lane that have ended. The same intent may be reported again."""


NO_TRACES = Traces()
