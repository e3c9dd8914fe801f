"""The producer's door."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from celery.result import AsyncResult

from feishu_batch.broker import Broker
from feishu_batch.errors import ConfigurationError, EnqueueError, IntentConflict
from feishu_batch.handle import Handle
from feishu_batch.inbox import Inbox, PackedIntent, conflict
from feishu_batch.intents import UpdateIntent, UpdateMode, parse_intent
from feishu_batch.keys import DEFAULT_PREFIX
from feishu_batch.results import IntentView

_CHUNK_INTENTS = 500
_CHUNK_BYTES = 1024 * 1024


class IntentOptions(TypedDict, total=False):
    """The optional keys of an intent."""

    intent_id: str
    before_field_value: Any
    user_key: str | None
    lane: str | None
    priority: int
    expires_at: datetime | str | None
    keep_every_change: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class _Links:
    pid: int
    inbox: Inbox
    broker: Broker

    def close(self) -> None:
        self.inbox.close()
        self.broker.close()


class FeishuBatch:
    """Connects when first used, so it may be made at import time; threads may share it, and it survives a fork.

    `timeout` (seconds) bounds every single wait for Redis.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        broker_url: str | None = None,
        result_backend: str | None = None,
        key_prefix: str = DEFAULT_PREFIX,
        timeout: float = 1.0,
    ) -> None:
        self._redis_url = redis_url
        self._broker_url = broker_url or redis_url
        self._result_backend = result_backend or redis_url
        self._key_prefix = key_prefix
        self._timeout = timeout
        self._links = self._new_links()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, timeout: float = 1.0) -> Self:
        """From FEISHU_BATCH_REDIS_URL and, where they differ from it, FEISHU_BATCH_BROKER_URL and …_RESULT_BACKEND."""
        environ = os.environ if environ is None else environ
        redis_url = environ.get("FEISHU_BATCH_REDIS_URL")
        if not redis_url:
            raise ConfigurationError(
                "FEISHU_BATCH_REDIS_URL is not set: give it the Redis that the feishu-batch workers use,"
                " like redis://:password@host:6379/0"
            )
        return cls(
            redis_url,
            broker_url=environ.get("FEISHU_BATCH_BROKER_URL") or None,
            result_backend=environ.get("FEISHU_BATCH_RESULT_BACKEND") or None,
            key_prefix=environ.get("FEISHU_BATCH_KEY_PREFIX") or DEFAULT_PREFIX,
            timeout=timeout,
        )

    def enqueue(
        self,
        *,
        project_key: str,
        work_item_type_key: str,
        work_item_ids: Sequence[int],
        field_key: str,
        update_mode: UpdateMode | str,
        after_field_value: Any,
        **options: Unpack[IntentOptions],
    ) -> Handle:
        """Durable when it returns. The same `intent_id` again is the same intent; IntentConflict if the content differs."""
        intent = parse_intent(
            {
                "project_key": project_key,
                "work_item_type_key": work_item_type_key,
                "work_item_ids": work_item_ids,
                "field_key": field_key,
                "update_mode": update_mode,
                "after_field_value": after_field_value,
                **options,
            }
        )
        packed = PackedIntent.of(intent)
        self._write([[packed]], [packed.intent_id])
        return self.handle(packed.intent_id)

    def enqueue_many(self, intents: Iterable[UpdateIntent | Mapping[str, Any]]) -> list[Handle]:
        """In the given order. Nothing is written if one of them is not well-formed or its id is taken."""
        packed = [PackedIntent.of(parse_intent(intent)) for intent in intents]
        refuse_ids_used_twice(packed)
        chunks = list(_chunks(packed))
        if len(chunks) > 1:  # the script checks its own chunk, but then earlier chunks are already written
            self._refuse_taken_ids(chunks)
        ids = [intent.intent_id for intent in packed]
        self._write(chunks, ids)
        return [self.handle(intent_id) for intent_id in ids]

    def handle(self, intent_id: str) -> Handle:
        """Of an intent that was enqueued earlier, anywhere. Asks nothing yet."""
        return Handle(intent_id, self._view, self._async_result)

    def close(self) -> None:
        """Close the connections. They are opened again if the client is used again."""
        self._linked().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FeishuBatch(key_prefix={self._key_prefix!r})"

    def _view(self, intent_id: str) -> IntentView | None:
        return self._linked().inbox.view(intent_id)

    def _async_result(self, intent_id: str) -> AsyncResult:
        return self._linked().broker.async_result(intent_id)

    def _linked(self) -> _Links:
        if self._links.pid != os.getpid():  # after a fork, the parent's sockets are not ours
            self._links = self._new_links()
        return self._links

    def _new_links(self) -> _Links:
        return _Links(
            os.getpid(),
            Inbox(self._redis_url, self._key_prefix, self._timeout),
            Broker(self._broker_url, self._result_backend, self._timeout),
        )

    def _refuse_taken_ids(self, chunks: Sequence[Sequence[PackedIntent]]) -> None:
        inbox = self._linked().inbox
        for chunk in chunks:
            digests = inbox.digests([intent.intent_id for intent in chunk])
            for intent, digest in zip(chunk, digests, strict=True):
                if digest not in (None, intent.digest):
                    raise conflict(intent.intent_id)

    def _write(self, chunks: Iterable[Sequence[PackedIntent]], ids: Sequence[str]) -> None:
        links = self._linked()
        written = 0
        for chunk in chunks:
            try:
                wants_hint = links.inbox.write(chunk)
            except EnqueueError as error:
                raise EnqueueError(_with_advice(error, written, ids), error.outcome_unknown, written, ids) from None
            except IntentConflict as error:
                raise IntentConflict(f"{error}{_progress_note(written, ids)}") from None
            written += len(chunk)
            if wants_hint:
                links.broker.send_hint()


def refuse_ids_used_twice(intents: Sequence[PackedIntent]) -> None:
    """The same content twice under one id is one intent; two contents are a conflict."""
    seen: dict[str, str] = {}
    for intent in intents:
        if seen.setdefault(intent.intent_id, intent.digest) != intent.digest:
            raise conflict(intent.intent_id)


def _chunks(intents: Sequence[PackedIntent]) -> Iterator[list[PackedIntent]]:
    # Redis serves nobody else while a script runs: a bounded script is a bounded wait for everybody.
    chunk: list[PackedIntent] = []
    size = 0
    for intent in intents:
        length = len(intent.json.encode())
        if chunk and (len(chunk) == _CHUNK_INTENTS or size + length > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(intent)
        size += length
    if chunk:
        yield chunk


def _with_advice(error: EnqueueError, written: int, ids: Sequence[str]) -> str:
    message = f"{error}{_progress_note(written, ids)}"
    if not (written or error.outcome_unknown):
        return message
    again = f"with intent_id={ids[0]!r}" if len(ids) == 1 else "with the same ids"
    return f"{message}; enqueue again {again}, which is safe: what was written is recognised and not doubled"


def _progress_note(written: int, ids: Sequence[str]) -> str:
    return f" ({written} of {len(ids)} intents were written before)" if written else ""
