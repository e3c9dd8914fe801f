"""Connections that leave a wrong server, and calls that end in time.

An address may suddenly lead to another server (a DNS name, a Kubernetes Service, a managed endpoint, Sentinel) without any
connection being closed. So a connection is closed when the server answers that writes must go elsewhere, and in any case after
`LONGEST_LIFE`: a server that is no longer the primary may keep answering as if nothing had happened.
"""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from redis import Connection, SSLConnection, UnixDomainSocketConnection
from redis import exceptions as refusals
from redis.sentinel import SentinelManagedConnection

LONGEST_LIFE: Final = 5.0  # seconds
# Replies of a server that cannot write now, or no longer. Nothing was executed.
_ELSEWHERE: Final = ("UNBLOCKED", "NOREPLICAS", "MISCONF")  # besides those for which redis-py has its own error
TOO_MANY_CLIENTS: Final = "max number of clients reached"  # redis-py reports it as a lost connection

_ends_at: ContextVar[float | None] = ContextVar("feishu_batch_redis_call_ends_at", default=None)


class ElsewhereError(refusals.ConnectionError):
    """The reply of a server that does not accept writes (any more). Its connection is closed."""


class ReadOnlyElsewhereError(ElsewhereError, refusals.ReadOnlyError):
    """The reply of a replica: a `ConnectionError` for the code that reconnects, a `ReadOnlyError` for the code that explains it."""


class RefusedElsewhereError(ElsewhereError, refusals.ResponseError):
    """As above, for the other replies."""


class TlsError(refusals.ConnectionError):
    """The TLS handshake failed; the message says why."""


@contextmanager
def call_within(seconds: float) -> Iterator[None]:
    """Within the block, all waits of this thread's or greenlet's connections end in time. Blocks may be nested."""
    end = time.monotonic() + seconds
    outer = _ends_at.get()
    token = _ends_at.set(end if outer is None else min(outer, end))
    try:
        yield
    finally:
        _ends_at.reset(token)


def time_left(otherwise: float) -> float:
    """Seconds until the end of the call, at most `otherwise`; 0 if it is over."""
    end = _ends_at.get()
    return otherwise if end is None else max(0.0, min(otherwise, end - time.monotonic()))


