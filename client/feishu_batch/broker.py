"""This library's own Celery app: it sends hints and reads results, and is independent of the app that uses the library."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from celery import Celery
from celery.app.control import Control
from celery.result import AsyncResult
from kombu.pidbox import Mailbox

from feishu_batch.celery_redis import UNIX_TRANSPORT, transport_for, use_for_results
from feishu_batch.names import EXCHANGE_CONTROL, QUEUE_INTENTS, TASK_INTAKE, name_for
from feishu_batch.redis_connections import time_left
from feishu_batch.redis_pools import CeleryLink, celery_link
from feishu_batch.redis_urls import SENTINEL

# kombu's default is to reconnect a hundred times.
_ONE_MORE_TRY: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

_REVOKED_AT_ONCE = 500

logger = logging.getLogger("feishu_batch")


class Broker:
    """Connects at its first use. Threads may share it; processes may not."""

    def __init__(self, broker_url: str, result_backend: str, key_prefix: str, timeout: float) -> None:
        broker, results = celery_link(broker_url), celery_link(result_backend)
        self._app = _private_app(broker, results, timeout)
        self._app.conf.control_exchange = name_for(EXCHANGE_CONTROL, key_prefix)  # where `revoke` reaches the workers
        self._queue = name_for(QUEUE_INTENTS, key_prefix)
        self._lock = Lock()  # kombu's connections are not thread-safe
        self._timeout = timeout
        self._producer: Any = None

    def send_hint(self) -> None:
        """Wake the intake worker. Never raises: without the hint, the worker's sweep reads the inbox a little later."""
        if not self._lock.acquire(timeout=time_left(self._timeout)):
            logger.warning("the hint to the worker was skipped: another thread is still waiting for the broker")
            return
        try:
            self._publish()
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything, and the intents are already recorded
            self._drop_connection()
            logger.warning(
                "the hint to the worker was not sent (%s); the intents are recorded and the worker's sweep will find them",
                type(error).__name__,  # not the message, which may contain the broker's URL
            )
        finally:
            self._lock.release()

    def async_result(self, intent_id: str) -> AsyncResult:
        return self._app.AsyncResult(intent_id)

    def close(self) -> None:
        with self._lock:
            self._drop_connection()
        self._app.close()

    def revoke(self, intent_ids: Sequence[str]) -> None:
        """Ask every worker to take these back."""
        for start in range(0, len(intent_ids), _REVOKED_AT_ONCE):
            self._app.control.revoke(list(intent_ids[start : start + _REVOKED_AT_ONCE]))

    def _publish(self) -> None:
        if self._producer is None:
            self._producer = self._app.amqp.Producer(self._app.connection_for_write(), auto_declare=False)
        self._app.send_task(
            TASK_INTAKE,
            queue=self._queue,
            producer=self._producer,
            retry=False,
            ignore_result=True,
            add_to_parent=False,
        )

    def _drop_connection(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.connection.release()


class _Mailbox(Mailbox):
    connection: Any

    @contextmanager
    def producer_or_acquire(self, producer: Any = None, channel: Any = None) -> Iterator[Any]:
        bounded = self.connection.Producer(channel, auto_declare=False)
        bounded.publish = partial(bounded.publish, retry_policy=_ONE_MORE_TRY)  # the default policy retries forever
        yield producer or bounded


class _Control(Control):
    Mailbox = _Mailbox


class PrivateApp(Celery):
    """Always uses its own broker, for hints and for `AsyncResult.revoke()`.

    Each connection gets the URL explicitly, because CELERY_BROKER_URL in the environment (which belongs to the user's app)
    overrides an app's settings. It gets the transport explicitly, because kombu remembers the first one for each kind of URL.
    kombu's pools are not used: all apps of the process share them, and they survive a fork.
    """

    control_cls = _Control

    def __init__(self, broker_url: str, name: str = "feishu_batch_client") -> None:
        super().__init__(name, set_as_current=False)
        self._broker_url = broker_url

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        url = url or self._broker_url
        if url.startswith("redis+"):  # this prefix would select kombu's own transport
            return super().connection_for_write(url.removeprefix("redis+"), transport=UNIX_TRANSPORT, **options)
        return super().connection_for_write(url, **{"transport": transport_for(url), **options})

    def connection_or_acquire(self, connection: Any = None, pool: bool = False, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        return super().connection_or_acquire(connection, pool=False)


def _private_app(broker: CeleryLink, results: CeleryLink, timeout: float) -> Celery:
    app = PrivateApp(broker.url)
    use_for_results(app)
    app.backend_cls = results.url  # overrides CELERY_RESULT_BACKEND in the environment; the setting would not
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        broker_connection_timeout=timeout,
        broker_connection_retry=False,
        broker_heartbeat=0,  # no code runs between two hints that could send heartbeats
        broker_transport_options={**_transport_options(broker.url, timeout), **broker.transport_options},
        broker_use_ssl=broker.ssl,
        redis_backend_use_ssl=results.ssl,
        redis_socket_timeout=timeout,
        redis_socket_connect_timeout=timeout,
        result_backend_transport_options={
            "retry_policy": {"max_retries": 1, "interval_start": 0},
            **results.transport_options,
        },
    )
    return app


def _transport_options(broker_url: str, timeout: float) -> dict[str, Any]:
    if not broker_url.startswith(("redis", SENTINEL)):
        return {**_ONE_MORE_TRY, "read_timeout": timeout, "write_timeout": timeout}
    return {**_ONE_MORE_TRY, "socket_timeout": timeout, "socket_connect_timeout": timeout, "retry_on_timeout": False}
