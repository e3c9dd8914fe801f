"""The one module with network access: HTTP in, answers or `NotExecuted` / `OutcomeUnknown` out. No other module uses the HTTP library."""

import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpcore
import httpx

from config.proxy import Proxy
from worker.remote.errors import NotExecuted, OutcomeUnknown, RemoteError, Withheld
from worker.remote.models import Exchange
from worker.remote.proxy import TunnelBackend
from worker.remote.retry_after import retry_after
from worker.remote.wire import ExchangeWatch, WatchedBackend, WithheldError

KEEPALIVE_EXPIRY = 4.0  # seconds; less than the 5 s after which common servers close an idle connection
# More than the senders of a lane in one process: one that waited for a connection would send after its slot.
MOST_CONNECTIONS = 40
LARGEST_BODY = 8 * 1024 * 1024  # bytes
FOREIGN_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    OSError,
    ValueError,  # a header that cannot be encoded, an invalid host name
)


class BodyTooLargeError(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    log_id: str
    exchange: Exchange
    retry_after: float = 0.0  # seconds; the delay that the answer requests


class HttpTransport:
    """Warm HTTP/1.1 connections to one host; usable from several threads.

    `timeout`: seconds for the whole exchange, from connecting to the last byte of the body. Only the system's name look-up is not
    included; after a slow one nothing is sent. `verify`: True, False or the path of a CA bundle. `proxy`: used for all
    connections. `ignored_proxy`: the name of an environment variable that sets a proxy for other programs; errors
    mention it. Raises ValueError for a URL that would send credentials unencrypted.
    """

    def __init__(
        self,
        base_url: str,
        timeout: float,
        verify: bool | str = True,
        *,
        proxy: Proxy | None = None,
        ignored_proxy: str | None = None,
    ) -> None:
        self._base_url = _checked(base_url)
        self._timeout = timeout
        self._watch = ExchangeWatch()
        self._way = _Way(proxy, ignored_proxy)
        self._client = httpx.Client(
            transport=_WatchedTransport(_ssl_context(verify), self._watch, proxy),
            timeout=timeout,
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "feishu-batch"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    def exchange(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        headers: Mapping[str, str],
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Answer:
        """One request, one answer of any status. `path` is already quoted, `content` is JSON.

        `may_leave` is called right before the first byte, after connecting; it must not raise. Raises Withheld if it returns
        False, NotExecuted if the request certainly did not arrive completely, or was a read; otherwise OutcomeUnknown.
        """
        self._watch.start(self._timeout, may_leave)
        failure: RemoteError
        try:
            return self._exchange(self._request(method, path, headers, content, params))
        except WithheldError:
            failure = Withheld("the permission to send expired before the first byte")
        except FOREIGN_ERRORS as error:
            failure = translate(error, self._watch, write=write, way=self._way)
        # Raised here, outside the handler, so that it has no context: the foreign error contains the request and its headers.
        raise failure

    def close(self) -> None:
        self._client.close()

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        params: Mapping[str, str] | None,
    ) -> httpx.Request:
        kind = {} if content is None else {"content-type": "application/json; charset=utf-8"}
        url = self._base_url + path
        return self._client.build_request(method, url, headers={**headers, **kind}, content=content, params=params)

    def _exchange(self, request: httpx.Request) -> Answer:
        response = self._client.send(request, stream=True)
        answered_at = time.monotonic()
        try:
            body = _bounded(response)
        finally:
            response.close()
        sent_at = self._watch.sent_at
        exchange = Exchange(answered_at if sent_at is None else sent_at, answered_at)
        log_id = response.headers.get("x-tt-logid") or response.headers.get("x-request-id") or ""
        wait = retry_after(response.headers.get("retry-after"), response.headers.get("date"), time.time())
        return Answer(response.status_code, body, log_id, exchange, wait)


@dataclass(frozen=True, slots=True)
class _Way:
    """How connections are made, for the error message about a failed one."""

    proxy: Proxy | None = None
    ignored_proxy: str | None = None

    def __str__(self) -> str:
        return (
            f"the remote system through the proxy {self.proxy.host}:{self.proxy.port}"
            if self.proxy
            else "the remote system"
        )

    @property
    def hint(self) -> str:
        if self.proxy or not self.ignored_proxy:
            return ""
        return f" ({self.ignored_proxy} is set but not used: set FEISHU_BATCH_PROXY_URL for a proxy)"


_DIRECT = _Way()


def translate(error: Exception, watch: ExchangeWatch, *, write: bool, way: _Way = _DIRECT) -> RemoteError:
    """Our error for a foreign one. Decided by the bytes that were sent, not by the error's name, which proves nothing."""
    exchange = None if watch.sent_at is None else Exchange(watch.sent_at, time.monotonic())
    policy = OutcomeUnknown if write and watch.may_have_arrived else NotExecuted
    return policy(_sentence(error, watch, way), exchange=exchange)


def _sentence(error: Exception, watch: ExchangeWatch, way: _Way) -> str:
    """Without the error's own message if that may quote a header."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return f"no connection to {way}: {str(error)[:200] or 'timed out'}{way.hint}"
    if isinstance(error, BodyTooLargeError):
        return str(error)
    when = "before the request was sent" if watch.sent_at is None else "while the request was sent"
    when = "after the request was sent" if watch.may_have_arrived else when
    what = "timed out" if isinstance(error, httpx.TimeoutException) else f"failed with {type(error).__name__}"
    return f"the exchange {what} {when}"


def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLargeError(f"the answer is larger than {LARGEST_BODY} bytes")
    return bytes(body)


class _WatchedTransport(httpx.HTTPTransport):
    """httpx's transport and its translation of errors, with a pool whose sockets respect the watch."""

    def __init__(self, ssl_context: ssl.SSLContext, watch: ExchangeWatch, proxy: Proxy | None) -> None:
        super().__init__(verify=ssl_context, trust_env=False)
        # httpx has no parameter for the pool's public `network_backend`. Closing the replaced pool fails at start if httpx
        # renames it: unwatched sockets would make sent requests look unsent.
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=MOST_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY,
            network_backend=WatchedBackend(watch, TunnelBackend(proxy, ssl_context) if proxy else None),
        )


def _ssl_context(verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, str):
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    return httpx.create_ssl_context(verify=verify, trust_env=False)


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise ValueError(f"The base URL {base_url!r} is not a valid URL.") from None
    if not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("The base URL must be of the form https://host[:port], without user, query or fragment.")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise ValueError(f"The base URL must begin with https://, because credentials are sent to {url.host}.")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
