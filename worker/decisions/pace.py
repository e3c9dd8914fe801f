"""What an answer means for the pace of the next requests, independent of its batch."""

from worker.decisions.polling import back_off
from worker.decisions.step import Policy
from worker.pacing.spacing import Spacing, Verdict
from worker.remote.errors import NotExecuted, OutcomeUnknown, RateLimited, pause_asked_for


def verdict_of(answer: object) -> Verdict:
    """An answer that refuses one request counts as accepted for the pace: the remote system received the request."""
    if isinstance(answer, RateLimited):
        return "rejected"
    return "strike" if isinstance(answer, NotExecuted | OutcomeUnknown) else "accepted"


def pause_after(answer: object, strikes: int, spacing: Spacing, policy: Policy) -> float:
    """Seconds without requests after this answer, the last of `strikes` failures in a row.

    A single failure does not slow the lane down; several in a row do, and so does an answer with a Retry-After.
    """
    if isinstance(answer, RateLimited):
        own = spacing.pause_after_refusals(strikes, policy.backoff_max)
    else:
        own = back_off(strikes - 1, policy.backoff, policy.backoff_max)
    return max(own, pause_asked_for(answer))
