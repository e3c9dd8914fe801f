"""One token for all processes of a lane, renewed early and by one of them at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from worker.remote.errors import NotExecuted, RateLimited, RemoteError
from worker.remote.models import Token

RENEW_EARLY = 300.0  # seconds
LOCK_WAIT = (
    10.0  # seconds; how long to wait for the process that is renewing, if there is no valid token to use meanwhile
)
PAUSE_BETWEEN_LOG_INS = 0.5  # seconds after a failed log-in, while there is no token
LONGEST_PAUSE = 60.0  # seconds between log-ins that the rate limit refuses in a row
PAUSE_AFTER_FAILURE = 15.0  # seconds between attempts to renew while the old token still works


class Authenticator(Protocol):
    def authenticate(self) -> Token: ...


class TokenStore(Protocol):
    """The storage through which the processes of a lane share their token."""

    def load(self) -> Token | None: ...

    def save(self, token: Token) -> None: ...

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        """Wait at most `timeout` seconds (0: try once) for the right to renew; yields whether it was obtained.

        The lock of a dead holder must expire within a few seconds, even if a renewal may take longer.
        """
        ...


class MemoryTokenStore:
    """For tests and single processes."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        return self._token

    def save(self, token: Token) -> None:
        self._token = token

    @contextmanager
    def lock(self, timeout: float) -> Iterator[bool]:
        held = self._lock.acquire(timeout=timeout) if timeout > 0 else self._lock.acquire(blocking=False)
        try:
            yield held
        finally:
            if held:
                self._lock.release()


class TokenSource:
    def __init__(
        self,
        remote_auth: Authenticator,
        store: TokenStore,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        renew_early: float = RENEW_EARLY,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        self._remote_auth = remote_auth
        self._store = store
        self._clock = clock
        self._steady = steady  # pauses must not grow when the clock is set back
        self._renew_early = renew_early
        self._lock_wait = lock_wait
        self._not_before = float("-inf")
        self._log_in_from = float("-inf")
        self._log_in_error = ""
        self._refused_log_ins = 0  # by the rate limit, in a row
        self._rejected = ""  # the fingerprint of a token that the remote system refused before it expired

    def get(self) -> Token:
        """The shared token. Raises the errors of authenticating; temporary ones only after the old token has expired."""
        token = self._store.load()
        if token is None or not self._is_good(token):
            return self._replace()
        if token.is_due(self._clock(), self._renew_early) and self._steady() >= self._not_before:
            return self._renew_ahead(token)
        return token

    def renew(self, rejected: Token) -> Token:
        """A token other than the rejected one. Renews only if no other process has done so already.

        If that fails, `get` does not return the rejected one either.
        """
        self._rejected = rejected.fingerprint
        return self._replace()

    def _is_good(self, token: Token) -> bool:
        return token.fingerprint != self._rejected and token.is_valid(self._clock())

    def _renew_ahead(self, token: Token) -> Token:
        """Renew early: after any temporary error, the old token remains in use."""
        with self._store.lock(0) as held:
            if not held:
                return token
            current = self._store.load()
            if current is not None and not current.is_due(self._clock(), self._renew_early):
                return current
            try:
                return self._authenticate()
            except (NotExecuted, RateLimited) as error:
                self._not_before = self._steady() + max(PAUSE_AFTER_FAILURE, error.retry_after)
                return token

    def _replace(self) -> Token:
        with self._store.lock(self._lock_wait) as held:
            current = self._store.load()
            if current is not None and self._is_good(current):
                return current
            if held:
                return self._log_in()
        raise NotExecuted(f"another process is renewing the token and was not done within {self._lock_wait:g} s")

    def _log_in(self) -> Token:
        """Limits the rate of log-ins: without a token, every call tries to log in again."""
        if self._steady() < self._log_in_from:
            raise NotExecuted(f"the log-in failed a moment ago and is retried soon: {self._log_in_error}")
        self._log_in_from = self._steady() + PAUSE_BETWEEN_LOG_INS
        try:
            token = self._authenticate()
        except RemoteError as error:
            self._log_in_error = str(error)
            self._refused_log_ins = self._refused_log_ins + 1 if isinstance(error, RateLimited) else 0
            pause = min(LONGEST_PAUSE, PAUSE_BETWEEN_LOG_INS * 2.0 ** min(self._refused_log_ins, 10))
            self._log_in_from = self._steady() + max(pause, error.retry_after)
            raise
        self._log_in_from, self._refused_log_ins = float("-inf"), 0
        return token

    def _authenticate(self) -> Token:
        token = self._remote_auth.authenticate()
        self._store.save(token)
        return token
