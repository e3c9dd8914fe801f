"""Finds Redis commands that are refused here, by a user's rules, a proxy or a managed service: tries each on separate keys."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from redis import exceptions as refusals
from redis.exceptions import RedisError

from config.routing import QueueName, control_exchange, queue_name
from config.settings import Settings
from feishu_batch.names import name_for
from feishu_batch.redis_connections import ElsewhereError
from feishu_batch.redis_trouble import first_line
from feishu_batch.redis_urls import REDIS_SCHEMES
from worker.connections import connect
from worker.ledger.clock import witness
from worker.ledger.scripts import script_text
from worker.operating.redis_checks import RedisFinding, Severity, inspect, refusal

# Temporary states, or states that another check reports: no command is refused permanently.
_STATES: Final = (
    refusals.OutOfMemoryError,
    refusals.ReadOnlyError,
    refusals.BusyLoadingError,
    refusals.AuthenticationError,
    ElsewhereError,
)
KEEPS: Final = 60  # seconds for which Redis keeps the keys of a trial
_KEPT: Final = "the ledger cannot be kept"
_STEPS: Final = "no step of the ledger works"
ANSWER: Final = 2.0  # seconds until a published message must arrive


@dataclass(frozen=True, slots=True)
class Trial:
    """`run`: raises Redis's answer. `purpose`: what does not work without the command."""

    name: str
    purpose: str
    run: Callable[["TrialKeys"], object]


