"""How this worker connects to the Redis of its ledger, and how a command asks the workers."""

from celery import Celery
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.celery_options import broker_link
from config.settings import Settings
from feishu_batch import FeishuBatch
from feishu_batch.broker import PrivateApp
from feishu_batch.redis_pools import pool_of

RETRIES = 2  # every step of the ledger may be repeated; more would only hide an outage from the caller


def connect(settings: Settings) -> Redis:
    """A thread-safe client with bounded waits. Nothing is sent until its first use."""
    pool = pool_of(
        settings.effective_redis_url,
        decode_responses=True,
        encoding_errors="replace",  # of bytes that nothing of ours wrote: one damaged value must not hide the others
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_connect_timeout_seconds,
        health_check_interval=3,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES),
    )
    return Redis.from_pool(pool)  # which it closes with itself


def control_app(settings: Settings) -> Celery:
    """A Celery app that asks the workers something; it does not wait for a broker that is not there."""
    link = broker_link(settings)
    app = PrivateApp(link.url, "feishu_batch_cli")
    app.conf.update(
        broker_connection_retry=False,
        broker_connection_timeout=settings.redis_connect_timeout_seconds,
        broker_transport_options={**link.transport_options, "max_retries": 0},
        broker_use_ssl=link.ssl,
    )
    return app


def producer(settings: Settings) -> FeishuBatch:
    """What backend apps have, with our settings."""
    return FeishuBatch(
        settings.effective_redis_url,
        broker_url=settings.effective_broker_url,
        result_backend=settings.effective_result_backend,
        key_prefix=settings.key_prefix,
        timeout=settings.redis_timeout_seconds,
    )
