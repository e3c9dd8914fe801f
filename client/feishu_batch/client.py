"""The producer's client: records intents in Redis."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from celery import Signature
from celery.result import AsyncResult

from feishu_batch.broker import Broker
from feishu_batch.change_set import FailedChange, SetCounts, SetReads
from feishu_batch.errors import ConfigurationError, EnqueueError, IntentConflict
from feishu_batch.inbox import InboxWriter
from feishu_batch.intents import LONGEST_PRODUCER
from feishu_batch.item_history import PastChange
from feishu_batch.keys import DEFAULT_PREFIX, check_key_prefix
from feishu_batch.origin import default_producer
from feishu_batch.packing import PackedIntent, chunks
from feishu_batch.producer import Producer, conflict
from feishu_batch.redis_connections import call_within
from feishu_batch.redis_urls import BROKER_SCHEMES, REDIS_SCHEMES, check_url, with_password_file
from feishu_batch.results import IntentView

DEFAULT_TIMEOUT = 1.0
_ARGUMENT = re.compile("^(redis_url|broker_url|result_backend|key_prefix)")  # every error begins with its name


@dataclass(frozen=True, slots=True)
class _Links:
    pid: int
    inbox: InboxWriter
    broker: Broker

    def close(self) -> None:
        self.inbox.close()
        self.broker.close()


class FeishuBatch(Producer):
    """Connects at its first use, so it may be created at import time; threads may share it, and it survives a fork.

    `timeout` (seconds) limits every single wait for Redis or the broker. A whole call takes at most twice as long, including
    connecting, TLS, log-in, a second try and the hint to the worker. (`enqueue_many`: for each 500 intents or 1 MiB.)
    `producer`: which app or person enqueues, for people who look at the queue; default: program and host.
    `redis_password_file` holds the password instead of `redis_url`; it is read at each new connection.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        broker_url: str | None = None,
        result_backend: str | None = None,
        key_prefix: str = DEFAULT_PREFIX,
        timeout: float = DEFAULT_TIMEOUT,
        redis_password_file: str | os.PathLike[str] | None = None,
        producer: str | None = None,
    ) -> None:
        check_key_prefix(key_prefix)
        if not timeout > 0:
            raise ConfigurationError("timeout must be more than 0 seconds")
        for name, url, schemes in (
            ("redis_url", redis_url, REDIS_SCHEMES),
            ("broker_url", broker_url, BROKER_SCHEMES),
            ("result_backend", result_backend, REDIS_SCHEMES),
        ):
            _check(name, url, schemes, has_file=bool(redis_password_file) and name == "redis_url")
        if redis_password_file:
            redis_url = _with_file(redis_url, str(Path(redis_password_file).absolute()))
        self._redis_url = redis_url
        self._broker_url = broker_url or redis_url
        self._result_backend = result_backend or redis_url
        self._key_prefix = key_prefix
        self._timeout = timeout
        self._producer = _checked_producer(producer)
        self._links = self._new_links()

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        producer: str | None = None,
    ) -> Self:
        """From FEISHU_BATCH_REDIS_URL and, if set, …_REDIS_PASSWORD_FILE, …_BROKER_URL, …_RESULT_BACKEND, …_KEY_PREFIX."""
        given = os.environ if environ is None else environ
        # Values from files or secret stores may end with a line break, which is not part of them.
        own = {name: value for name, value in given.items() if name.startswith("FEISHU_BATCH_")}
        environ = {name: value if "://" in value else value.strip() for name, value in own.items()}
        redis_url = environ.get("FEISHU_BATCH_REDIS_URL")
        if not redis_url:
            raise ConfigurationError(
                "FEISHU_BATCH_REDIS_URL is not set: set it to the Redis that the feishu-batch workers use,"
                " like redis://:password@host:6379/0"
            )
        try:
            return cls(
                redis_url,
                broker_url=environ.get("FEISHU_BATCH_BROKER_URL") or None,
                result_backend=environ.get("FEISHU_BATCH_RESULT_BACKEND") or None,
                key_prefix=environ.get("FEISHU_BATCH_KEY_PREFIX") or DEFAULT_PREFIX,
                timeout=timeout,
                redis_password_file=environ.get("FEISHU_BATCH_REDIS_PASSWORD_FILE") or None,
                producer=producer,
            )
        except ConfigurationError as error:
            raise ConfigurationError(_ARGUMENT.sub(_variable, str(error))) from None

    def close(self) -> None:
        self._linked().close()

    def __repr__(self) -> str:
        return f"FeishuBatch(key_prefix={self._key_prefix!r})"

    def _put(self, intents: Sequence[PackedIntent]) -> list[bool | None]:
        links = self._linked()
        parts = list(chunks(intents))
        if len(parts) > 1:  # the script checks only its own part, when earlier parts are already written
            _refuse_taken_ids(links.inbox, parts)
        known: list[bool | None] = []
        for part in parts:
            known += _put_part(links, part, intents, len(known))
        return known

    def _view(self, intent_id: str) -> IntentView | None:
        return self._linked().inbox.view(intent_id)

    def _set_reads(self) -> SetReads:
        return SetReads(self._counts_of_set, self._ids_of_set, self._failures_of, self._revoke, self._await_end)

    def _counts_of_set(self, change_set: str) -> SetCounts | None:
        return self._linked().inbox.set_counts(change_set)

    def _ids_of_set(self, change_set: str, after: int) -> list[tuple[int, str]]:
        return self._linked().inbox.ids_of_set(change_set, after)

    def _failures_of(self, intent_ids: Sequence[str]) -> list[FailedChange]:
        return self._linked().inbox.failures(intent_ids)

    def _await_end(self, change_set: str, signature: Signature) -> bool:
        return self._linked().inbox.await_end(change_set, json.dumps(signature))

    def _revoke(self, intent_ids: Sequence[str]) -> None:
        self._linked().broker.revoke(intent_ids)

    def _history(self, item: int, field: str | None, limit: int) -> list[PastChange]:
        return self._linked().inbox.history(item, field, limit)

    def _async_result(self, intent_id: str) -> AsyncResult:
        return self._linked().broker.async_result(intent_id)

    def _linked(self) -> _Links:
        if self._links.pid != os.getpid():  # after a fork, the parent's sockets are not ours
            self._links = self._new_links()
        return self._links

    def _new_links(self) -> _Links:
        return _Links(
            os.getpid(),
            InboxWriter(self._redis_url, self._key_prefix, self._timeout, self._producer),
            Broker(self._broker_url, self._result_backend, self._key_prefix, self._timeout),
        )


