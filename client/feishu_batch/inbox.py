"""The one module of this library that sends commands to Redis; it raises only our errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, TypeVar

import redis
from redis import ConnectionPool, Redis
from redis import exceptions as refusals
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from feishu_batch.change_set import SET_PAGE, FailedChange, SetCounts
from feishu_batch.errors import ConfigurationError, EnqueueError, LedgerFormatError, ReadError
from feishu_batch.item_history import PastChange, read_history
from feishu_batch.keys import InboxKeys
from feishu_batch.ledger_format import NOT_OURS, placed_in_front, refuse_other, sentence
from feishu_batch.ledger_format import ask as ask_format
from feishu_batch.packing import PackedIntent
from feishu_batch.producer import conflict
from feishu_batch.redis_connections import call_within, failed_on_a_used_one, proves_that_nothing_was_done, time_left
from feishu_batch.redis_pools import producer_pool
from feishu_batch.redis_trouble import explain, first_line, reason_of
from feishu_batch.redis_urls import host_and_port
from feishu_batch.results import IntentView, read_intent
from feishu_batch.set_reads import page_of_set, read_failures, read_sets
from feishu_batch.tracing import current_traceparent

# After this time, the next enqueue replaces a lost hint (or the worker's sweep does).
HINT_OUTSTANDING_MS = 2000
WAS_KNOWN = "same"  # what enqueue.lua says of an intent that was there before
ID_IS_TAKEN = -1  # what the script answers instead of whether a hint is wanted

# redis-py 7 renamed the option and warns about the old name.
_NO_DRIVER_NAME: dict[str, Any] = (
    {"driver_info": None} if hasattr(redis, "DriverInfo") else {"lib_name": None, "lib_version": None}
)

CALL_TIMEOUTS = 2  # a whole call takes at most this many times the wait for one answer

_Answer = TypeVar("_Answer")


@cache
def enqueue_script() -> str:
    """The Lua source; its first lines document keys, arguments and answer."""
    return placed_in_front(_lua("enqueue"))


@cache
def _lua(name: str) -> str:
    return (files("feishu_batch") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def about_all(traceparent: str | None, producer: str) -> list[str]:
    """The last arguments of the script."""
    if producer:
        return [traceparent or "", producer]
    return [traceparent] if traceparent else []


@cache
def _sha(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """`was_known`: of each intent whether its id was there before; None: it may come from this very call, whose first answer was lost."""

    wants_hint: bool
    was_known: list[bool | None]


class InboxWriter:
    """Connects at its first use. Threads may share it; processes may not.

    `timeout` (seconds) limits every wait. Each method takes at most twice as long, including log-in, TLS and a second try.
    """

    def __init__(self, redis_url: str, prefix: str, timeout: float, producer: str = "") -> None:
        self._producer = producer
        self._keys = InboxKeys(prefix)
        self._timeout = timeout
        self._pool = _pool(redis_url, timeout)
        self._redis = Redis(connection_pool=self._pool)

    @property
    def longest_call(self) -> float:
        return CALL_TIMEOUTS * self._timeout

    def write(self, intents: Sequence[PackedIntent]) -> Acknowledged:
        """Writes all or none."""
        answer, is_second_try = self._repeatable(enqueue_script(), intents)
        known = [status == WAS_KNOWN for status in answer[2::2]]
        return Acknowledged(bool(answer[0]), [None if one and is_second_try else one for one in known])

    def run(self, script: str, intents: Sequence[PackedIntent], *more: int, may_repeat: bool = True) -> list[Any]:
        """`script`: enqueue.lua, or one that ends with it; `more`: what that one takes besides. Returns its answer.

        `may_repeat`: whether the script does the same if it was run before and its answer was lost.
        """
        return self._repeatable(script, intents, *more, may_repeat=may_repeat)[0]

    def _repeatable(
        self, script: str, intents: Sequence[PackedIntent], *more: int, may_repeat: bool = True
    ) -> tuple[list[Any], bool]:
        keys = (
            self._keys.inbox,
            self._keys.ids,
            self._keys.sequence,
            self._keys.parked,
            self._keys.hint,
            self._keys.format,
        )
        arguments = [part for intent in intents for part in intent.arguments()]
        about = about_all(current_traceparent(), self._producer)
        command = (len(keys), *keys, HINT_OUTSTANDING_MS, "", *arguments, *about, *more)
        with call_within(self.longest_call):
            answer, is_second_try = self._carefully(script, command, may_repeat)
        if answer[0] == NOT_OURS:
            raise LedgerFormatError(sentence(self._keys.prefix, str(answer[1])))
        if answer[0] == ID_IS_TAKEN:
            raise conflict(str(answer[1]))
        return answer, is_second_try

    def digests(self, intent_ids: Sequence[str]) -> list[str | None]:
        """For each id: the content digest if the id is in use, else None."""
        try:
            entries: Any = self._read(lambda: self._entries(intent_ids))
        except refusals.RedisError as error:
            raise EnqueueError(f"{self._explain(error)}; nothing was written") from None
        return [entry.split(":")[1] if entry else None for entry in entries]

    def _entries(self, intent_ids: Sequence[str]) -> Any:
        pipe: Any = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.ids, list(intent_ids))
        ask_format(pipe, self._keys)
        entries, *format_reply = pipe.execute()
        refuse_other(self._keys.prefix, format_reply)
        return entries

    def view(self, intent_id: str) -> IntentView | None:
        return self._looked(lambda: read_intent(self._redis, self._keys.prefix, intent_id))

    def set_counts(self, change_set: str) -> SetCounts | None:
        return self._looked(lambda: read_sets(self._redis, self._keys.prefix, [change_set])[0])

    def ids_of_set(self, change_set: str, after: int) -> list[tuple[int, str]]:
        """(number, id) of some of the intents of a change set, in the order of enqueueing, after that number."""
        return self._looked(lambda: page_of_set(self._redis, self._keys.prefix, change_set, after, SET_PAGE))

    def failures(self, intent_ids: Sequence[str]) -> list[FailedChange]:
        return self._looked(lambda: read_failures(self._redis, self._keys.prefix, intent_ids))

    def history(self, item: int, field: str | None, limit: int) -> list[PastChange]:
        return self._looked(lambda: read_history(self._redis, self._keys.prefix, item, field, limit))

    def await_end(self, change_set: str, signature: str) -> bool:
        """False: no intent of such a set is known."""
        keys = (self._keys.set_facts(change_set), self._keys.awaited_sets)
        return bool(self._looked(lambda: self._redis.eval(_lua("await_end"), 2, *keys, change_set, signature)))

    def _looked(self, look: Callable[[], _Answer]) -> _Answer:
        try:
            return self._read(look)
        except refusals.RedisError as error:
            raise ReadError(self._explain(error)) from None

    def close(self) -> None:
        self._pool.disconnect()

    def _read(self, look: Callable[[], _Answer]) -> _Answer:
        with call_within(self.longest_call):
            try:
                return look()
            except refusals.RedisError as error:
                if not failed_on_a_used_one(error):
                    raise
                self._leave_idle_ones()
                return look()

    def _carefully(self, script: str, command: Sequence[Any], may_repeat: bool) -> tuple[list[Any], bool]:
        """Repeats the call if a reused connection failed: intents written by the first try are recognised by their ids.

        True beside the answer: the first try may have written.
        """
        try:
            return self._try(script, command), False
        except _FailedError as first:
            if not failed_on_a_used_one(first.error) or (first.outcome_unknown and not may_repeat):
                raise self._refusal(first.error, first.outcome_unknown) from None
            self._leave_idle_ones()
            try:
                return self._try(script, command), first.outcome_unknown
            except _FailedError as second:
                raise self._refusal(second.error, first.outcome_unknown or second.outcome_unknown) from None

    def _try(self, script: str, command: Sequence[Any]) -> list[Any]:
        try:
            connection: Any = self._pool.get_connection()
        except refusals.RedisError as error:
            raise _FailedError(error, outcome_unknown=False) from None
        try:
            return _exchange(connection, script, command)
        except refusals.RedisError as error:
            raise _FailedError(error, outcome_unknown=not proves_that_nothing_was_done(error)) from None
        except BaseException:
            connection.disconnect()  # its reply may still arrive
            raise
        finally:
            self._pool.release(connection)

    def _leave_idle_ones(self) -> None:
        self._pool.disconnect(inuse_connections=False)

    def _refusal(self, error: Exception, outcome_unknown: bool) -> EnqueueError:
        what = "it is unknown whether the intents were written" if outcome_unknown else "nothing was written"
        return EnqueueError(f"{self._explain(error)}; {what}", outcome_unknown)

    def _explain(self, error: Exception) -> str:
        if advice := explain(error, "redis_url"):
            return f"{advice} ({self._address()})"
        if isinstance(error, refusals.TimeoutError):
            is_over = time_left(self._timeout) <= 0
            return f"Redis at {self._address()} did not answer within {self.longest_call if is_over else self._timeout:g} s"
        if isinstance(error, refusals.ConnectionError):
            return f"Redis at {self._address()} cannot be reached or closed the connection ({reason_of(error)})"
        return f"Redis at {self._address()} refused: {first_line(error)}"

    def _address(self) -> str:
        options = self._pool.connection_kwargs
        if isinstance(self._pool, SentinelConnectionPool):
            return f"master {self._pool.service_name}"
        return str(options["path"]) if "path" in options else host_and_port(options["host"], options["port"])


class _FailedError(Exception):
    def __init__(self, error: refusals.RedisError, *, outcome_unknown: bool) -> None:
        super().__init__()
        self.error = error
        self.outcome_unknown = outcome_unknown


def _pool(redis_url: str, timeout: float) -> ConnectionPool:
    try:
        return producer_pool(
            redis_url,
            timeout=timeout,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),  # redis-py's ten retries would multiply the timeout
            protocol=2,  # RESP3 and the driver's name each cost a round trip before the first command:
            **_NO_DRIVER_NAME,
        )
    except ValueError as error:
        raise ConfigurationError(f"redis_url {error}") from None


def _exchange(connection: Any, script: str, command: Sequence[Any]) -> list[Any]:
    answer: list[Any]
    try:
        connection.send_command("EVALSHA", _sha(script), *command)
        answer = connection.read_response()
    except refusals.NoScriptError:
        connection.send_command("EVAL", script, *command)
        answer = connection.read_response()
    return answer
