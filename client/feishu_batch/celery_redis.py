"""Redis as Celery uses it, for messages and for results, with the connections of `redis_connections`.

kombu and Celery choose the classes of their connections; this module gives them ours, and two options that their URLs cannot
express: a password in a file, and all sentinels.
"""

import time
from queue import Empty
from typing import Any, Final

from celery import Celery
from celery.backends.redis import RedisBackend
from celery.backends.redis import SentinelBackend as CelerysSentinelBackend
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombus_redis
from redis import Connection, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelManagedConnection

from feishu_batch import redis_connections as kinds
from feishu_batch.password_file import FilePassword
from feishu_batch.redis_connections import ElsewhereError
from feishu_batch.redis_pools import sentinel_pool

kombus: Any = kombus_redis  # hardly typed

BACKENDS: Final = {
    "redis": f"{__name__}:Backend",
    "rediss": f"{__name__}:Backend",
    "sentinel": f"{__name__}:SentinelBackend",
}
TRANSPORTS: Final = {
    "redis": f"{__name__}:Transport",
    "rediss": f"{__name__}:Transport",
    "sentinel": f"{__name__}:SentinelTransport",
}
UNIX_TRANSPORT: Final = f"{__name__}:UnixTransport"
SENTINEL_OPTIONS: Final = ("sentinels", "sentinel_kwargs", "sentinel_password_file")
CLOCK_SET: Final = (
    10.0  # seconds by which a moment lies in the future, and more: a clock was set; machines may differ by less
)
PAUSE: Final = 0.2  # seconds before the wrong server is tried again


def use_for_results(app: Celery) -> None:
    """For this app only: the process may have other Celery apps, which are not ours."""
    app.loader.override_backends = {**app.loader.override_backends, **BACKENDS}


def use_for_messages() -> None:
    """For the whole process, which therefore must be one of ours: kombu selects transports by the scheme of a URL."""
    TRANSPORT_ALIASES.update(TRANSPORTS)


def transport_for(url: str) -> str | None:
    """The transport for a broker connection in a process that is not ours. None: kombu's own."""
    return TRANSPORTS.get(url.partition("://")[0])


def _with_login(parameters: dict[str, Any], password_file: str | None) -> dict[str, Any]:
    if not password_file:
        return parameters
    user = parameters.get("username") or ""
    rest = {name: value for name, value in parameters.items() if name not in ("username", "password")}
    return {**rest, "credential_provider": FilePassword(password_file, user)}


class QoS(kombus.QoS):
    """Messages delivered to workers, each with the time of its delivery, by the worker's clock."""

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        """Redelivers old messages of dead workers; after a clock was set back, messages with a time in the future too."""
        if self._vrestore_count % (interval or 1) == 0:  # as kombu counts: it looks every so many times
            with self.channel.conn_or_acquire() as client:
                now = time.time()
                index = self.unacked_index_key
                ahead = client.zrange(
                    index, now + CLOCK_SET, "+inf", byscore=True, offset=num and 0, num=num
                )  # as kombu asks
                if ahead:
                    client.zadd(index, dict.fromkeys(ahead, now), xx=True)
        super().restore_visible(start, num, interval)


class _Leaving:
    """Mixin for kombu's channels; must come before them in the bases."""

    QoS = QoS
    password_file: str | None = None

    def _connparams(self: Any, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return _with_login(parameters, self.password_file)

    def _brpop_read(self: Any, **options: Any) -> Any:
        """Any error may close the connection: the next round of the worker's loop opens it again."""
        connection = self.client.connection
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except ElsewhereError:
            time.sleep(PAUSE)
            raise Empty from None
        finally:
            if connection is not None:
                connection.leave_if_old()

    def keep_broadcasts(self: Any) -> None:
        """redis-py connects before each read of a subscription: replacing an old connection there would lose a message.

        A replica forwards what its primary publishes, so this connection may stay.
        """
        connection = getattr(self.__dict__.get("subclient"), "connection", None)  # kombu creates it at its first use
        if connection is not None:
            connection.stays = True


class Poller(kombus.MultiChannelPoller):
    def on_poll_start(self) -> None:
        super().on_poll_start()
        for channel in self._channels:
            channel.keep_broadcasts()


class Channel(_Leaving, kombus.Channel):
    connection_class = kinds.TcpConnection
    connection_class_ssl = kinds.TlsConnection
    from_transport_options = (*kombus.Channel.from_transport_options, "password_file")


class Transport(kombus.Transport):
    Channel = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cycle = Poller()


class UnixTransport(Transport):
    """For a URL like socket:///path, which the channel parses."""

    can_parse_url = True


class SentinelChannel(_Leaving, kombus.SentinelChannel):
    connection_class = kinds.MasterConnection
    connection_class_ssl = kinds.MasterTlsConnection
    from_transport_options = (*kombus.SentinelChannel.from_transport_options, "password_file", *SENTINEL_OPTIONS)
    sentinels: Any = ()
    sentinel_password_file: str | None = None

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        options = {name: getattr(self, name) for name in ("master_name", *SENTINEL_OPTIONS)}
        pool = sentinel_pool(self._connparams(asynchronous), options, self.connection.client.ssl or None)
        # kombu closes them together with the pool
        name = "_async_sentinel_manager" if asynchronous else "_sentinel_manager"
        setattr(self, name, pool.sentinel_manager)
        return pool


class SentinelTransport(kombus.SentinelTransport):
    Channel = SentinelChannel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cycle = Poller()


class _Backend:
    """Mixin for Celery's backends; must come before them in the bases."""

    def _params_from_url(self: Any, url: str, defaults: Any) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._params_from_url(url, defaults)  # type: ignore[misc]
        kind = parameters.get("connection_class", self.plain_kind)
        return _with_login(
            {**parameters, "connection_class": self.kinds.get(kind, kind)}, self._transport_options.get("password_file")
        )


class Backend(_Backend, RedisBackend):
    plain_kind = Connection
    kinds: Final = {
        Connection: kinds.TcpConnection,
        SSLConnection: kinds.TlsConnection,
        UnixDomainSocketConnection: kinds.UnixConnection,
    }


class SentinelBackend(_Backend, CelerysSentinelBackend):
    plain_kind = SentinelManagedConnection
    kinds: Final = {
        SentinelManagedConnection: kinds.MasterConnection,
        CelerysSentinelBackend.connection_class_ssl: kinds.MasterTlsConnection,
    }

    def _get_pool(self, **parameters: Any) -> Any:
        return sentinel_pool(parameters, self._transport_options, self.app.conf.redis_backend_use_ssl or None)