class _Careful:
    """Mixin for redis-py's connections; must come before them in the bases."""

    _socket_timeout: float | None = None
    _socket_connect_timeout: float | None = None
    _connected_at = 0.0
    _is_untouched = True
    has_served = False  # used by an earlier call; set by the pool
    stays = False  # never closed because of its age

    def connect(self: Any) -> None:
        """Called whenever a pool provides the connection."""
        self.leave_if_old()
        super().connect()  # type: ignore[misc]

    def leave_if_old(self: Any) -> bool:
        """Call only if no reply is outstanding."""
        if self.stays or self._sock is None or time.monotonic() - self._connected_at < LONGEST_LIFE:
            return False
        self.disconnect()
        return True

    @property
    def socket_timeout(self) -> float | None:
        return _patience(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = value

    @property
    def socket_connect_timeout(self) -> float | None:
        return _patience(self._socket_connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: float | None) -> None:
        self._socket_connect_timeout = value

    def _connect(self: Any) -> Any:
        if time_left(1.0) <= 0:
            raise refusals.TimeoutError("no time left to connect")
        try:
            sock = super()._connect()  # type: ignore[misc]
        except (ssl.SSLError, FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise TlsError(_why_no_tls(error)) from None
        except TimeoutError as error:
            if "handshake" not in str(error):
                raise
            raise TlsError(
                "no answer to the TLS handshake in time; a server without TLS at this port behaves so: then write redis://"
            ) from None
        self._connected_at, self._is_untouched, self.has_served = time.monotonic(), True, False
        return _Socket(sock, self._socket_timeout)

    def send_packed_command(self: Any, command: Any, check_health: bool = True) -> None:
        with self._noting_its_age():
            super().send_packed_command(command, check_health)  # type: ignore[misc]
        self._is_untouched = False

    def can_read(self: Any, timeout: float = 0) -> bool:
        """A new TLS connection receives its session tickets at once, which a pool would mistake for a leftover reply."""
        if self._sock is not None and self._is_untouched and not timeout:
            return False
        return bool(super().can_read(timeout))  # type: ignore[misc]

    def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        with self._noting_its_age():
            try:
                return super().read_response(*arguments, **options)  # type: ignore[misc]
            except (refusals.AuthenticationError, refusals.BusyLoadingError):
                self.disconnect()
                raise
            except refusals.ResponseError as error:
                other = _as_elsewhere(error)
                if other is None:
                    raise
                self.disconnect()
                raise other from None

    @contextmanager
    def _noting_its_age(self: Any) -> Iterator[None]:
        served = self.has_served
        try:
            yield
        except (refusals.ConnectionError, refusals.TimeoutError) as error:
            vars(error)["was_used"] = served
            raise


def failed_on_a_used_one(error: Exception) -> bool:
    """Whether a reused connection failed: a new one may work."""
    return bool(vars(error).get("was_used"))


def proves_that_nothing_was_done(error: Exception) -> bool:
    """Whether the error, received instead of a reply, proves that nothing was executed."""
    is_reply = isinstance(error, refusals.ResponseError | refusals.BusyLoadingError | refusals.AuthenticationError)
    return is_reply or TOO_MANY_CLIENTS in str(error)


def _as_elsewhere(error: refusals.ResponseError) -> ElsewhereError | None:
    text = str(error)
    if isinstance(error, refusals.ReadOnlyError):
        return ReadOnlyElsewhereError(text)
    if isinstance(error, refusals.ClusterDownError):  # redis-py has removed the first word of the reply
        return RefusedElsewhereError(
            f"{'MASTERDOWN' if isinstance(error, refusals.MasterDownError) else 'CLUSTERDOWN'} {text}"
        )
    return RefusedElsewhereError(text) if text.startswith(_ELSEWHERE) else None


def _why_no_tls(error: OSError) -> str:
    """Without the names of Python's source files that OpenSSL's messages contain."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate was rejected: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        if reason in ("wrong version number", "record layer failure", "packet length too long", "http request"):
            return "it does not speak TLS at this port: write redis:// instead of rediss://, or name its TLS port"
        if "certificate required" in reason or "handshake failure" in reason:
            return f"TLS failed: {reason}; it may require a client certificate (ssl_certfile, ssl_keyfile)"
        return f"TLS failed: {reason or error.args[-1]}"
    return f"a file for TLS cannot be read: {error.strerror}"


def _patience(seconds: float | None) -> float | None:
    # Not 0, which would mean a non-blocking call with other errors.
    return None if seconds is None else max(0.001, time_left(seconds))


class _Socket:
    """Each wait ends with the call, even if a log-in or an answer arrives byte by byte."""

    def __init__(self, sock: Any, timeout: float | None) -> None:
        self._sock = sock
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def fileno(self) -> int:
        return int(self._sock.fileno())

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._sock.settimeout(timeout)

    def recv_into(self, *arguments: Any) -> Any:
        self._wait_in_time()
        return self._sock.recv_into(*arguments)

    def recv(self, *arguments: Any) -> Any:
        self._wait_in_time()
        return self._sock.recv(*arguments)

    def sendall(self, data: Any) -> None:
        left = memoryview(data).cast("B")
        while left:
            self._wait_in_time()
            left = left[self._sock.send(left) :]

    def _wait_in_time(self) -> None:
        if not self._timeout:
            return  # non-blocking
        left = time_left(self._timeout)
        if left <= 0:
            raise TimeoutError("the call is over")
        self._sock.settimeout(left)


class TcpConnection(_Careful, Connection):
    pass


class TlsConnection(_Careful, SSLConnection):
    pass


class UnixConnection(_Careful, UnixDomainSocketConnection):
    pass


class MasterConnection(_Careful, SentinelManagedConnection):
    """To the master that the sentinels name."""


class MasterTlsConnection(_Careful, SentinelManagedConnection, SSLConnection):
    pass
