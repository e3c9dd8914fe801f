"""Connections to the remote system through an HTTP proxy: a tunnel (CONNECT).

Inside the tunnel everything works as without a proxy, so deadlines, pacing and the evidence of sent bytes are unchanged:
the bytes for the proxy are not part of a request.
"""

import base64
import ssl
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import h11
import httpcore

from config.proxy import Proxy

_LARGEST_READ: Final = 64 * 1024  # bytes
_TIME_SHARE: Final = 1 / 2  # of the time, for reaching the proxy; the rest is for the proxy to reach the remote system


class TunnelBackend(httpcore.SyncBackend):
    """Connections to the requested host. Raises httpcore's ConnectError, ConnectTimeout and ProxyError."""

    def __init__(self, proxy: Proxy, ssl_context: ssl.SSLContext) -> None:
        self._proxy = proxy
        self._ssl_context = ssl_context

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """`timeout`: seconds for the whole tunnel."""
        until = time.monotonic() + (timeout or 0.0)
        share = (timeout or 0.0) * _TIME_SHARE
        stream = super().connect_tcp(self._proxy.host, self._proxy.port, share, local_address, socket_options)
        try:
            if self._proxy.is_tls:
                stream = stream.start_tls(self._ssl_context, self._proxy.host, _left(until))
            self._open_tunnel(stream, host, port, until)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            stream.close()
            raise _failed(error) from None
        except httpcore.ProxyError:
            stream.close()
            raise
        return stream

    def _open_tunnel(self, stream: httpcore.NetworkStream, host: str, port: int, until: float) -> None:
        connection = h11.Connection(h11.CLIENT)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers = [("Host", authority), *self._authorization()]
        stream.write(connection.send(h11.Request(method="CONNECT", target=authority, headers=headers)), _left(until))
        status = _status(connection, stream, until)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise httpcore.ProxyError(_refusal(status))

    def _authorization(self) -> list[tuple[str, str]]:
        if self._proxy.credentials is None:
            return []
        token = base64.b64encode(self._proxy.credentials.get_secret_value().encode()).decode()
        return [("Proxy-Authorization", f"Basic {token}")]


def _status(connection: h11.Connection, stream: httpcore.NetworkStream, until: float) -> int:
    """The status of the proxy's answer. No bytes follow its head until we send some into the tunnel."""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            raise httpcore.RemoteProtocolError("the proxy's answer is not HTTP") from None
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            data = stream.read(_LARGEST_READ, _left(until))
            if not data:
                raise httpcore.RemoteProtocolError("the proxy closed the connection")
            connection.receive_data(data)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ConnectTimeout
    return left


def _failed(error: Exception) -> Exception:
    if isinstance(error, httpcore.TimeoutException):
        return httpcore.ConnectTimeout("the proxy did not open a tunnel in time")
    return httpcore.ConnectError(f"the proxy did not open a tunnel: {error or type(error).__name__}")


def _refusal(status: int) -> str:
    """From the number only: the text of a proxy may quote what was sent to it."""
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy requires a user name and a password, or refused those of FEISHU_BATCH_PROXY_URL (HTTP 407)"
    try:
        return f"the proxy refused the tunnel (HTTP {status} {HTTPStatus(status).phrase})"
    except ValueError:
        return f"the proxy refused the tunnel (HTTP {status})"
