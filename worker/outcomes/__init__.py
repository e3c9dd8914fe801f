"""What follows from an answer: the decisions, as plain values. No clock, no network, no store.

A `Step` says what becomes of a batch; the submitter and the follower carry it out. Times in seconds.
"""

from worker.outcomes.after_poll import after_poll
from worker.outcomes.after_read_back import after_read_back, after_read_back_failed
from worker.outcomes.after_submit import after_submit
from worker.outcomes.step import FOLLOW_UP_FIELDS, Policy, Step, is_not_served, to_read_back

__all__ = [
    "FOLLOW_UP_FIELDS",
    "Policy",
    "Step",
    "after_poll",
    "after_read_back",
    "after_read_back_failed",
    "after_submit",
    "is_not_served",
    "to_read_back",
]
