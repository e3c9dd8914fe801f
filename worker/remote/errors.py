"""The errors of a remote call. The class IS the policy:

RemoteError
 ├ RateLimited       not executed; give the slot back, widen the spacing; not an attempt
 ├ IdempotencyClash  the first request with this UUID arrived; settle as "outcome unknown", never as a rate limit
 ├ TokenRejected     renew the token once, repeat once; then it is a configuration error
 ├ LaneStopped       credentials, permission or quota; pause the lane, keep every intent, show `advice`
 ├ SpaceRefused      this space or item type; fail its intents, the queue continues
 ├ BatchRefused      a permanently bad request; `splittable`: one item may be the cause, so halve the batch and find it
 ├ NotExecuted       transient and certainly not executed (`worker.remote.evidence`), or a read; back off and retry
 ├ Withheld          ours, not the remote system's: no byte was sent, because the permission to send had expired; put it back
 └ OutcomeUnknown    may have been applied; find out before sending again

OutcomeUnknown is a sibling of NotExecuted and must stay one: no broad `except` may resend a write that happened.
No error carries a token or a secret, and none is chained to an HTTP library's error, which would hold the headers.
"""

# ruff: noqa: N818 - the names say what happened and so what to do; the suffix "Error" would add nothing.

import re
from http import HTTPStatus
from typing import Any

from worker.remote.models import Exchange


class RemoteError(Exception):
    """`code` and `message` are the outer ones of the answer, `inner_*` those of its `err` object.

    `exchange` is None if no byte was sent. `http_status` is None if no answer came. `retry_after`: the delay in seconds that the
    answer requests, 0 if none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        inner_code: int | None = None,
        inner_message: str = "",
        log_id: str = "",
        http_status: int | None = None,
        exchange: Exchange | None = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.inner_code = inner_code
        self.inner_message = inner_message
        self.log_id = log_id
        self.http_status = http_status
        self.exchange = exchange
        self.retry_after = retry_after

    @property
    def details(self) -> dict[str, Any]:
        """All attributes except the message, as keyword arguments for these classes."""
        return {
            "code": self.code,
            "inner_code": self.inner_code,
            "inner_message": self.inner_message,
            "log_id": self.log_id,
            "http_status": self.http_status,
            "exchange": self.exchange,
            "retry_after": self.retry_after,
        }

    def __str__(self) -> str:
        code = self.inner_code if self.inner_code != self.code else None
        message = self.inner_message if self.inner_message != self.message else ""
        notes = {
            "code": self.code,
            "inner": f"{code or ''} {message}".strip(),
            "HTTP": self.http_status,
            "log id": self.log_id,
        }
        text = ", ".join(f"{name} {value}" for name, value in notes.items() if value not in (None, ""))
        return f"{self.message} ({text})" if text else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class RateLimited(RemoteError):
    pass


class IdempotencyClash(RemoteError):
    pass


class TokenRejected(RemoteError):
    """`fingerprint` of the rejected token, if known."""

    fingerprint = ""


class LaneStopped(RemoteError):
    """`advice`: one sentence about what the operator should do."""

    def __init__(self, message: str, *, advice: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.advice = advice


class SpaceRefused(RemoteError):
    pass


class BatchRefused(RemoteError):
    """`is_listed`: whether the code is in the table; otherwise it is a guess that one item may be the cause."""

    def __init__(self, message: str, *, splittable: bool = False, is_listed: bool = True, **details: Any) -> None:
        super().__init__(message, **details)
        self.splittable = splittable
        self.is_listed = is_listed


class NotExecuted(RemoteError):
    pass


class Withheld(RemoteError):
    pass


class OutcomeUnknown(RemoteError):
    """`advice`: if set, the lane must pause too, and this is what the operator should do."""

    def __init__(self, message: str, *, advice: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.advice = advice


PERMISSION_REFUSED = 10301
NO_SUCH_RESOURCE = 10404
NO_SUCH_ENDPOINT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


def is_route_refused(error: RemoteError) -> bool:
    """Whether the endpoint is not allowed, or does not exist: it concerns no item, and another endpoint may still work.

    With HTTP 404 or 405, an answer without an envelope comes from a gateway that does not know the endpoint, and so does one with a code
    that is in no table. A listed code is about what was asked for, such as 30005 about the item.
    """
    if error.code == PERMISSION_REFUSED:
        return isinstance(
            error, LaneStopped | SpaceRefused | BatchRefused
        )  # the answer proves that nothing was executed
    if error.http_status not in NO_SUCH_ENDPOINT:
        return False
    if error.code is None:
        return isinstance(error, OutcomeUnknown)
    return error.code == NO_SUCH_RESOURCE or (isinstance(error, BatchRefused) and not error.is_listed)


ACCEPTED = "accepted"


# They concern the state of the remote system, and not one request: the same call may work a moment later.
MAY_PASS = (RateLimited, NotExecuted, OutcomeUnknown)


def pause_asked_for(answer: object) -> float:
    """Seconds; 0 unless the answer concerns the state of the remote system, and not one request."""
    return answer.retry_after if isinstance(answer, MAY_PASS) else 0.0


def word_of(answer: object) -> str:
    """The word under which an answer is counted: `accepted`, or the error's class in lower case, such as `rate_limited`."""
    if not isinstance(answer, RemoteError):
        return ACCEPTED
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(answer).__name__).lower()


def words() -> tuple[str, ...]:
    """All results of `word_of`."""
    return (ACCEPTED, *(word_of(kind("")) for kind in RemoteError.__subclasses__()))
