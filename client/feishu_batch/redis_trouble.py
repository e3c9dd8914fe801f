"""Explains an error of Redis and what to do: one sentence, without a URL and without a password."""

import re
from typing import Final

from redis import exceptions as refusals
from redis.sentinel import MasterNotFoundError

from feishu_batch.password_file import PasswordFileError
from feishu_batch.redis_connections import TOO_MANY_CLIENTS, TlsError, failed_on_a_used_one

_NO_CLUSTER: Final = "this is a node of a Redis Cluster, which is not supported: point {url} at a single primary"
_KINDS: Final[dict[type[Exception], str]] = {
    refusals.OutOfMemoryError: "Redis is out of memory: raise its maxmemory, or let the workers catch up",
    refusals.ReadOnlyError: "this Redis is a read-only replica: point {url} at the primary",
    refusals.BusyLoadingError: "Redis is still loading its data: try again in a moment",
    refusals.AuthenticationWrongNumberOfArgsError: "Redis refused the user or password of {url}",
    refusals.NoPermissionError: "the Redis user may not run this command: it needs scripts, hashes, streams and strings",
    refusals.MaxConnectionsError: "this client has too many connections open, and none became free in time",
    refusals.MovedError: _NO_CLUSTER,
    refusals.ClusterCrossSlotError: _NO_CLUSTER,
    MasterNotFoundError: "no sentinel of {url} answers with a healthy master",
    refusals.InvalidResponse: "the server there is not Redis, or requires TLS: write rediss:// for TLS",
}
_TEXTS: Final[tuple[tuple[str, str], ...]] = (
    ("masterdown", "this Redis is a replica that has lost its primary: point {url} at the primary"),
    ("clusterdown", _NO_CLUSTER),
    (TOO_MANY_CLIENTS, "Redis has reached its maxclients: close some connections or raise it"),
    ("protected mode", "Redis is in protected mode and answers only its own machine: set a password on the server"),
    ("db index is out of range", "Redis has no database with the number in {url}"),
    ("without any password configured", "Redis has no password for this user, but {url} contains one: leave it out"),
    ("no password is set", "Redis has no password, but {url} contains one: leave it out"),
    ("authentication required", "Redis requires a password, and {url} contains none"),
    ("unauthenticated multibulk length", "Redis requires a password, and {url} contains none"),  # of a long command
    ("client already authenticated", "Redis requires a password, and {url} contains none"),
)
_LONGEST: Final = 200  # characters of a foreign message that are repeated


def explain(error: Exception, url: str) -> str | None:
    """`url`: the name of the setting. None: there is no better explanation than the error's own message."""
    if isinstance(error, PasswordFileError):
        return str(error)
    if isinstance(error, TlsError):
        return f"Redis cannot be reached by TLS: {error}"
    text = str(error).lower()
    for part, sentence in _TEXTS:
        if part in text:
            return sentence.format(url=url)
    for kind, sentence in _KINDS.items():
        if isinstance(error, kind):
            return sentence.format(url=url)
    if isinstance(error, refusals.AuthenticationError):
        return f"Redis refused the user or password of {url}"
    return None


def sentences(url: str) -> tuple[str, ...]:
    """All that `explain` can say, but for what TLS and a password file say of themselves."""
    sentences = [sentence.format(url=url) for sentence in (*_KINDS.values(), *(text for _, text in _TEXTS))]
    return tuple(dict.fromkeys(sentences))


def reason_of(error: Exception) -> str:
    """Why a connection failed, in brackets after "cannot be reached"."""
    text = first_line(error)
    if any(part in text.lower() for part in ("closed by server", "reset by peer")) and not failed_on_a_used_one(error):
        return f"{text.rstrip('.')}; write rediss:// if it requires TLS"
    return text


def first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0][:_LONGEST]
    return re.sub(r"\s+", " ", text).strip() or type(error).__name__
