"""A producer's reference to an intent."""

import time
from collections.abc import Callable
from numbers import Real
from typing import Any

from feishu_batch.errors import ReadError, UnknownIntent, WaitTimeout
from feishu_batch.results import IntentState, IntentView, Progress, Result

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5


class Handle:
    """Refers to an intent; every method reads Redis again. `FeishuBatch.handle` creates one from an id.

    `was_known`: whether `enqueue` found the same intent under this id already, so that it wrote nothing. None: that cannot be
    said, of a handle from an id, and where this very call may have written it, as the answer of its first try was lost.
    """

    __slots__ = ("_async_result", "_view", "intent_id", "was_known")

    def __init__(
        self,
        intent_id: str,
        view: Callable[[str], IntentView | None],
        async_result: Callable[[str], Any],
        was_known: bool | None = None,
    ) -> None:
        self.intent_id = intent_id
        self.was_known = was_known
        self._view = view
        self._async_result = async_result

    def view(self) -> IntentView:
        """State, progress and result at one moment."""
        view = self._view(self.intent_id)
        if view is None:
            raise UnknownIntent(
                f"no intent {self.intent_id}: it was never enqueued here, or it ended so long ago that its record has expired"
            )
        return view

    @property
    def state(self) -> IntentState:
        return self.view().state

    @property
    def progress(self) -> Progress:
        return self.view().progress

    def result(self) -> Result | None:
        """None until the intent has ended."""
        return self.view().result

    def wait(self, timeout: float) -> Result:
        """The result, successful or not; WaitTimeout after `timeout` seconds. Survives a short outage of Redis."""
        if not isinstance(timeout, Real):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        deadline = time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            result, trouble = self._try_result()
            if result is not None:
                return result
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(self._still_open(timeout, trouble)) from trouble
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    @property
    def async_result(self) -> Any:
        """Celery's AsyncResult of the same id, in the result backend of the workers."""
        return self._async_result(self.intent_id)

    def __repr__(self) -> str:
        return f"Handle({self.intent_id!r})"

    def _try_result(self) -> tuple[Result | None, ReadError | None]:
        try:
            return self.result(), None
        except ReadError as error:
            return None, error

    def _still_open(self, timeout: float, trouble: ReadError | None) -> str:
        why = f"; the last read failed: {trouble}" if trouble else ""
        return f"intent {self.intent_id} has not ended within {timeout:g} s{why}"
