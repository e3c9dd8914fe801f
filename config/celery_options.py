"""Celery's options, each with its reason. Most were measured on Redis; the rest of the reasons stand in docs/.

Nothing rests on a message: the ledger holds the truth and a message only says "look there". So these options do not
make messages safe; they make lost ones cheap, repeated ones harmless, and a silent Redis noticed.
"""

from typing import Any, Final

from config.lanes import lane_names
from config.routing import QueueName, TaskName, task_queues, task_routes
from config.schedule import beat_schedule
from config.settings import Settings
from feishu_batch.redis_pools import CeleryLink, celery_link
from feishu_batch.redis_urls import AMQP

DAY: Final = 86400.0
# Shorter than this, a slow step's message would be handed out a second time while it runs.
VISIBILITY_TIMEOUT: Final = 120.0
HEALTH_CHECK_INTERVAL: Final = 3
BROKER_HEARTBEAT: Final = 10.0
# Publishing and storing results: one more try. The default policy blocks a caller for 30 s and more on a silent Redis.
ONE_RETRY: Final = {"max_retries": 1, "interval_start": 0.0, "interval_step": 0.2, "interval_max": 0.2}


def celery_options(settings: Settings) -> dict[str, Any]:
    return {
        **_stores(settings),
        **_messages(settings),
        **_worker(),
        **_results(settings),
        # In code and not in a database: two beats must tick alike.
        "beat_schedule": beat_schedule(settings),
        "task_annotations": _second_belt(settings),
    }


def _second_belt(settings: Settings) -> dict[str, dict[str, str]]:
    """It counts starts in one process; the slot in the ledger counts arrivals over all of them.

    Celery has one bucket for a task's name, so lanes would wait for one another; and from ten waiting messages on, kombu's hub
    fires ten timers and then sleeps a second (`fire_timers`): ten lanes at "10/s" were seen to send one request a second in
    all. With several lanes the slots are alone.
    """
    if len(lane_names(settings)) > 1:
        return {}
    return {str(TaskName.SUBMIT_BATCH): {"rate_limit": f"{1 / settings.slot_seconds:g}/s"}}


def broker_link(settings: Settings) -> CeleryLink:
    return celery_link(settings.effective_broker_url)


def _stores(settings: Settings) -> dict[str, Any]:
    broker, results = broker_link(settings), celery_link(settings.effective_result_backend)
    return {
        # Hints and results share the ledger's Redis unless the operator separates them.
        "broker_url": broker.url,
        # CELERY_BROKER_URL in the environment, which may belong to another app, beats the line above but not these two.
        "broker_read_url": broker.url,
        "broker_write_url": broker.url,
        # (CELERY_RESULT_BACKEND beats this one; only `backend_cls` of the app itself is stronger.)
        "result_backend": results.url,
        "broker_transport_options": {**_transport_options(settings), **broker.transport_options},
        # TLS that a URL has no words for: to RabbitMQ, and through Sentinel.
        "broker_use_ssl": broker.ssl,
        "redis_backend_use_ssl": results.ssl,
        # RabbitMQ's own sign of life; Redis knows none. A dead link is noticed within two of these.
        "broker_heartbeat": BROKER_HEARTBEAT,
        # The start of a connection is bounded like every other wait.
        "broker_connection_timeout": settings.redis_connect_timeout_seconds,
        # Redis may start after the worker, or be gone for an hour: wait for it. The default gives up after 100 tries.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # READONLY, OOM and LOADING are states that pass: reconnect, do not end.
        "broker_channel_error_retry": True,
        # The same time-outs for the result backend, which has its own connections.
        "redis_socket_timeout": settings.redis_timeout_seconds,
        "redis_socket_connect_timeout": settings.redis_connect_timeout_seconds,
        # Keep-alive is TCP's; the backend's connection over a Unix socket refuses the word.
        "redis_socket_keepalive": not results.url.startswith("redis+socket:"),
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": HEALTH_CHECK_INTERVAL,
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    if settings.effective_broker_url.partition("://")[0] in AMQP:
        # A publish returns when RabbitMQ has the message, and raises when it refuses it.
        return {"confirm_publish": True}
    return {
        # Three times the longest step: a message that a dead worker held comes back within minutes, not after an hour.
        "visibility_timeout": max(VISIBILITY_TIMEOUT, 3 * settings.http_timeout_seconds),
        # Without these two the real sweep for such messages is every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # Who looks for them holds a lock, and one that dies or loses its connection then keeps it: for 5 minutes, by default.
        "unacked_mutex_expire": 10,
        # Without time-outs a half-open connection hangs for ever, in every pool.
        "socket_timeout": settings.redis_timeout_seconds,
        "socket_connect_timeout": settings.redis_connect_timeout_seconds,
        "socket_keepalive": True,
        # Not retry_on_timeout: with it redis-py reconnects the broadcast connection by itself and then reads from it
        # without a time-out, on the consumer's own thread. The worker hears nothing until the next broadcast.
        # A dead link is noticed within about four of these.
        "health_check_interval": HEALTH_CHECK_INTERVAL,
        # Any fixed order would let a full queue starve the ones after it.
        "queue_order_strategy": "round_robin",
    }


def _messages(settings: Settings) -> dict[str, Any]:
    return {
        # JSON only: pickle runs what a message says.
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        # A task that somebody adds without a route lands where a worker listens.
        "task_default_queue": str(QueueName.DEFAULT),
        "task_queues": task_queues(),
        "task_routes": task_routes(settings),
        # A producer's callback may name any queue; refusing to create it would fail the intent after its success.
        "task_create_missing_queues": True,
        # A failed publish may still have happened, and the sweep publishes again: no need to insist.
        "task_publish_retry": True,
        "task_publish_retry_policy": ONE_RETRY,
        # Celery's default, and it must stay: the event of sending the step that ends an intent names that step, and, coming late,
        # Flower would show the intent by that name for good. "received" follows at once. The sweep has no events at all.
        "task_send_sent_event": False,
        # One clock for expiry times on all machines.
        "timezone": "UTC",
        "enable_utc": True,
    }


def _worker() -> dict[str, Any]:
    return {
        # A killed worker gives its hint back at once instead of losing it.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # False drops or hot-loops on Redis. What to retry is the ledger's decision.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # 1 stalls for good when an ack fails: it eats the only credit. Hints are tiny.
        "worker_prefetch_multiplier": 4,
        # True kills a POST at an unknown point.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # `inspect`, `rate_limit` and `shutdown` for the operator.
        "worker_enable_remote_control": True,
        # Flower needs them.
        "worker_send_task_events": True,
        # config.logging sets up the logs, with masked secrets; Celery would replace it.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _results(settings: Settings) -> dict[str, Any]:
    results = celery_link(settings.effective_result_backend)
    return {
        # JSON only, as for messages.
        "result_serializer": "json",
        "result_accept_content": ["json"],
        # As long as the ledger keeps the intent itself.
        "result_expires": settings.retain_finished_days * DAY,
        "result_failure_expires": settings.retain_failed_days * DAY,
        # True would copy an intent's arguments, up to 10,000 item ids, into every one of its progress reports.
        "result_extended": False,
        # An intent has its own progress state; STARTED would only overwrite it.
        "task_track_started": False,
        # Storing a result waits no longer than publishing. The outbox tries again later.
        "result_backend_transport_options": {"retry_policy": ONE_RETRY, **results.transport_options},
        "result_backend_always_retry": False,
    }
