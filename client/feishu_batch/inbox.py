"""The one place where this library talks to Redis: commands go in, our errors come out."""

from collections.abc import Callable, Sequence
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

from feishu_batch.errors import ConfigurationError, EnqueueError, ReadError
from feishu_batch.keys import FrontKeys
from feishu_batch.packing import PackedIntent
from feishu_batch.producer import conflict
from feishu_batch.redis_connections import call_within, failed_on_a_used_one, proves_that_nothing_was_done, time_left
from feishu_batch.redis_pools import producer_pool
from feishu_batch.redis_trouble import explain, first_line, reason_of
from feishu_batch.redis_urls import host_and_port
from feishu_batch.results import IntentView, read_intent
from feishu_batch.tracing import current_traceparent

# A hint that was lost is made up for by the first enqueue after this time (or by the worker's sweep).
HINT_OUTSTANDING_MS = 2000
ID_IS_TAKEN, OTHERS_CAME_FIRST = -1, -2  # what the scripts answer instead of whether a hint is wanted

# redis-py renamed the option in version 7 and warns about the old one.
_NO_DRIVER_NAME: dict[str, Any] = (
    {"driver_info": None} if hasattr(redis, "DriverInfo") else {"lib_name": None, "lib_version": None}
)

CALL_TIMEOUTS = 2  # a whole call takes at most so many times the wait for one answer

_Answer = TypeVar("_Answer")


@cache
def enqueue_script() -> str:
    """The Lua source; its first lines tell keys, arguments and answer."""
    return _lua("enqueue")


@cache
def enqueue_if_newest_script() -> str:
    """The same on a condition: one more argument, the number that still has to be the newest intent's."""
    return _lua("if_newest") + "\n" + enqueue_script()


def _lua(name: str) -> str:
    return (files("feishu_batch") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


@cache
def _sha(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


class Inbox:
    """Connects when first used. Threads may share it; processes may not.

    `timeout` (seconds) bounds every wait, and twice as much each method, with log-in, TLS and a second try.
    """

    def __init__(self, redis_url: str, prefix: str, timeout: float) -> None:
        self._keys = FrontKeys(prefix)
        self._timeout = timeout
        self._pool = _pool(redis_url, timeout)
        self._redis = Redis(connection_pool=self._pool)

    @property
    def longest_call(self) -> float:
        return CALL_TIMEOUTS * self._timeout

    def write(self, intents: Sequence[PackedIntent]) -> bool:
        """All or none. True: a hint to the worker is wanted."""
        return bool(self._write(enqueue_script(), intents)[0])

    def write_if_newest(self, intents: Sequence[PackedIntent], newest: int) -> tuple[bool, int] | None:
        """All, if `newest` still is the number of the newest intent: (a hint is wanted, the newest number now). Else None."""
        answer = self._write(enqueue_if_newest_script(), intents, newest, may_repeat=False)
        return None if answer[0] == OTHERS_CAME_FIRST else (bool(answer[0]), max(newest, *answer[1::2]))

    def _write(self, script: str, intents: Sequence[PackedIntent], *more: int, may_repeat: bool = True) -> list[Any]:
        keys = (self._keys.inbox, self._keys.ids, self._keys.sequence, self._keys.parked, self._keys.hint)
        arguments = [part for intent in intents for part in (intent.intent_id, intent.digest, intent.json)]
        trace = filter(None, [current_traceparent()])
        command = (len(keys), *keys, HINT_OUTSTANDING_MS, "", *arguments, *trace, *more)
        with call_within(self.longest_call):
            answer = self._run(script, command, may_repeat)
        if answer[0] == ID_IS_TAKEN:
            raise conflict(str(answer[1]))
        return answer

    def digests(self, intent_ids: Sequence[str]) -> list[str | None]:
        """The content digest of each id that is taken, else None."""
        try:
            entries: Any = self._read(lambda: self._redis.hmget(self._keys.ids, list(intent_ids)))
        except refusals.RedisError as error:
            raise EnqueueError(f"{self._explain(error)}; nothing was written") from None
        return [entry.split(":")[1] if entry else None for entry in entries]

    def view(self, intent_id: str) -> IntentView | None:
        try:
            return self._read(lambda: read_intent(self._redis, self._keys.prefix, intent_id))
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

    def _run(self, script: str, command: Sequence[Any], may_repeat: bool) -> list[Any]:
        """Once more where a connection of earlier calls failed: what the first try wrote is recognised by its id."""
        try:
            return self._try(script, command)
        except _FailedError as first:
            if not failed_on_a_used_one(first.error) or (first.outcome_unknown and not may_repeat):
                raise self._refusal(first.error, first.outcome_unknown) from None
            self._leave_idle_ones()
            try:
                return self._try(script, command)
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
            connection.disconnect()  # its reply may be still to come
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
            retry=Retry(NoBackoff(), 0),  # redis-py's ten retries would multiply the time-out
            protocol=2,  # RESP3 costs a round trip before the first command, and so does the driver's name:
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
