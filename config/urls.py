"""URLs of Redis and of a broker with masked passwords."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import Secret

_SECRET_PARAMETERS: Final = frozenset({"password", "sentinel_password", "token", "secret"})
MASK: Final = "***"


def masked_url(url: str) -> str:
    """The URL without its password: ``redis://:***@host/0``. A text that is not a URL is masked as a whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if not parts.scheme:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        user, colon, _ = netloc.rpartition("@")[0].partition(":")
        # A name without a password may be a password that was written without its colon.
        netloc = f"{user if colon else MASK}{colon and ':' + MASK}@{netloc.rpartition('@')[2]}"
    query = "&".join(_masked_parameter(parameter) for parameter in parts.query.split("&")) if parts.query else ""
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={MASK}" if equals and name.lower() in _SECRET_PARAMETERS else parameter


class SecretUrl(Secret[str]):
    """A URL that may contain a password: repr and str mask it; `get_secret_value()` is for the connection only."""

    def _display(self) -> str:
        return masked_url(self._secret_value)