class TrialKeys:
    """A connection pool, and keys that nothing else uses. Those of the ledger share a hash tag, as a lane's do."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        name = uuid.uuid4().hex
        self.redis: Any = redis
        self.prefix = f"{settings.key_prefix}:{{trial-{name}}}:"
        self.queues = [
            f"{queue_name(queue, settings)}.trial-{name}" for queue in (QueueName.INTENTS, QueueName.DEFAULT)
        ]
        self.held = [f"{name_for(key, settings.key_prefix)}.trial-{name}" for key in ("unacked", "unacked_index")]
        self.result = f"celery-task-meta-trial-{name}"
        database = redis.connection_pool.connection_kwargs.get("db") or 0
        self.broadcasts = f"/{database}.{control_exchange(settings)}.pidbox"

    def own(self, kind: str) -> str:
        return self.prefix + kind

    def do(self, *command: object) -> object:
        return self.redis.execute_command(*command)

    def clear(self) -> None:
        kinds = [self.own(kind) for kind in (*_KINDS, "clock")]
        for key in (*kinds, *self.queues, *self.held, self.result):
            with contextlib.suppress(RedisError):  # a refused DEL is one of the findings
                self.redis.delete(key)


# Each on the key of its kind, in this order.
_KINDS: Final[dict[str, tuple[tuple[object, ...], ...]]] = {
    "string": (
        ("SET", 1), ("GET",), ("MGET",), ("INCR",), ("DECR",), ("EXPIRE", KEEPS), ("PEXPIRE", KEEPS * 1000), ("PTTL",), ("EXISTS",),
        ("SETEX", KEEPS, 1),
    ),
    "hash": (
        ("HSET", "a", 1), ("HSETNX", "a", 1), ("HGET", "a"), ("HMGET", "a", "b"), ("HGETALL",), ("HKEYS",), ("HVALS",), ("HLEN",),
        ("HEXISTS", "a"), ("HINCRBY", "a", 1), ("HRANDFIELD", 1, "WITHVALUES"), ("HDEL", "a"),
    ),
    "list": (
        ("LPUSH", "a"), ("RPUSH", "b"), ("LLEN",), ("LINDEX", 0), ("LSET", 0, "c"), ("LRANGE", 0, -1), ("LREM", 1, "b"),
        ("LTRIM", 0, 9), ("LPOP",),
    ),
    "set": (("SADD", "a"), ("SISMEMBER", "a"), ("SMISMEMBER", "a"), ("SMEMBERS",), ("SRANDMEMBER", 1), ("SREM", "a")),
    "sorted": (
        ("ZADD", 1, "a", 2, "b", 3, "c"), ("ZCARD",), ("ZCOUNT", 0, 9), ("ZSCORE", "a"), ("ZMSCORE", "a"), ("ZRANGE", 0, -1), ("ZREVRANGE", 0, -1),
        ("ZRANGEBYSCORE", 0, 9), ("ZREVRANGEBYSCORE", 9, 0), ("ZPOPMIN",), ("ZPOPMAX",), ("ZREM", "b"),
        ("ZREMRANGEBYSCORE", 0, 9), ("ZREMRANGEBYRANK", 0, 9),
    ),
    "stream": (("XADD", "1-0", "i", "x"), ("XLEN",), ("XRANGE", "-", "+"), ("XDEL", "1-0")),
}  # fmt: skip


def _simple(kind: str, command: str, *arguments: object) -> Trial:
    return Trial(command, _KEPT, lambda keys: keys.do(command, keys.own(kind), *arguments))


def _lane_script(keys: TrialKeys) -> object:
    """One of our scripts: it builds the names of its keys from the given one, as all scripts of a lane do."""
    return keys.redis.eval(script_text("extend_lease"), 1, keys.prefix, 0, 1000, witness())


def _transaction(keys: TrialKeys) -> None:
    held, index = keys.held
    with keys.redis.client() as connection:  # all commands use the same connection
        connection.execute_command("MULTI")
        connection.execute_command("HSETNX", held, "a", 1)
        connection.execute_command("ZADD", index, 1, "a")
        connection.execute_command("EXEC")


def _blocking(keys: TrialKeys) -> None:
    """A wait for messages in several queues at once, as in a worker."""
    keys.do("LPUSH", keys.queues[0], "x")
    keys.do("BRPOP", *keys.queues, 1)


def _heard(keys: TrialKeys) -> None:
    with keys.redis.pubsub() as listener:
        listener.subscribe(keys.result)
        if listener.get_message(timeout=ANSWER) is None:
            raise refusals.ResponseError("it is not answered")
        keys.do("PUBLISH", keys.result, "x")
        if listener.get_message(timeout=ANSWER) is None:
            raise refusals.ResponseError("what is published does not arrive")
        listener.unsubscribe(keys.result)


def _listening(keys: TrialKeys) -> None:
    with keys.redis.pubsub() as listener:
        listener.psubscribe(keys.broadcasts)
        if listener.get_message(timeout=ANSWER) is None:
            raise refusals.ResponseError("it is not answered")


LEDGER: Final = (
    Trial("TIME", "no slot can be counted", lambda keys: keys.do("TIME")),
    *(_simple(kind, str(command), *arguments) for kind, all_ in _KINDS.items() for command, *arguments in all_),
    Trial("DEL", _KEPT, lambda keys: keys.do("DEL", keys.own("string"))),
    Trial("EVAL", _STEPS, lambda keys: keys.do("EVAL", "return 1", 1, keys.own("string"))),
    Trial(
        "SCRIPT LOAD",
        _STEPS,
        lambda keys: keys.do("SCRIPT", "LOAD", "return 1"),
    ),
    Trial(
        "SCRIPT EXISTS",
        _STEPS,
        lambda keys: keys.do("SCRIPT", "EXISTS", "0" * 40),
    ),
    Trial(
        "EVALSHA",
        _STEPS,
        lambda keys: keys.redis.register_script("return 1")(keys=[keys.own("string")]),
    ),
    Trial("a script of the ledger", _STEPS, _lane_script),
    Trial("MULTI and EXEC", "delivered messages cannot be recorded", _transaction),
)
BROKER: Final = (
    Trial("BRPOP", "no worker gets a message", _blocking),
    Trial("PSUBSCRIBE", "no control command and no `revoke` reaches a worker", _listening),
)
RESULTS: Final = (Trial("PUBLISH and SUBSCRIBE", "results are not announced", _heard),)


def examine(settings: Settings) -> list[RedisFinding]:
    """What does not fit of the server, and which commands it refuses. Raises RedisError if it does not answer, and
    OtherFormatError, before it has written anything, for a ledger of another version.
    """
    with contextlib.closing(connect(settings, any_format=True)) as redis:
        found = inspect(redis)
        if refusal(found):
            return found
        _check_format(settings)
        return found + refusals_here(settings, redis)


def _check_format(settings: Settings) -> None:
    with contextlib.closing(connect(settings)) as redis, contextlib.suppress(refusals.ResponseError, ElsewhereError):
        redis.ping()  # where the commands of the check are refused, the trial of all commands names them


def refusals_here(settings: Settings, ledger: Redis) -> list[RedisFinding]:
    """Of the ledger's Redis, and of the broker's and that of results where they are others. Raises RedisError.

    Of a server that cannot do anything just now (out of memory, loading, a replica), what it was asked until then.
    """
    trials = {settings.effective_redis_url: LEDGER}
    for url, more in ((settings.effective_broker_url, BROKER), (settings.effective_result_backend, RESULTS)):
        if url.partition("://")[0].lower() in REDIS_SCHEMES:
            trials[url] = (*trials.get(url, ()), *more)
    found: list[RedisFinding] = []
    for url, wanted in trials.items():
        with contextlib.ExitStack() as stack:
            is_ledgers = url == settings.effective_redis_url
            redis = ledger if is_ledgers else stack.enter_context(_client(settings, url))
            # If another server does not answer, the caller waits for it.
            stack.enter_context(contextlib.suppress(*(_STATES if is_ledgers else (RedisError,))))
            found.extend(refused_commands(redis, settings, wanted))
    return found


def _client(settings: Settings, url: str) -> contextlib.closing[Redis]:
    own = settings.with_redis_url(url).model_copy(update={"redis_password_file": None})
    return contextlib.closing(connect(own))


def refused_commands(redis: Redis, settings: Settings, trials: tuple[Trial, ...]) -> Iterator[RedisFinding]:
    """Tries each command. Raises RedisError if Redis does not answer, or is in a temporary state."""
    keys = TrialKeys(redis, settings)
    try:
        for trial in trials:
            if finding := _try(trial, keys):
                yield finding
    finally:
        keys.clear()


def _try(trial: Trial, keys: TrialKeys) -> RedisFinding | None:
    try:
        trial.run(keys)
    except _STATES:
        raise
    except refusals.ResponseError as error:
        return _finding(trial, first_line(error), _advice(error))
    except refusals.ConnectionError:
        keys.redis.ping()  # raises, if it is not this command that ends the connection
        return _finding(trial, "the connection is closed", _BEHIND_A_PROXY)
    return None


_BEHIND_A_PROXY: Final = (
    "Use an endpoint that leads to a single primary without a proxy: see Managed services in docs/deployment.md."
)


def _finding(trial: Trial, why: str, advice: str) -> RedisFinding:
    return RedisFinding(Severity.FATAL, f"Redis refuses {trial.name} ({why}), so {trial.purpose}", advice)


def _advice(error: refusals.ResponseError) -> str:
    text = str(error).lower()
    if "should be passed using the keys array" in text:
        return "Set the service's parameter script_check_enable to 0, or use an edition that is not a cluster."
    if isinstance(error, refusals.NoPermissionError):
        return "Give the user of REDIS_URL the rules of docs/deployment.md (ACL)."
    return _BEHIND_A_PROXY
