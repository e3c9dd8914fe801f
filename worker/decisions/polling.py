"""When to poll a job: pure arithmetic on the durations of recent jobs of its size. All times in seconds."""

import math
from collections.abc import Sequence

ENOUGH = 6  # number of durations from which an estimate is better than a rule of thumb
FIRST_GUESS = 1.0
BACK_OFF = 0.5  # of the job's age, without better information
LONGEST_GAP = 30.0
# With free poll slots, a job that ended early is found before the slow ones end. Without free slots, due polls
# queue, jobs become older than any estimate, and one poll is enough for any plan (bench/polling.py).
EARLY = 0.1  # of such jobs have ended before the tolerated lag begins
TOLERATED_LAG = 2.0  # seconds between a job's end and the poll that finds it
TOLERATED_SHARE = 0.4  # or this share of the usual duration of such jobs, if that is more: a short lag costs polls
CONFIDENCE = 0.8  # of such jobs would have ended: the first poll is not later than that
AGAIN_SHARE = 0.5  # of the usual duration of such jobs, until the next poll
# The progress of a running job decides when the next poll is; it is better than the durations of other jobs.
START_SHARE = 0.15  # of a job's duration passes before its first item is done, by assumption
LATEST_LOOK = 0.9  # of such jobs would have ended: a job's first items may have been slow


def size_class(items: int) -> int:
    """Jobs of about the same size share their statistics: 1, 2, 3–4, 5–8, … items."""
    return math.ceil(math.log2(max(1, items)))


def first_look(durations: Sequence[float], shortest_gap: float) -> float:
    """How long after its submit to poll a job. `durations`: of recent jobs of its size."""
    if len(durations) < ENOUGH:
        return FIRST_GUESS
    known = sorted(durations)
    early = _at(known, EARLY) + max(TOLERATED_LAG, TOLERATED_SHARE * _at(known, 0.5))
    return max(shortest_gap, min(early, _at(known, CONFIDENCE)))


def next_look(age: float, durations: Sequence[float], shortest_gap: float, progress: float = 0.0) -> float:
    """How long from now to poll a running job again.

    `progress`: the share of its items that are done, if the last poll showed it.
    """
    known = sorted(durations)
    if progress > 0:
        return max(shortest_gap, _remaining(age, known, progress))
    if len(known) < ENOUGH:
        return max(shortest_gap, min(LONGEST_GAP, age * BACK_OFF))
    gap = max(TOLERATED_LAG, AGAIN_SHARE * _at(known, 0.5))
    if age > known[-1]:
        gap = max(gap, min(LONGEST_GAP, age * BACK_OFF / 2))
    return max(shortest_gap, gap)


def _remaining(age: float, known: Sequence[float], progress: float) -> float:
    """Assumes that items end one after the other at a constant rate, after the first one."""
    longer = [duration for duration in known if duration > age]
    duration = age / (progress + START_SHARE * (1 - progress))
    latest = _at(longer, LATEST_LOOK) - age if len(longer) >= ENOUGH else LONGEST_GAP
    return min(duration - age, latest)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[int(len(ordered) * share)]


def estimated_duration(last_seen_running: float, seen_done: float) -> float:
    """A job ended between two polls: the middle of them, which also lets the estimates become shorter again."""
    return (last_seen_running + seen_done) / 2


def back_off(failures: int, first: float, longest: float) -> float:
    """Pause after this many failures in a row, doubling; 0 for none."""
    if failures <= 0:
        return 0.0
    return min(longest, first * 2.0 ** min(failures - 1, 30))
