"""This library's own Celery app: it sends hints and reads results, and does not mix with the app around it."""

import logging
from threading import Lock
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from feishu_batch.names import QUEUE_INTENTS, TASK_INTAKE
from feishu_batch.redis_urls import SENTINEL, CeleryLink, celery_link

logger = logging.getLogger("feishu_batch")


class Broker:
    """Connects when first used. Threads may share it; processes may not."""

    def __init__(self, broker_url: str, result_backend: str, timeout: float) -> None:
        broker, results = (
            celery_link(url, timeout=timeout, connect_timeout=timeout) for url in (broker_url, result_backend)
        )
        self._url = broker.url
        self._app = _private_app(broker, results, timeout)
        self._lock = Lock()  # kombu's connections are not made for threads
        self._timeout = timeout
        self._producer: Any = None

    def send_hint(self) -> None:
        """Tell the intake worker to look into the inbox. Never raises: the worker's sweep looks there anyway."""
        if not self._lock.acquire(timeout=self._timeout):
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
            # The URL is named here because CELERY_BROKER_URL in the environment, which belongs to the app around us,
            # beats an app's settings. A connection of our own because kombu's pools survive a fork.
            self._producer = self._app.amqp.Producer(self._app.connection_for_write(self._url), auto_declare=False)
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


def _private_app(broker: CeleryLink, results: CeleryLink, timeout: float) -> Celery:
    app = Celery("feishu_batch_client", set_as_current=False)
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
    # kombu would reconnect a hundred times.
    bounds: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if not broker_url.startswith(("redis", SENTINEL)):
        return bounds
    return {**bounds, "socket_timeout": timeout, "socket_connect_timeout": timeout, "retry_on_timeout": False}
