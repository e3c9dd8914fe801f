"""Who may see the page and who may act. Decisions only; `guard` applies them."""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

SESSION_SECONDS: Final = 30 * 86_400


class Gate:
    """Sessions and CSRF tokens are derived from the token, so they survive a restart and end when the token changes.

    Without a token there are no sessions: every client that reaches the page may use it.
    """

    def __init__(self, token: str | None, clock: Callable[[], float] = time.time) -> None:
        self._token = token
        self._clock = clock
        source = token.encode() if token else secrets.token_bytes(32)
        self._key = blake2b(source, digest_size=32, person=b"feishu-batch-web").digest()

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def new_session(self) -> str:
        content = f"{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{content}.{self._signed('session', content)}"

    def is_session(self, cookie: str) -> bool:
        content, _, signature = cookie.rpartition(".")
        until = content.partition(".")[0]
        if not hmac.compare_digest(signature.encode(), self._signed("session", content).encode()):
            return False
        return int(until) > self._clock()

    def csrf(self, session: str) -> str:
        """The CSRF token of this session, which the page sends with every request. `session` is empty if no login is needed."""
        return self._signed("csrf", session)

    def is_csrf(self, given: str, session: str) -> bool:
        return hmac.compare_digest(given.encode(), self.csrf(session).encode())

    def _signed(self, purpose: str, content: str) -> str:
        return blake2b(f"{purpose} {content}".encode(), key=self._key, digest_size=20).hexdigest()


def is_known_host(host: str, names: Iterable[str]) -> bool:
    """Against DNS rebinding: refuses a foreign name that resolves to this server. IP addresses are safe.

    `host`: the header, as ``127.0.0.1:8650``, ``[::1]:8650`` or ``status.example.com``.
    """
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    if name.lower() in {"localhost", *(one.lower() for one in names)}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """By the headers in which browsers state the origin of a request. A request without them does not come from a current browser."""
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    return origin is None or origin.partition("://")[2].lower() == host.lower()
