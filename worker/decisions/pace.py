"""What an answer says about the pace of the next requests, whatever becomes of its batch."""

from worker.decisions.polling import back_off
from worker.decisions.step import Policy
from worker.pacing.spacing import Spacing, Verdict
from worker.remote.errors import NotExecuted, OutcomeUnknown, RateLimited


def verdict_of(answer: object) -> Verdict:
    """An answer that refuses one request is as good as any: the remote system is there and has taken it."""
    if isinstance(answer, RateLimited):
        return "rejected"
    return "strike" if isinstance(answer, NotExecuted | OutcomeUnknown) else "accepted"


def pause_after(answer: object, strikes: int, spacing: Spacing, policy: Policy) -> float:
    """Seconds without requests after this answer, the last of so many `strikes` in a row.

    One failure alone does not slow the lane down; several in a row do, and so does an answer that asks for it.
    """
    if isinstance(answer, RateLimited):
        own = spacing.pause_after_refusals(strikes, policy.backoff_max)
    else:
        own = back_off(strikes - 1, policy.backoff, policy.backoff_max)
    return max(own, _asked_for(answer))


def _asked_for(answer: object) -> float:
    """Where the remote system says so of its state and not of one request."""
    return answer.retry_after if isinstance(answer, RateLimited | NotExecuted | OutcomeUnknown) else 0.0
