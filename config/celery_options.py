"""Celery's options, each with its reason. Most were measured on Redis; docs/ has the other reasons.

No work depends on a message: the ledger holds the truth and a message only says "look there". So these options do not
make messages safe; they make lost messages cheap, repeated ones harmless, and a silent Redis noticed.
"""

from typing import Any, Final

from config.lanes import lane_names
from config.routing import (
    QueueName,
    TaskName,
    control_exchange,
    event_exchange,
    queue_name,
    task_queues,
    task_routes,
)
from config.schedule import beat_schedule
from config.settings import Settings
from feishu_batch.names import name_for
from feishu_batch.redis_pools import CeleryLink, celery_link
from feishu_batch.redis_urls import AMQP

DAY: Final = 86400.0
# With a shorter timeout, the message of a slow step would be delivered again while the step runs.
VISIBILITY_TIMEOUT: Final = 120.0
HEALTH_CHECK_INTERVAL: Final = 3
BROKER_HEARTBEAT: Final = 10.0
# Publishing and storing results: one retry. The default policy blocks a caller for 30 s and more on a silent Redis.
ONE_RETRY: Final = {"max_retries": 1, "interval_start": 0.0, "interval_step": 0.2, "interval_max": 0.2}


def celery_options(settings: Settings) -> dict[str, Any]:
    return {
        **_stores(settings),
        **_messages(settings),
        **_worker(),
        **_results(settings),
        # In code and not in a database: two beats must use the same schedule.
        "beat_schedule": beat_schedule(settings),
        "task_annotations": _second_belt(settings),
    }


def _second_belt(settings: Settings) -> dict[str, dict[str, str]]:
    """Celery's rate limit counts starts in one process; the slot in the ledger counts arrivals from all processes.

    Celery has one bucket for a task's name, so lanes would wait for one another; and from ten waiting messages on, kombu's hub
    fires ten timers and then sleeps a second (`fire_timers`): ten lanes at "10/s" were measured to send one request a second in
    total. With several lanes, only the slots limit the rate.
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
        # CELERY_BROKER_URL in the environment, which may belong to another app, overrides the line above but not these two.
        "broker_read_url": broker.url,
        "broker_write_url": broker.url,
        # (CELERY_RESULT_BACKEND overrides this one; only `backend_cls` of the app has priority.)
        "result_backend": results.url,
        "broker_transport_options": {**_transport_options(settings), **broker.transport_options},
        # TLS options that a URL cannot express: to RabbitMQ, and through Sentinel.
        "broker_use_ssl": broker.ssl,
        "redis_backend_use_ssl": results.ssl,
        # RabbitMQ's heartbeat; Redis has none. A dead connection is noticed within two of these.
        "broker_heartbeat": BROKER_HEARTBEAT,
        # Connecting is limited like every other wait.
        "broker_connection_timeout": settings.redis_connect_timeout_seconds,
        # Redis may start after the worker, or be down for an hour: wait for it. The default gives up after 100 tries.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # READONLY, OOM and LOADING are temporary states: reconnect, do not end.
        "broker_channel_error_retry": True,
        # The same timeouts for the result backend, which has its own connections.
        "redis_socket_timeout": settings.redis_timeout_seconds,
        "redis_socket_connect_timeout": settings.redis_connect_timeout_seconds,
        # Keep-alive is for TCP only; the backend refuses the option for a Unix socket.
        "redis_socket_keepalive": not results.url.startswith("redis+socket:"),
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": HEALTH_CHECK_INTERVAL,
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    if settings.effective_broker_url.partition("://")[0] in AMQP:
        # A publish returns when RabbitMQ has the message, and raises if RabbitMQ refuses it. Without time-outs it waits without end for
        # the answer over a half-open connection, or of a RabbitMQ that is short of memory or disk and reads nothing from publishers.
        seconds = settings.redis_timeout_seconds
        return {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}
    return {
        # Three times the longest step: the message of a dead worker is redelivered within minutes, not after an hour.
        "visibility_timeout": max(VISIBILITY_TIMEOUT, 3 * settings.http_timeout_seconds),
        # Without these two, Celery looks for such messages only every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # The worker that looks for them holds a lock. If it dies or loses its connection, the lock stays: by default for 5 minutes.
        "unacked_mutex_expire": 10,
        # Without timeouts a half-open connection hangs forever, in every pool.
        "socket_timeout": settings.redis_timeout_seconds,
        "socket_connect_timeout": settings.redis_connect_timeout_seconds,
        "socket_keepalive": True,
        # Not retry_on_timeout: with it redis-py reconnects the broadcast connection and then reads from it
        # without a timeout, on the consumer's thread. The worker then gets no message until the next broadcast.
        # A dead connection is noticed within about four of these.
        "health_check_interval": HEALTH_CHECK_INTERVAL,
        # With a fixed order, a full queue would starve the queues after it.
        "queue_order_strategy": "round_robin",
        # What workers hold, likewise: each deployment puts back its own after its own time.
        **{f"{key}_key": name_for(key, settings.key_prefix) for key in ("unacked", "unacked_index", "unacked_mutex")},
    }


def _messages(settings: Settings) -> dict[str, Any]:
    return {
        # JSON only: unpickling a message can run arbitrary code.
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        # A new task without a route goes to a queue that a worker consumes.
        "task_default_queue": queue_name(QueueName.DEFAULT, settings),
        "task_queues": task_queues(settings),
        "task_routes": task_routes(settings),
        # Under another key prefix they have other names, as the queues do: another deployment's workers on the same broker must
        # neither take our messages nor answer our questions.
        "control_exchange": control_exchange(settings),
        "event_exchange": event_exchange(settings),
        # A producer's callback may use any queue; refusing to create it would make a successful intent fail.
        "task_create_missing_queues": True,
        # A failed publish may still have worked, and the sweep publishes again: no further retries.
        "task_publish_retry": True,
        "task_publish_retry_policy": ONE_RETRY,
        # Celery's default, and it must stay: the "sent" event of the step that ends an intent has that step's name. If it
        # arrived late, Flower would show the intent under that name permanently. "received" follows at once. The sweep sends no events.
        "task_send_sent_event": False,
        # One clock for expiry times on all machines.
        "timezone": "UTC",
        "enable_utc": True,
    }


def _worker() -> dict[str, Any]:
    return {
        # The hint of a killed worker is redelivered at once instead of lost.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # False drops or hot-loops on Redis. What to retry is the ledger's decision.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # With 1, a failed ack uses up the only credit and the worker stalls permanently. Hints are tiny.
        "worker_prefetch_multiplier": 4,
        # True would kill a POST at an unknown point.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # `inspect`, `rate_limit` and `shutdown` for the operator.
        "worker_enable_remote_control": True,
        # Flower needs them.
        "worker_send_task_events": True,
        # config.logging sets up the logs, with masked secrets; Celery would replace them.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _results(settings: Settings) -> dict[str, Any]:
    results = celery_link(settings.effective_result_backend)
    return {
        # JSON only, as for messages.
        "result_serializer": "json",
        "result_accept_content": ["json"],
        # As long as the ledger keeps the intent.
        "result_expires": settings.retain_finished_days * DAY,
        "result_failure_expires": settings.retain_failed_days * DAY,
        # True would copy an intent's arguments, up to 10,000 item ids, into every one of its progress reports.
        "result_extended": False,
        # An intent has its own progress state; STARTED would only overwrite it.
        "task_track_started": False,
        # Storing a result waits no longer than publishing. The outbox retries later.
        "result_backend_transport_options": {"retry_policy": ONE_RETRY, **results.transport_options},
        "result_backend_always_retry": False,
    }
