"""The connections to the Redis of the ledger, and from commands to the workers."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from config.celery_options import broker_link
from config.routing import control_exchange
from config.settings import Settings
from feishu_batch import FeishuBatch
from feishu_batch.broker import PrivateApp
from feishu_batch.errors import LedgerFormatError
from feishu_batch.keys import InboxKeys
from feishu_batch.ledger_format import FORMAT, refuse_other, signs_of_data
from feishu_batch.redis_connections import ElsewhereError
from feishu_batch.redis_pools import pool_of

RETRIES = 2  # every step of the ledger may be repeated; more retries would only hide an outage from the caller


class OtherFormatError(LedgerFormatError, RedisError):
    """To what waits for Redis and asks again it is a Redis that cannot be used; to a command it is wrong use."""


def connect(settings: Settings, *, founds: bool = False, any_format: bool = False) -> Redis:
    """A thread-safe client with bounded waits. Nothing is sent until its first use. Raises `OtherFormatError` then, if the
    ledger there is of another version. `founds`: for a worker, which may begin a ledger. `any_format`: for a look at the
    server, which does not read the ledger.
    """
    pool = pool_of(
        settings.effective_redis_url,
        decode_responses=True,
        encoding_errors="replace",  # for bytes of other programs: one damaged value must not hide the others
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_connect_timeout_seconds,
        health_check_interval=3,
        redis_connect_func=None if any_format else _check_on_connect(settings.key_prefix, founds=founds),
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES),
    )
    return Redis.from_pool(pool)  # the client closes the pool with itself


def control_app(settings: Settings) -> Celery:
    """A Celery app for control commands to the workers; it does not wait for an unreachable broker."""
    link = broker_link(settings)
    app = PrivateApp(link.url, "feishu_batch_cli")
    app.conf.update(
        broker_connection_retry=False,
        broker_connection_timeout=settings.redis_connect_timeout_seconds,
        broker_transport_options={**link.transport_options, "max_retries": 0},
        broker_use_ssl=link.ssl,
        control_exchange=control_exchange(settings),
    )
    return app


def producer(settings: Settings, name: str | None = None) -> FeishuBatch:
    """The client of backend apps, with our settings. `name`: of the producer."""
    return FeishuBatch(
        settings.effective_redis_url,
        broker_url=settings.effective_broker_url,
        result_backend=settings.effective_result_backend,
        key_prefix=settings.key_prefix,
        timeout=settings.redis_timeout_seconds,
        producer=name,
    )


# --- the ledger's format -------------------------------------------------------------------------------------------------


def _check_on_connect(prefix: str, *, founds: bool) -> Callable[[Any], None]:
    """For redis-py's `redis_connect_func`. `founds`: an empty ledger gets its number; commands that only look write none."""
    keys = InboxKeys(prefix)

    def check(connection: Any) -> None:
        _log_in(connection)
        found = _answer(connection, "GET", keys.format)
        if found is None:
            has_data = _answer(connection, "EXISTS", *signs_of_data(keys))
            _refuse_other(prefix, None, has_data)
            if founds:
                _found(connection, keys)
                found = _answer(connection, "GET", keys.format)  # perhaps another version's, which came first
        _refuse_other(prefix, found, has_data=False)

    return check


def _found(connection: Any, keys: InboxKeys) -> None:
    try:
        _answer(connection, "SET", keys.format, FORMAT, "NX")
    except ElsewhereError:
        raise  # the connection is closed: the next command on it would connect again, and come here again
    except ResponseError:
        pass  # a full server says so at the first step, too


def _refuse_other(prefix: str, found: Any, has_data: Any) -> None:
    try:
        refuse_other(prefix, (found, has_data))
    except LedgerFormatError as error:
        raise OtherFormatError(str(error)) from None


def _log_in(connection: Any) -> None:
    """As redis-py does without a function of ours. A health check in between would begin another connection, without end."""
    if hasattr(connection, "on_connect_check_health"):
        connection.on_connect_check_health(check_health=False)
    else:
        connection.on_connect()


def _answer(connection: Any, *command: Any) -> Any:
    connection.send_command(*command, check_health=False)
    return connection.read_response()
