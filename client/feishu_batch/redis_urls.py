"""One spelling of a server's URL for everybody: redis-py, Celery and kombu each want another one.

    redis://user:password@host:6379/0                   rediss://… with TLS; ?ssl_ca_certs=/path names whom to trust
    unix:///run/redis.sock?db=0
    sentinel://user:password@host1:26379,host2:26379/0?master=NAME
        &sentinel_username=…&sentinel_password=…        for the sentinels themselves
        &tls=true&ssl_ca_certs=/path                    TLS to the sentinels and to the server
    amqp://user:password@host:5672/vhost                RabbitMQ, for messages only; amqps://… with TLS, ssl_ca_certs as above

No error of this module repeats a URL: it may hold a password.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

SENTINEL: Final = "sentinel"
AMQP: Final = frozenset({"amqp", "amqps"})
REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix", "redis+socket", SENTINEL})
BROKER_SCHEMES: Final = REDIS_SCHEMES | AMQP | {"memory"}  # the last is Celery's own, for an app's tests
SENTINEL_PORT: Final = 26379
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_PARAMETERS: Final = frozenset({"master", "sentinel_username", "sentinel_password", "tls", *_TLS_FILES})
_EXAMPLE: Final = "write it like sentinel://:password@host1:26379,host2:26379/0?master=NAME"


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    hosts: tuple[tuple[str, int], ...]
    master: str
    db: int
    login: Mapping[str, str] = field(repr=False)  # username and password of the server, where given
    sentinel_login: Mapping[str, str] = field(repr=False)  # of the sentinels
    tls: Mapping[str, str] | None  # redis-py's names of the files; None: no TLS

    def sentinel_options(self, timeout: float, connect_timeout: float) -> dict[str, Any]:
        """Keyword arguments of a connection to a sentinel. It is tried once: the next one may know as well."""
        tls = {} if self.tls is None else {"ssl": True, **self.tls}
        waits = {"socket_timeout": timeout, "socket_connect_timeout": connect_timeout}
        return {**waits, "retry": Retry(NoBackoff(), 0), **self.sentinel_login, **tls}


@dataclass(frozen=True, slots=True)
class CeleryLink:
    """A URL in Celery's spelling, and what has no place in it."""

    url: str = field(repr=False)
    transport_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ssl: Mapping[str, Any] | None = None


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


def parse_sentinel(url: str) -> SentinelUrl:
    """Raises ValueError with a sentence that says what is missing."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if unknown := sorted(query.keys() - _SENTINEL_PARAMETERS):
        raise ValueError(f"a sentinel URL has no parameter {unknown[0]!r}; {_EXAMPLE}")
    login, _, hosts = parts.netloc.rpartition("@")
    database = parts.path.strip("/") or "0"
    if not query.get("master") or not hosts or not database.isdigit():
        raise ValueError(f"a sentinel URL names its hosts, a database number and master=NAME; {_EXAMPLE}")
    user, _, password = login.partition(":")
    names = {"username": unquote(user), "password": unquote(password)}
    own = {"username": query.get("sentinel_username", ""), "password": query.get("sentinel_password", "")}
    return SentinelUrl(
        hosts=tuple(_address(host) for host in hosts.split(",")),
        master=query["master"],
        db=int(database),
        login={name: value for name, value in names.items() if value},
        sentinel_login={name: value for name, value in own.items() if value},
        tls={name: query[name] for name in _TLS_FILES if name in query} if _is_true(query.get("tls")) else None,
    )


def pool_of(url: str, *, socket_timeout: float, socket_connect_timeout: float, **options: Any) -> ConnectionPool:
    """redis-py's connections to the server that the URL means; with Sentinel, to whichever is the master at the moment.

    Raises ValueError for what is no such URL.
    """
    waits = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_connect_timeout}
    if urlsplit(url).scheme != SENTINEL:
        return ConnectionPool.from_url(url_for_redis(url), **waits, **options)
    where = parse_sentinel(url)
    tls = {} if where.tls is None else {"ssl": True, **where.tls}
    sentinel_class: Any = Sentinel  # redis-py has no types for it
    sentinel = sentinel_class(
        where.hosts,
        sentinel_kwargs=where.sentinel_options(socket_timeout, socket_connect_timeout),
    )
    client = sentinel.master_for(where.master, db=where.db, **where.login, **tls, **waits, **options)
    pool: ConnectionPool = client.connection_pool
    return pool


def celery_link(url: str, *, timeout: float, connect_timeout: float) -> CeleryLink:
    """For a broker or a result backend. Raises ValueError as `parse_sentinel` does."""
    parts = urlsplit(url)
    if parts.scheme == SENTINEL:
        return _sentinel_link(parse_sentinel(url), timeout, connect_timeout)
    if parts.scheme == "rediss" and "ssl_cert_reqs=" not in parts.query:
        # Without the word Celery refuses the URL and kombu does not look at the certificate.
        return CeleryLink(f"{url}{'&' if parts.query else '?'}ssl_cert_reqs=required")
    if parts.scheme == "amqps":
        return _amqps_link(parts)
    return CeleryLink(url_for_celery(url))


def _sentinel_link(where: SentinelUrl, timeout: float, connect_timeout: float) -> CeleryLink:
    login = f"{quote(where.login.get('username', ''), safe='')}:{quote(where.login.get('password', ''), safe='')}@"
    urls = [f"sentinel://{login if where.login else ''}{host}:{port}/{where.db}" for host, port in where.hosts]
    options = {"master_name": where.master, "sentinel_kwargs": where.sentinel_options(timeout, connect_timeout)}
    tls = None if where.tls is None else {"ssl_cert_reqs": "required", **where.tls}
    return CeleryLink(";".join(urls), options, tls)


def _amqps_link(parts: SplitResult) -> CeleryLink:
    """Without the name of the server py-amqp accepts anybody's valid certificate."""
    query = dict(parse_qsl(parts.query))
    files = {name.removeprefix("ssl_"): query.pop(name) for name in _TLS_FILES if name in query}
    rest = parts._replace(query=urlencode(query)).geturl()
    return CeleryLink(rest, ssl={"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname, **files})


def url_for_celery(url: str) -> str:
    """``unix:///run/r.sock?db=1`` (redis-py) as Celery and kombu spell it; every other URL as it is."""
    parts = urlsplit(url)
    return _respelled(parts, "redis+socket", {"db": "virtual_host"}) if parts.scheme == "unix" else url


def url_for_redis(url: str) -> str:
    """``redis+socket:///run/r.sock?virtual_host=1`` (Celery) as redis-py spells it; every other URL as it is."""
    parts = urlsplit(url)
    return _respelled(parts, "unix", {"virtual_host": "db"}) if parts.scheme == "redis+socket" else url


def _respelled(parts: SplitResult, scheme: str, renamed: Mapping[str, str]) -> str:
    query = urlencode([(renamed.get(name, name), value) for name, value in parse_qsl(parts.query)])
    # Not urlunsplit: it drops the empty host of a scheme that it does not know, and with it two slashes.
    return f"{scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":") if ":" in text else (text.strip(), "", str(SENTINEL_PORT))
    if not host or not port.isdigit():
        raise ValueError(f"a sentinel URL separates its hosts by commas; {_EXAMPLE}")
    return host, int(port)


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in {"1", "true", "yes"}
