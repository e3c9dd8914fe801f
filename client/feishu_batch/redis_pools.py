"""Connection pools for a server URL, for redis-py; and the same URL in the spelling of Celery and kombu."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import quote, urlencode

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import MaxConnectionsError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from feishu_batch import redis_connections as kinds
from feishu_batch.password_file import FilePassword
from feishu_batch.redis_connections import time_left
from feishu_batch.redis_urls import AMQP, SENTINEL, TLS_FILES, ServerUrl, host_and_port, parse_url

MOST_CONNECTIONS: Final = 32  # of one producer; further callers wait for one of them
_KINDS: Final[Mapping[str, Any]] = {
    "redis": kinds.TcpConnection,
    "rediss": kinds.TlsConnection,
    "unix": kinds.UnixConnection,
    SENTINEL: kinds.MasterConnection,
    f"{SENTINEL} with TLS": kinds.MasterTlsConnection,
}


class _Waiting:
    """Mixin for redis-py's pools, before them in the bases: waits for a connection, where theirs would refuse the caller."""

    def __init__(self: Any, *arguments: Any, patience: float, **options: Any) -> None:
        self._places = BoundedSemaphore(MOST_CONNECTIONS)
        self._patience = patience
        super().__init__(*arguments, max_connections=MOST_CONNECTIONS, **options)  # type: ignore[call-arg]

    def get_connection(self: Any, *arguments: Any, **options: Any) -> Any:
        if not self._places.acquire(timeout=time_left(self._patience)):
            raise MaxConnectionsError(f"all {MOST_CONNECTIONS} connections are in use")
        try:
            connection = super().get_connection(*arguments, **options)  # type: ignore[misc]
        except BaseException:
            self._places.release()
            raise
        connection.holds_a_place = True
        return connection

    def release(self: Any, connection: Any) -> None:
        holds, connection.holds_a_place = getattr(connection, "holds_a_place", False), False
        connection.has_served = connection.is_connected
        try:
            super().release(connection)  # type: ignore[misc]
        finally:
            if holds:
                self._places.release()


class WaitingPool(_Waiting, ConnectionPool):
    pass


class WaitingSentinelPool(_Waiting, SentinelConnectionPool):
    pass


def pool_of(url: str, *, socket_timeout: float, socket_connect_timeout: float, **options: Any) -> ConnectionPool:
    """redis-py's connections to the server of the URL; with Sentinel, to the present master.

    Raises ValueError if the URL is not valid.
    """
    waits = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_connect_timeout}
    return _pool(parse_url(url), (ConnectionPool, SentinelConnectionPool), {**waits, **options})


def producer_pool(url: str, *, timeout: float, **options: Any) -> ConnectionPool:
    """The same for a producer: respects `call_within`, and waits for a connection if all are in use."""
    waits = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "patience": 2 * timeout}
    return _pool(parse_url(url), (WaitingPool, WaitingSentinelPool), {**waits, **options})


def _pool(where: ServerUrl, pools: tuple[Any, Any], options: Mapping[str, Any]) -> ConnectionPool:
    own = {"db": where.db, **login_of(where), **(where.tls or {}), **options}
    pool: ConnectionPool
    if where.scheme == SENTINEL:
        kind = _KINDS[SENTINEL if where.tls is None else f"{SENTINEL} with TLS"]
        pool = pools[1](where.master, sentinel_of(where, options), connection_class=kind, **own)
    elif where.scheme == "unix":
        del own["socket_connect_timeout"]
        pool = pools[0](connection_class=_KINDS["unix"], path=where.path, **own)
    elif where.scheme in _KINDS:
        [(host, port)] = where.hosts
        pool = pools[0](connection_class=_KINDS[where.scheme], host=host, port=port, **own)
    else:
        raise ValueError("must look like redis://:password@host:6379/0")
    return pool


def login_of(where: ServerUrl) -> dict[str, Any]:
    if where.password_file:
        return {"credential_provider": FilePassword(where.password_file, where.login.get("username", ""))}
    return dict(where.login)


