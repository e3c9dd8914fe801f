"""The one place where this library talks to Redis: commands go in, our errors come out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

import redis
from redis import ConnectionPool, Redis
from redis import exceptions as refusals
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, SentinelConnectionPool

from feishu_batch.errors import ConfigurationError, EnqueueError, ReadError
from feishu_batch.keys import FrontKeys
from feishu_batch.packing import PackedIntent
from feishu_batch.producer import conflict
from feishu_batch.redis_urls import pool_of
from feishu_batch.results import IntentView, read_intent
from feishu_batch.tracing import current_traceparent

# A hint that was lost is made up for by the first enqueue after this time (or by the worker's sweep).
HINT_OUTSTANDING_MS = 2000
ID_IS_TAKEN, OTHERS_CAME_FIRST = -1, -2  # what the scripts answer instead of whether a hint is wanted

# redis-py renamed the option in version 7 and warns about the old one.
_NO_DRIVER_NAME: dict[str, Any] = (
    {"driver_info": None} if hasattr(redis, "DriverInfo") else {"lib_name": None, "lib_version": None}
)

_NO_CLUSTER = "this is a node of a Redis Cluster, which is not supported: point redis_url at a single primary"
_ADVICE: dict[type[Exception], str] = {
    refusals.OutOfMemoryError: "Redis is out of memory: raise its maxmemory, or let the workers catch up",
    refusals.ReadOnlyError: "this Redis is a read-only replica: point redis_url at the primary",
    refusals.BusyLoadingError: "Redis is still loading its data: try again in a moment",
    refusals.AuthenticationError: "Redis refused the user or password of redis_url",
    refusals.AuthenticationWrongNumberOfArgsError: "Redis refused the user or password of redis_url",
    refusals.NoPermissionError: "the Redis user may not run this command: it needs scripts, hashes, streams and strings",
    refusals.MaxConnectionsError: "this client has too many connections open",
    refusals.MovedError: _NO_CLUSTER,
    refusals.ClusterDownError: _NO_CLUSTER,
    refusals.ClusterCrossSlotError: _NO_CLUSTER,
    MasterNotFoundError: "no sentinel of redis_url can be reached and names a healthy master",
}


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
    """Connects when first used. Threads may share it; processes may not."""

    def __init__(self, redis_url: str, prefix: str, timeout: float) -> None:
        self._keys = FrontKeys(prefix)
        self._timeout = timeout
        self._pool = _pool(redis_url, timeout)
        self._redis = Redis(connection_pool=self._pool)

    def write(self, intents: Sequence[PackedIntent]) -> bool:
        """All or none. True: a hint to the worker is wanted."""
        return bool(self._write(enqueue_script(), intents)[0])

    def write_if_newest(self, intents: Sequence[PackedIntent], newest: int) -> tuple[bool, int] | None:
        """All, if `newest` still is the number of the newest intent: (a hint is wanted, the newest number now). Else None."""
        answer = self._write(enqueue_if_newest_script(), intents, newest)
        return None if answer[0] == OTHERS_CAME_FIRST else (bool(answer[0]), max(newest, *answer[1::2]))

    def _write(self, script: str, intents: Sequence[PackedIntent], *more: int) -> list[Any]:
        keys = (self._keys.inbox, self._keys.ids, self._keys.sequence, self._keys.parked, self._keys.hint)
        arguments = [part for intent in intents for part in (intent.intent_id, intent.digest, intent.json)]
        trace = filter(None, [current_traceparent()])
        answer = self._run(script, len(keys), *keys, HINT_OUTSTANDING_MS, "", *arguments, *trace, *more)
        if answer[0] == ID_IS_TAKEN:
            raise conflict(str(answer[1]))
        return answer

    def digests(self, intent_ids: Sequence[str]) -> list[str | None]:
        """The content digest of each id that is taken, else None."""
        try:
            entries: Any = self._redis.hmget(self._keys.ids, list(intent_ids))
        except refusals.RedisError as error:
            raise EnqueueError(f"{self._explain(error)}; nothing was written") from None
        return [entry.split(":")[1] if entry else None for entry in entries]

    def view(self, intent_id: str) -> IntentView | None:
        try:
            return read_intent(self._redis, self._keys.prefix, intent_id)
        except refusals.RedisError as error:
            raise ReadError(self._explain(error)) from None

    def close(self) -> None:
        self._pool.disconnect()

    def _run(self, script: str, *arguments: Any) -> list[Any]:
        with self._connection() as connection, self._refusals_explained():
            try:
                return _exchange(connection, "EVALSHA", _sha(script), *arguments)
            except refusals.NoScriptError:
                return _exchange(connection, "EVAL", script, *arguments)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        # Apart from the exchange, because a failure here proves that nothing was written.
        try:
            connection = self._pool.get_connection()
        except refusals.RedisError as error:
            raise EnqueueError(f"{self._explain(error)}; nothing was written") from None
        try:
            yield connection
        finally:
            self._pool.release(connection)

    @contextmanager
    def _refusals_explained(self) -> Iterator[None]:
        try:
            yield
        except (refusals.ResponseError, refusals.BusyLoadingError, refusals.AuthenticationError) as error:
            raise EnqueueError(f"{self._explain(error)}; nothing was written") from None
        except refusals.RedisError as error:
            raise EnqueueError(
                f"{self._explain(error)}; it is unknown whether the intents were written", True
            ) from None

    def _explain(self, error: Exception) -> str:
        for kind, advice in _ADVICE.items():
            if isinstance(error, kind):
                return f"{advice} ({self._address()})"
        if isinstance(error, refusals.TimeoutError):
            return f"Redis at {self._address()} did not answer within {self._timeout:g} s"
        if isinstance(error, refusals.ConnectionError):
            return f"Redis at {self._address()} cannot be reached or closed the connection ({_first_line(error)})"
        return f"Redis at {self._address()} refused: {_first_line(error)}"

    def _address(self) -> str:
        options = self._pool.connection_kwargs
        if isinstance(self._pool, SentinelConnectionPool):
            return f"master {self._pool.service_name}"
        return str(options["path"]) if "path" in options else f"{options.get('host')}:{options.get('port', 6379)}"


def _pool(redis_url: str, timeout: float) -> ConnectionPool:
    try:
        return pool_of(
            redis_url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),  # redis-py's ten retries would multiply the time-out
            protocol=2,  # RESP3 costs a round trip before the first command, and so does the driver's name:
            **_NO_DRIVER_NAME,
        )
    except (ValueError, TypeError):
        # The reason is left out: it may repeat parts of the URL, and the URL holds the password.
        raise ConfigurationError(
            "redis_url is not a Redis URL: write it like redis://:password@host:6379/0, rediss://…, unix:///path"
            " or sentinel://:password@host1:26379,host2:26379/0?master=NAME"
        ) from None


def _exchange(connection: Any, *command: Any) -> list[Any]:
    connection.send_command(*command)
    answer: list[Any] = connection.read_response()
    return answer


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
