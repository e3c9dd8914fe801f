"""The HTTP proxy between the workers and the remote system."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from config.urls import SecretUrl

WANTED: Final = (
    "must look like http://proxy.example:3128, or https://…, with user:password@ before the host if the proxy requires "
    "them; percent-encode special characters in them (# is %23, / is %2F, ? is %3F, @ is %40)"
)
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")
# Variables that other programs use. We do not: credentials must not go through a proxy that was not set explicitly.
_OF_THE_ENVIRONMENT: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class Proxy:
    """`credentials`: ``user:password``, decoded. `is_tls`: the connection to the proxy itself is encrypted."""

    host: str
    port: int
    is_tls: bool
    credentials: SecretStr | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError; the message contains no part of the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(WANTED) from None
        if parts.scheme.startswith("socks"):
            raise ValueError("must be the URL of an HTTP proxy, like http://proxy.example:3128; SOCKS is not supported")
        has_more = parts.path not in ("", "/") or parts.query or parts.fragment
        if parts.scheme not in ("http", "https") or has_more or not _HOST.fullmatch(parts.hostname or ""):
            raise ValueError(WANTED)
        if port is None:
            raise ValueError("must include the proxy's port, like http://proxy.example:3128")
        return cls(parts.hostname or "", port, parts.scheme == "https", _credentials(parts.username, parts.password))


def _credentials(user: str | None, password: str | None) -> SecretStr | None:
    if not user and not password:
        return None
    given = f"{unquote(user or '')}:{unquote(password or '')}"
    if not given.isprintable():
        raise ValueError("has a line break or another control character in its user name or password")
    return SecretStr(given)


def checked(url: SecretUrl | None) -> SecretUrl | None:
    """Raises ValueError if the URL cannot be that of a proxy."""
    if url is not None:
        Proxy.parse(url.get_secret_value())
    return url


def ignored_variable(environ: Mapping[str, str]) -> str | None:
    """The name of a proxy variable for other programs, if one is set."""
    return next((name for name in _OF_THE_ENVIRONMENT if environ.get(name)), None)