def sentinel_of(where: ServerUrl, options: Mapping[str, Any]) -> Any:
    """Tries each sentinel once, since the next one may answer."""
    kind = _KINDS["redis" if where.tls is None else "rediss"]
    own = {**sentinel_login(where), **(where.tls or {}), "retry": Retry(NoBackoff(), 0)}
    own |= {name: options[name] for name in ("socket_timeout", "socket_connect_timeout") if name in options}
    sentinel_class: Any = Sentinel  # redis-py has no types for it
    sentinel = sentinel_class([])
    sentinel.sentinels = [
        Redis.from_pool(ConnectionPool(connection_class=kind, host=host, port=port, **own))
        for host, port in where.hosts
    ]
    return sentinel


def sentinel_login(where: ServerUrl) -> dict[str, Any]:
    if where.sentinel_password_file:
        user = where.sentinel_login.get("username", "")
        return {"credential_provider": FilePassword(where.sentinel_password_file, user)}
    return dict(where.sentinel_login)


# --- Celery and kombu -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CeleryLink:
    """A URL in Celery's spelling, and the options that it cannot express, which `feishu_batch.celery_redis` reads."""

    url: str = field(repr=False)
    transport_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ssl: Mapping[str, Any] | None = None


def celery_link(url: str) -> CeleryLink:
    """For a broker or a result backend. Raises ValueError as `parse_url` does."""
    where = parse_url(url)
    if where.scheme == "memory":
        return CeleryLink(url)
    if where.scheme in AMQP:
        return _amqp_link(where)
    options: dict[str, Any] = {"password_file": where.password_file} if where.password_file else {}
    if where.scheme == SENTINEL:
        return _sentinel_link(where, options)
    return CeleryLink(_celery_url(where), options)


def _celery_url(where: ServerUrl) -> str:
    if where.scheme == "unix":  # kombu and Celery expect the database in the query
        database = f"?virtual_host={where.db}" if where.db else ""
        return f"redis+socket://{_userinfo(where.login)}{quote(where.path)}{database}"
    query = f"?{urlencode({name: str(value) for name, value in where.tls.items()})}" if where.tls else ""
    return f"{where.scheme}://{_userinfo(where.login)}{host_and_port(*where.hosts[0])}/{where.db}{query}"


def _sentinel_link(where: ServerUrl, options: dict[str, Any]) -> CeleryLink:
    """One sentinel in the URL, for its form; all of them are in the options."""
    tls = None if where.tls is None else dict(where.tls)
    options |= {
        "master_name": where.master,
        "sentinels": [list(host) for host in where.hosts],
        "sentinel_kwargs": dict(where.sentinel_login),
        "sentinel_password_file": where.sentinel_password_file,
    }
    return CeleryLink(_celery_url(replace(where, tls=None)), options, tls)


def sentinel_pool(parameters: Mapping[str, Any], options: Mapping[str, Any], tls: Mapping[str, Any] | None) -> Any:
    """A pool from what kombu and Celery know of a server behind Sentinel: keyword arguments of a connection, and the options of
    `celery_link`. A `connection_class` among the parameters is kept.
    """
    where = ServerUrl(
        scheme=SENTINEL,
        hosts=tuple((host, port) for host, port in options["sentinels"]),
        master=options["master_name"],
        tls=tls,
        sentinel_login=options["sentinel_kwargs"],
        sentinel_password_file=options["sentinel_password_file"],
    )
    own = {name: value for name, value in parameters.items() if name not in ("host", "port", "hosts")}
    pool_class: Any = SentinelConnectionPool  # redis-py has no types for it
    return pool_class(where.master, sentinel_of(where, parameters), **own)


def _amqp_link(where: ServerUrl) -> CeleryLink:
    """With the name of the server: without it, py-amqp accepts a valid certificate of any host."""
    [(host, port)] = where.hosts
    url = f"{where.scheme}://{_userinfo(where.login)}{host_and_port(host, port)}{where.path}"
    if where.tls is None:
        return CeleryLink(url)
    files = {name.removeprefix("ssl_"): where.tls[name] for name in TLS_FILES if name in where.tls}
    return CeleryLink(url, ssl={"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host, **files})


def _userinfo(login: Mapping[str, str]) -> str:
    if not login:
        return ""
    user, password = quote(login.get("username", ""), safe=""), quote(login.get("password", ""), safe="")
    return f"{user}:{password}@" if password else f"{user}@"
