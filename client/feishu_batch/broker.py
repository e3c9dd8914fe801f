"""This library's own Celery app: it sends hints and reads results, and does not mix with the app around it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from celery import Celery
from celery.app.control import Control
from celery.result import AsyncResult
from kombu.pidbox import Mailbox

from feishu_batch.celery_redis import UNIX_TRANSPORT, transport_for, use_for_results
from feishu_batch.names import QUEUE_INTENTS, TASK_INTAKE
from feishu_batch.redis_connections import time_left
from feishu_batch.redis_pools import CeleryLink, celery_link
from feishu_batch.redis_urls import SENTINEL

# kombu would reconnect a hundred times.
_ONE_MORE_TRY: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

logger = logging.getLogger("feishu_batch")


class Broker:
    """Connects when first used. Threads may share it; processes may not."""

    def __init__(self, broker_url: str, result_backend: str, timeout: float) -> None:
        broker, results = celery_link(broker_url), celery_link(result_backend)
        self._app = _private_app(broker, results, timeout)
        self._lock = Lock()  # kombu's connections are not made for threads
        self._timeout = timeout
        self._producer: Any = None

    def send_hint(self) -> None:
        """Tell the intake worker to look into the inbox. Never raises: the worker's sweep looks there anyway."""
        if not self._lock.acquire(timeout=time_left(self._timeout)):
            logger.warning("the hint to the worker was skipped: another thread still waits for the broker")
            return
        try:
            self._publish()
        except Exception as error:  # noqa: BLE001 - brokers raise what they like, and the intents are already safe
            self._drop_connection()
            logger.warning(
                "the hint to the worker was not sent (%s); the intents are safe and its sweep will find them",
                type(error).__name__,  # not the text, which may hold the broker's URL
            )
        finally:
            self._lock.release()

    def async_result(self, intent_id: str) -> AsyncResult:
        return self._app.AsyncResult(intent_id)

    def close(self) -> None:
        with self._lock:
            self._drop_connection()
        self._app.close()

    def _publish(self) -> None:
        if self._producer is None:
            self._producer = self._app.amqp.Producer(self._app.connection_for_write(), auto_declare=False)
        self._app.send_task(
            TASK_INTAKE,
            queue=QUEUE_INTENTS,
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
        bounded.publish = partial(bounded.publish, retry_policy=_ONE_MORE_TRY)  # the usual policy is to try for ever
        yield producer or bounded


class _Control(Control):
    Mailbox = _Mailbox


class PrivateApp(Celery):
    """Reaches its broker however it is asked to, for a hint as well as for `AsyncResult.revoke()`.

    The URL is named for each connection because CELERY_BROKER_URL in the environment, which belongs to the app around
    us, beats an app's settings. The transport is named because kombu remembers which one it found first for a kind of URL.
    And none is of kombu's pools, which all apps of the process share and which survive a fork.
    """

    control_cls = _Control

    def __init__(self, broker_url: str, name: str = "feishu_batch_client") -> None:
        super().__init__(name, set_as_current=False)
        self._broker_url = broker_url

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        url = url or self._broker_url
        if url.startswith("redis+"):  # kombu would take its own transport by this part of the URL
            return super().connection_for_write(url.removeprefix("redis+"), transport=UNIX_TRANSPORT, **options)
        return super().connection_for_write(url, **{"transport": transport_for(url), **options})

    def connection_or_acquire(self, connection: Any = None, pool: bool = False, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        return super().connection_or_acquire(connection, pool=False)


def _private_app(broker: CeleryLink, results: CeleryLink, timeout: float) -> Celery:
    app = PrivateApp(broker.url)
    use_for_results(app)
    app.backend_cls = results.url  # beats CELERY_RESULT_BACKEND in the environment; the setting would not
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        broker_connection_timeout=timeout,
        broker_connection_retry=False,
        broker_heartbeat=0,  # nobody would send it between two hints
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
        return _ONE_MORE_TRY
    return {**_ONE_MORE_TRY, "socket_timeout": timeout, "socket_connect_timeout": timeout, "retry_on_timeout": False}
