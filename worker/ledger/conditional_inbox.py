"""Enqueueing on a condition: intents are written only if no other intent was enqueued since the caller's last read."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Final

from feishu_batch.inbox import InboxWriter, enqueue_script
from feishu_batch.intents import UpdateIntent
from feishu_batch.packing import PackedIntent, chunks

OTHERS_CAME_FIRST: Final = -2  # the answer of if_newest.lua instead of "is a hint wanted"


@cache
def if_newest_script() -> str:
    lua = resources.files("worker.ledger") / "lua" / "if_newest.lua"
    return lua.read_text(encoding="utf-8") + "\n" + enqueue_script()


class ConditionalInbox:
    """`hint` tells a worker that the inbox holds something. What is raised is the producers' library's."""

    def __init__(self, writer: InboxWriter, hint: Callable[[], None]) -> None:
        self._writer = writer
        self._hint = hint

    def write_if_newest(self, intents: Sequence[UpdateIntent], newest: int) -> int | None:
        """Writes all, and returns the number of the last one, if the intent of number `newest` still is the newest; else None.

        All must fit into one step: 500 intents, 1 MiB. Raises IntentConflict, EnqueueError.
        """
        [part] = chunks([PackedIntent.of(intent) for intent in intents])
        wants_hint, *numbers = self._writer.run(if_newest_script(), part, newest, may_repeat=False)
        if wants_hint == OTHERS_CAME_FIRST:
            return None
        if wants_hint:
            self._hint()
        return max([newest, *map(int, numbers[::2])])
