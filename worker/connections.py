"""How this worker connects to the Redis of its ledger."""

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.settings import Settings

RETRIES = 2  # every step of the ledger may be repeated; more would only hide an outage from the caller


def connect(settings: Settings) -> Redis:
    """A thread-safe client with bounded waits. Nothing is sent until its first use."""
    return Redis.from_url(
        settings.effective_redis_url,
        decode_responses=True,
        encoding_errors="replace",  # of bytes that nothing of ours wrote: one damaged value must not hide the others
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_connect_timeout_seconds,
        health_check_interval=3,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES),
    )
