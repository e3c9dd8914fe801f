"""Sockets with one deadline for the whole exchange, which record whether bytes were sent.

An HTTP library's timeouts are per read and per write, so a server that sends a byte a second never times out. And it
does not report whether the request had been sent when a connection broke. Both are known in this module.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

CONNECT_SHARE = 1 / 3  # of the time, per address: the rest is for the second address of a host
TUNNEL_SHARE = 2 / 3  # of the time, for reaching a proxy and until the proxy has reached the host


class WithheldError(Exception):
    """Raised instead of sending the first byte. Not an OSError or an httpcore error, which httpcore would swallow."""


class ExchangeWatch(threading.local):
    """One exchange of this thread. Several threads may use a connection in turn, so it uses the watch of its thread."""

    deadline = 0.0
    sent_at: float | None = None
    broke_off = False
    may_leave: Callable[[], bool] | None = None

    def start(self, timeout: float, may_leave: Callable[[], bool] | None = None) -> None:
        """`may_leave` is called after connecting, right before the first byte; its time does not count."""
        self.deadline = time.monotonic() + timeout
        self.sent_at = None
        self.broke_off = False
        self.may_leave = may_leave

    @property
    def remaining(self) -> float:
        return self.deadline - time.monotonic()

    def leave(self) -> None:
        """Called before the first byte. Raises WithheldError if it must not be sent any more."""
        asked_at = time.monotonic()
        if self.may_leave is not None and not self.may_leave():
            raise WithheldError
        self.sent_at = time.monotonic()
        self.deadline += self.sent_at - asked_at

    @property
    def may_have_arrived(self) -> bool:
        """False is proof: no byte was sent, or the last write failed, so the server never got the whole request."""
        return self.sent_at is not None and not self.broke_off


class WatchedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, watch: ExchangeWatch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - ours is the total
        left = self._watch.remaining
        if left <= 0:
            raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - ours is the total
        if not buffer:
            return
        left = self._watch.remaining
        if left <= 0:
            self._watch.broke_off = True
            raise httpcore.WriteTimeout
        if self._watch.sent_at is None:
            self._watch.leave()
        try:
            self._stream.write(buffer, left)
        except Exception:
            self._watch.broke_off = True
            raise

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _at_most(timeout, self._watch.remaining))
        return WatchedStream(stream, self._watch)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class WatchedBackend(httpcore.SyncBackend):
    """`tunnel`: opens the connections, if given. The tunnel is complete before the first byte counts as sent."""

    def __init__(self, watch: ExchangeWatch, tunnel: httpcore.NetworkBackend | None = None) -> None:
        self._watch = watch
        self._tunnel = tunnel

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        share = _at_most(timeout, self._watch.remaining * (TUNNEL_SHARE if self._tunnel else CONNECT_SHARE))
        connect = self._tunnel.connect_tcp if self._tunnel else super().connect_tcp
        return WatchedStream(connect(host, port, share, local_address, socket_options), self._watch)


def _at_most(timeout: float | None, left: float) -> float:
    if left <= 0:
        raise httpcore.ConnectTimeout
    return left if timeout is None else min(timeout, left)
