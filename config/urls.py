"""URLs of Redis and of a broker: which ones a setting may hold, and how they look with their passwords masked."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import Secret

from feishu_batch.redis_urls import AMQP, SENTINEL, parse_sentinel

REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix", "redis+socket", SENTINEL})
BROKER_SCHEMES: Final = REDIS_SCHEMES | AMQP
_SECRET_PARAMETERS: Final = frozenset({"password", "sentinel_password", "token", "secret"})
MASK: Final = "***"


def check_url(url: str, schemes: frozenset[str]) -> None:
    """Raises ValueError, without any part of the URL, for one that cannot be used."""
    scheme = url.partition("://")[0]
    if scheme.endswith("cluster"):
        raise ValueError(
            "names a Redis Cluster, on which Celery's messages cannot live; use one primary, or sentinel://"
        )
    if scheme not in schemes:
        amqp = " or amqp://user:password@host:5672/vhost" if schemes >= AMQP else ""
        raise ValueError(
            f"has to look like redis://:password@host:6379/0{amqp}"
            " (or rediss://…, unix:///path, sentinel://host1,host2/0?master=NAME)"
        )
    if scheme == SENTINEL:
        parse_sentinel(url)
    elif ";" in url or "," in urlsplit(url).netloc.rpartition("@")[2]:
        raise ValueError("names several hosts; only sentinel://host1,host2/0?master=NAME may")


def masked_url(url: str) -> str:
    """The URL without its password: ``redis://:***@host/0``. What is no URL is masked as a whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if not parts.scheme:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        user, colon, _ = netloc.rpartition("@")[0].partition(":")
        netloc = f"{user}{colon and ':' + MASK}@{netloc.rpartition('@')[2]}"
    query = "&".join(_masked_parameter(parameter) for parameter in parts.query.split("&")) if parts.query else ""
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={MASK}" if equals and name.lower() in _SECRET_PARAMETERS else parameter


class SecretUrl(Secret[str]):
    """A URL that may hold a password: repr and str show it masked, `get_secret_value()` is for the connection only."""

    def _display(self) -> str:
        return masked_url(self._secret_value)