def _checked_producer(producer: str | None) -> str:
    if producer is None:
        return default_producer()
    if not 0 < len(producer) <= LONGEST_PRODUCER or not producer.isprintable():
        raise ConfigurationError(
            f"producer must be 1 to {LONGEST_PRODUCER} characters, without line breaks and control characters"
        )
    return producer


def _check(name: str, url: str | None, schemes: frozenset[str], *, has_file: bool) -> None:
    try:
        if url:
            check_url(url, schemes, has_file=has_file)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def _with_file(redis_url: str, file: str) -> str:
    try:
        return with_password_file(redis_url, file)
    except ValueError as error:
        raise ConfigurationError(f"redis_url {error}: redis_password_file is given") from None


def _variable(argument: re.Match[str]) -> str:
    return f"FEISHU_BATCH_{argument[0].upper()}"


def _refuse_taken_ids(inbox: InboxWriter, parts: Sequence[Sequence[PackedIntent]]) -> None:
    for part in parts:
        digests = inbox.digests([intent.intent_id for intent in part])
        for intent, digest in zip(part, digests, strict=True):
            if digest not in (None, intent.digest):
                raise conflict(intent.intent_id)


def _put_part(
    links: _Links, part: Sequence[PackedIntent], intents: Sequence[PackedIntent], written: int
) -> list[bool | None]:
    with call_within(links.inbox.longest_call):
        try:
            done = links.inbox.write(part)
        except IntentConflict as error:
            raise IntentConflict(f"{error}{_already(written, len(intents))}") from None
        except EnqueueError as error:
            ids = [intent.intent_id for intent in intents]
            raise EnqueueError(_with_advice(error, written, ids), error.outcome_unknown, written, ids) from None
        if done.wants_hint:
            links.broker.send_hint()
    return done.was_known


def _with_advice(error: EnqueueError, written: int, ids: Sequence[str]) -> str:
    message = f"{error}{_already(written, len(ids))}"
    if not (written or error.outcome_unknown):
        return message
    again = f"with intent_id={ids[0]!r}" if len(ids) == 1 else "with the same ids"
    return f"{message}; enqueue again {again}, which is safe: no intent is recorded twice"


def _already(written: int, total: int) -> str:
    return f" ({written} of the {total} intents were written before)" if written else ""
