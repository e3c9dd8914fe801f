"""Connections that do not stay with the wrong server, and calls that end in time.

An address may lead to another server from one moment to the next (a DNS name, a Kubernetes Service, a managed endpoint, Sentinel)
without any connection being closed. So a connection is given up when the server says that it is not the one to write to,
and in any case when it has become `LONGEST_LIFE` old: a server that was left behind may go on answering as if nothing had happened.
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
# Replies that say: what you want is somewhere else, or not here at the moment. Nothing was executed.
_ELSEWHERE: Final = ("UNBLOCKED", "NOREPLICAS", "MISCONF")  # besides those for which redis-py has an error of its own
TOO_MANY_CLIENTS: Final = "max number of clients reached"  # what redis-py takes for a lost connection

_ends_at: ContextVar[float | None] = ContextVar("feishu_batch_redis_call_ends_at", default=None)


class ElsewhereError(refusals.ConnectionError):
    """The reply of a server that is not, or no longer, the one to write to. Its connection is closed."""


class ReadOnlyElsewhereError(ElsewhereError, refusals.ReadOnlyError):
    """Of a replica. A `ConnectionError` to those who connect again, and still what it was to those who explain it."""


class RefusedElsewhereError(ElsewhereError, refusals.ResponseError):
    """As above, of the other replies."""


class TlsError(refusals.ConnectionError):
    """TLS could not be agreed upon; the text says why."""


@contextmanager
def call_within(seconds: float) -> Iterator[None]:
    """All connections that this thread or greenlet uses in the block end their waits in time. Blocks may be nested."""
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
    """Mixed into redis-py's connections, before them."""

    _socket_timeout: float | None = None
    _socket_connect_timeout: float | None = None
    _connected_at = 0.0
    _is_untouched = True
    has_served = False  # an earlier call; set by the pool
    stays = False  # however old it is

    def connect(self: Any) -> None:
        """Called whenever a pool hands the connection out."""
        self.leave_if_old()
        super().connect()  # type: ignore[misc]

    def leave_if_old(self: Any) -> bool:
        """Only where no reply is outstanding."""
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
                "nothing answered the handshake in time; a server without TLS at this port does that: write redis:// for it"
            ) from None
        self._connected_at, self._is_untouched, self.has_served = time.monotonic(), True, False
        return _Socket(sock, self._socket_timeout)

    def send_packed_command(self: Any, command: Any, check_health: bool = True) -> None:
        with self._noting_its_age():
            super().send_packed_command(command, check_health)  # type: ignore[misc]
        self._is_untouched = False

    def can_read(self: Any, timeout: float = 0) -> bool:
        """Over TLS a new connection has something to read at once, its session tickets; a pool would take it for a leftover reply."""
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
    """Whether a connection of earlier calls failed: another one may do."""
    return bool(vars(error).get("was_used"))


def proves_that_nothing_was_done(error: Exception) -> bool:
    """Of an error that came in place of a reply."""
    is_reply = isinstance(error, refusals.ResponseError | refusals.BusyLoadingError | refusals.AuthenticationError)
    return is_reply or TOO_MANY_CLIENTS in str(error)


def _as_elsewhere(error: refusals.ResponseError) -> ElsewhereError | None:
    text = str(error)
    if isinstance(error, refusals.ReadOnlyError):
        return ReadOnlyElsewhereError(text)
    if isinstance(error, refusals.ClusterDownError):  # redis-py has taken the word away that the reply began with
        return RefusedElsewhereError(
            f"{'MASTERDOWN' if isinstance(error, refusals.MasterDownError) else 'CLUSTERDOWN'} {text}"
        )
    return RefusedElsewhereError(text) if text.startswith(_ELSEWHERE) else None


def _why_no_tls(error: OSError) -> str:
    """Without the file names of Python's own source that OpenSSL's texts carry."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        if reason in ("wrong version number", "record layer failure", "packet length too long", "http request"):
            return "it does not speak TLS at this port: write redis:// instead of rediss://, or name its TLS port"
        if "certificate required" in reason or "handshake failure" in reason:
            return f"TLS failed: {reason}; it may ask for a certificate of ours (ssl_certfile, ssl_keyfile)"
        return f"TLS failed: {reason or error.args[-1]}"
    return f"a file for TLS cannot be read: {error.strerror}"


def _patience(seconds: float | None) -> float | None:
    # Not 0, which would mean not to wait at all, with other errors.
    return None if seconds is None else max(0.001, time_left(seconds))


class _Socket:
    """Each of its waits ends with the call: also where a log-in or an answer comes byte by byte."""

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
            return  # asked not to wait
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
