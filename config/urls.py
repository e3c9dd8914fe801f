"""Redis URLs: masked for the eye, and translated between redis-py's and Celery's spelling of Unix sockets."""

from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit
from urllib.parse import parse_qsl as parse_query

from pydantic import Secret

REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix", "redis+socket"})
_SECRET_PARAMETERS: Final = frozenset({"password", "token", "secret"})
MASK: Final = "***"


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


def url_for_celery(url: str) -> str:
    """``unix:///run/r.sock?db=1`` (redis-py) as Celery and kombu spell it; every other URL as it is."""
    parts = urlsplit(url)
    return _respelled(parts, "redis+socket", {"db": "virtual_host"}) if parts.scheme == "unix" else url


def url_for_redis(url: str) -> str:
    """``redis+socket:///run/r.sock?virtual_host=1`` (Celery) as redis-py spells it; every other URL as it is."""
    parts = urlsplit(url)
    return _respelled(parts, "unix", {"virtual_host": "db"}) if parts.scheme == "redis+socket" else url


def _respelled(parts: SplitResult, scheme: str, renamed: dict[str, str]) -> str:
    query = urlencode([(renamed.get(name, name), value) for name, value in parse_query(parts.query)])
    # Not urlunsplit: it drops the empty host of a scheme that it does not know, and with it two slashes.
    return f"{scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
