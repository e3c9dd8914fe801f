"""The interface of producers, for Redis (`FeishuBatch`) and for tests (`FakeFeishuBatch`)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Required, Self, TypedDict, Unpack
from uuid import uuid4

from feishu_batch.change_set import ChangeSet, SetReads
from feishu_batch.errors import EnqueueError, IntentConflict, IntentError
from feishu_batch.handle import Handle
from feishu_batch.intents import MAX_PROBLEMS, UpdateIntent, UpdateMode, parse_intent
from feishu_batch.item_history import MOST_CHANGES, PastChange
from feishu_batch.packing import PackedIntent
from feishu_batch.results import IntentView
from feishu_batch.tables import TableRows, packed_table


class IntentContent(TypedDict, total=False):
    """The arguments of `enqueue`. `UpdateIntent` checks them at runtime: missing or wrong ones raise IntentError."""

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
    skip_unchanged: bool
    keep_before: bool
    expected_field_value: Any
    note: str | None
    change_set: str | None
    producer: str | None


class EnqueueTableOptions(TypedDict, total=False):
    """What `enqueue_table` takes besides the table: it counts for all of its intents."""

    user_key: str | None
    lane: str | None
    priority: int
    expires_at: datetime | str | None
    keep_every_change: bool
    note: str | None
    producer: str | None


class Producer(ABC):
    """The type for parameters that accept the real client or the fake."""

    def enqueue(self, **content: Unpack[IntentContent]) -> Handle:
        """The intent is durably recorded when this returns.

        Enqueueing the same `intent_id` again enqueues nothing. Raises IntentError, IntentConflict, EnqueueError.
        """
        intent = parse_intent(content)
        [known] = self._put([PackedIntent.of(intent)])
        return Handle(intent.intent_id, self._view, self._async_result, known)

    def enqueue_many(self, intents: Iterable[UpdateIntent | Mapping[str, Any]]) -> list[Handle]:
        """Enqueues in the given order. Nothing is written if one of them is not valid or its id is in use."""
        if isinstance(intents, Mapping | str | bytes | UpdateIntent):  # these are iterable, too
            raise IntentError(f"enqueue_many takes a list of intents, not a single {type(intents).__name__}")
        packed = _packed_all(intents)
        _refuse_ids_used_twice(packed)
        known = self._put(packed)
        return [
            Handle(intent.intent_id, self._view, self._async_result, one)
            for intent, one in zip(packed, known, strict=True)
        ]

    def enqueue_table(
        self,
        rows: TableRows,
        *,
        project_key: str,
        work_item_type_key: str,
        update_mode: UpdateMode | str = UpdateMode.UPDATE,
        change_set: str | None = None,
        skip_unchanged: bool = True,
        keep_before: bool = False,
        **options: Unpack[EnqueueTableOptions],
    ) -> ChangeSet:
        """``{item: {field: value}}``: what the items should look like. Durable when it returns.

        Cells that agree in field and value become one intent, of priority 3 unless `options` say otherwise. The same table under
        the same `change_set` again is the same work, also with another `priority`, `expires_at` or `note`, and also after another
        table of that set: it may be the late repetition of the first call. `ChangeSet.known` tells how many changes were not
        enqueued for that reason. To write them again, give a new `change_set`.
        `skip_unchanged`: cells are read before they are sent; one that certainly holds its value ends as `unchanged`.
        `keep_before`: the values from before are kept, so that `feishu-batch undo` can put them back.
        Raises IntentError that names the cell, EnqueueError.
        """
        name = f"table-{uuid4().hex}" if change_set is None else change_set
        place = {"project_key": project_key, "work_item_type_key": work_item_type_key, "update_mode": update_mode}
        looks = {"skip_unchanged": skip_unchanged, "keep_before": keep_before}
        packed = list(packed_table(rows, name, **place, **looks, **options))
        try:
            known = self._put(packed)
        except EnqueueError as error:
            message = f"{error} (enqueue the same table again with change_set={name!r})"
            raise EnqueueError(message, error.outcome_unknown, error.written, error.intent_ids) from None
        return ChangeSet(name, self._set_reads(), _known_changes(packed, known))

    def change_set(self, change_set: str) -> ChangeSet:
        """Of intents that were enqueued under this id, anywhere. Asks nothing yet."""
        return ChangeSet(change_set, self._set_reads())

    def handle(self, intent_id: str) -> Handle:
        """The handle of an intent that was enqueued earlier, by any process. Reads nothing yet."""
        return Handle(intent_id, self._view, self._async_result)

    def history(self, item: int, *, field: str | None = None, limit: int = MOST_CHANGES) -> list[PastChange]:
        """What was done to a work item, newest first: every change that is still kept, also open ones.

        `field`: only changes of this field, as `PastChange.field` has it. Edits by people are not known here. Raises ReadError.
        """
        if type(item) is not int or item < 1:
            raise ValueError(f"item must be a work item id, a whole number, not {item!r}")
        if type(limit) is not int or limit < 1:
            raise ValueError(f"limit must be a whole number from 1 on, not {limit!r}")
        return self._history(item, field, limit)

    @abstractmethod
    def close(self) -> None:
        """Close the connections. They are opened again if the client is used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _put(self, intents: Sequence[PackedIntent]) -> list[bool | None]:
        """Of each, as `Handle.was_known`."""

    @abstractmethod
    def _set_reads(self) -> SetReads: ...

    @abstractmethod
    def _view(self, intent_id: str) -> IntentView | None: ...

    @abstractmethod
    def _history(self, item: int, field: str | None, limit: int) -> list[PastChange]: ...

    @abstractmethod
    def _async_result(self, intent_id: str) -> Any: ...


def conflict(intent_id: str) -> IntentConflict:
    return IntentConflict(
        f"intent id {intent_id} is already used by an intent with other content; a new intent needs a new id"
    )


def _known_changes(packed: Sequence[PackedIntent], known: Sequence[bool | None]) -> int | None:
    if None in known:
        return None
    return sum(one.items for one, was_known in zip(packed, known, strict=True) if was_known)


def _packed_all(intents: Iterable[UpdateIntent | Mapping[str, Any]]) -> list[PackedIntent]:
    """Raises IntentError with the problems of all intents, as far as there is room for them."""
    packed: list[PackedIntent] = []
    lines: list[str] = []
    unnamed = 0
    for position, intent in enumerate(intents):
        try:
            packed.append(PackedIntent.of(parse_intent(intent)))
        except IntentError as error:
            if len(lines) < MAX_PROBLEMS:
                lines += [f"intents.{position}: {line}" for line in str(error).splitlines()]
            else:
                unnamed += 1
    if unnamed:
        lines.append(f"… and {unnamed} more intent{'s' if unnamed > 1 else ''} with problems")
    if lines:
        raise IntentError("\n".join(lines))
    return packed


def _refuse_ids_used_twice(intents: Sequence[PackedIntent]) -> None:
    # The same content twice under one id is one intent; two contents are a conflict.
    seen: dict[str, str] = {}
    for intent in intents:
        if seen.setdefault(intent.intent_id, intent.digest) != intent.digest:
            raise conflict(intent.intent_id)
