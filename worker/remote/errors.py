"""What can go wrong with a remote call. The class IS the policy:

RemoteError
 ├ RateLimited       not executed; give the slot back, widen the spacing; not an attempt
 ├ IdempotencyClash  the first request with this UUID arrived; settle as "outcome unknown", never as a rate limit
 ├ TokenRejected     renew the token once, repeat once; then it is a configuration error
 ├ LaneStopped       credentials, permission or quota; pause the lane, keep every intent, show `advice`
 ├ SpaceRefused      this space or item type; fail its intents, the queue goes on
 ├ BatchRefused      a permanently bad request; `splittable`: one item may be at fault, so halve the batch and find it
 ├ NotExecuted       transient and certainly not executed (`worker.remote.evidence`), or a read; back off and retry
 ├ Withheld          ours, not the remote system's: not a byte left, because the leave to send was over; put it back
 └ OutcomeUnknown    may have been applied; find out before sending again

OutcomeUnknown is a sibling of NotExecuted and must stay one: no broad `except` may resend a write that happened.
No error carries a token or a secret, and none is chained to an HTTP library's error, which would hold the headers.
"""

# ruff: noqa: N818 - the names say what happened and so what to do; "Error" behind each would say nothing.

import re
from typing import Any

from worker.remote.models import Exchange


class RemoteError(Exception):
    """`code` and `message` are the outer ones of the answer, `inner_*` those of its `err` object.

    `exchange` is None when not a byte was sent. `http_status` is None when no answer came. `retry_after`: for how many
    seconds the answer asks to be left alone, 0 where it does not.
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
        """All but the message, as the constructor of any of these classes takes it."""
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
        told = ", ".join(f"{name} {value}" for name, value in notes.items() if value not in (None, ""))
        return f"{self.message} ({told})" if told else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class RateLimited(RemoteError):
    pass


class IdempotencyClash(RemoteError):
    pass


class TokenRejected(RemoteError):
    """`fingerprint` of the token that was rejected, where it is known."""

    fingerprint = ""


class LaneStopped(RemoteError):
    """`advice` is one sentence that tells the operator what to do."""

    def __init__(self, message: str, *, advice: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.advice = advice


class SpaceRefused(RemoteError):
    pass


class BatchRefused(RemoteError):
    """`is_listed`: whether the table of codes says so; else it is a guess that one item may be at fault."""

    def __init__(self, message: str, *, splittable: bool = False, is_listed: bool = True, **details: Any) -> None:
        super().__init__(message, **details)
        self.splittable = splittable
        self.is_listed = is_listed


class NotExecuted(RemoteError):
    pass


class Withheld(RemoteError):
    pass


class OutcomeUnknown(RemoteError):
    """`advice`, where there is one: the lane has to pause as well, and this is what to do about it."""

    def __init__(self, message: str, *, advice: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.advice = advice


ACCEPTED = "accepted"


def word_of(answer: object) -> str:
    """What an answer is counted as: `accepted`, or the error's class in lower case, such as `rate_limited`."""
    if not isinstance(answer, RemoteError):
        return ACCEPTED
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(answer).__name__).lower()


def words() -> tuple[str, ...]:
    """All that `word_of` can say."""
    return (ACCEPTED, *(word_of(kind("")) for kind in RemoteError.__subclasses__()))
