"""What a producer may do, wherever the intents go: into Redis (`FeishuBatch`) or into a list (`FakeFeishuBatch`)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Required, Self, TypedDict, Unpack

from feishu_batch.errors import IntentConflict, IntentError
from feishu_batch.handle import Handle
from feishu_batch.intents import UpdateIntent, UpdateMode, parse_intent
from feishu_batch.packing import PackedIntent
from feishu_batch.results import IntentView


class IntentContent(TypedDict, total=False):
    """What `enqueue` takes. `UpdateIntent` checks it when it runs, so that whatever is missing or wrong is an IntentError."""

    project_key: Required[str]
    work_item_type_key: Required[str]
    work_item_ids: Required[Sequence[int]]
    field_key: Required[str]
    update_mode: Required[UpdateMode | str]
    after_field_value: Required[Any]
    intent_id: str
    before_field_value: Any
    user_key: str | None
    lane: str | None
    priority: int
    expires_at: datetime | str | None
    keep_every_change: bool
    note: str | None


class Producer(ABC):
    """Annotate with this type what takes either the real client or the fake."""

    def enqueue(self, **content: Unpack[IntentContent]) -> Handle:
        """Durable when it returns.

        The same `intent_id` again is the same intent. Raises IntentError, IntentConflict, EnqueueError.
        """
        intent = parse_intent(content)
        self._put([PackedIntent.of(intent)])
        return self.handle(intent.intent_id)

    def enqueue_many(self, intents: Iterable[UpdateIntent | Mapping[str, Any]]) -> list[Handle]:
        """In the given order. Nothing is written if one of them is not well-formed or its id is taken."""
        if isinstance(intents, Mapping | str | bytes | UpdateIntent):  # each of them can be iterated over, too
            raise IntentError(f"enqueue_many takes a list of intents, not a single {type(intents).__name__}")
        packed = [PackedIntent.of(_parse_numbered(position, intent)) for position, intent in enumerate(intents)]
        _refuse_ids_used_twice(packed)
        self._put(packed)
        return [self.handle(intent.intent_id) for intent in packed]

    def handle(self, intent_id: str) -> Handle:
        """Of an intent that was enqueued earlier, anywhere. Asks nothing yet."""
        return Handle(intent_id, self._view, self._async_result)

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. They are opened again if the client is used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _put(self, intents: Sequence[PackedIntent]) -> None: ...

    @abstractmethod
    def _view(self, intent_id: str) -> IntentView | None: ...

    @abstractmethod
    def _async_result(self, intent_id: str) -> Any: ...


def conflict(intent_id: str) -> IntentConflict:
    return IntentConflict(
        f"intent id {intent_id} is already taken by an intent with another content;"
        " the same id is for repeating the same intent, a new intent needs a new id"
    )


def _parse_numbered(position: int, intent: UpdateIntent | Mapping[str, Any]) -> UpdateIntent:
    try:
        return parse_intent(intent)
    except IntentError as error:
        lines = str(error).splitlines()
        raise IntentError("\n".join(f"intents.{position}: {line}" for line in lines)) from None


def _refuse_ids_used_twice(intents: Sequence[PackedIntent]) -> None:
    # The same content twice under one id is one intent; two contents are a conflict.
    seen: dict[str, str] = {}
    for intent in intents:
        if seen.setdefault(intent.intent_id, intent.digest) != intent.digest:
            raise conflict(intent.intent_id)
