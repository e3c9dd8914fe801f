"""The decisions after an answer, as plain values. No clock, no network, no storage.

A `Step` says what happens to a batch, a verdict what happens to the pace; the pipeline applies both. Times in seconds.
"""

from worker.decisions.after_poll import after_poll
from worker.decisions.after_read_back import after_read_back, after_read_back_failed
from worker.decisions.after_submit import after_submit
from worker.decisions.pace import pause_after, verdict_of
from worker.decisions.step import FOLLOW_UP_FIELDS, Policy, Step, is_not_served, to_read_back

__all__ = [
    "FOLLOW_UP_FIELDS",
    "Policy",
    "Step",
    "after_poll",
    "after_read_back",
    "after_read_back_failed",
    "after_submit",
    "is_not_served",
    "pause_after",
    "to_read_back",
    "verdict_of",
]
