"""When to ask for a job: pure arithmetic on what recent jobs of its size took. All times in seconds."""

import math
from collections.abc import Sequence

ENOUGH = 6  # durations from which a guess is better than a rule of thumb
FIRST_GUESS = 1.0
BACK_OFF = 0.5  # of the job's age, where nothing better is known
LONGEST_GAP = 30.0
# Where poll slots are to spare, a job that ended early is not left until the slow ones are done. Where they are not, due
# polls queue, jobs grow older than any guess, and one poll is enough whatever was planned (bench/polling.py).
EARLY = 0.1  # of such jobs are done before the tolerated lag begins
TOLERATED_LAG = 2.0  # seconds between a job's end and the look that finds it
TOLERATED_SHARE = 0.4  # or this share of what such jobs usually take, if that is more: a promise in seconds costs polls
CONFIDENCE = 0.8  # of such jobs would be done: the first look is no later than that
AGAIN_SHARE = 0.5  # of what such jobs usually take goes by until the next look
# What a running job tells of its progress decides when the next look is; its own word is better than its likes' times.
START_SHARE = 0.15  # of a job's time goes by before its first item is done, by assumption
LATEST_LOOK = 0.9  # of such jobs would be done: a job's first items may have been slow ones


def size_class(items: int) -> int:
    """Jobs of about the same size share their statistics: 1, 2, 3–4, 5–8, … items."""
    return math.ceil(math.log2(max(1, items)))


def first_look(durations: Sequence[float], shortest_gap: float) -> float:
    """How long after its submit to ask for a job. `durations`: of recent jobs of its size."""
    if len(durations) < ENOUGH:
        return FIRST_GUESS
    known = sorted(durations)
    early = _at(known, EARLY) + max(TOLERATED_LAG, TOLERATED_SHARE * _at(known, 0.5))
    return max(shortest_gap, min(early, _at(known, CONFIDENCE)))


def next_look(age: float, durations: Sequence[float], shortest_gap: float, progress: float = 0.0) -> float:
    """How long from now to ask again for a job that still runs.

    `progress`: the share of its items that are done, where the last look told.
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
    """Items end one after the other at a steady pace, once the first has."""
    longer = [duration for duration in known if duration > age]
    duration = age / (progress + START_SHARE * (1 - progress))
    latest = _at(longer, LATEST_LOOK) if len(longer) >= ENOUGH else age + LONGEST_GAP
    return min(duration, latest) - age


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[int(len(ordered) * share)]


def estimated_duration(last_seen_running: float, seen_done: float) -> float:
    """A job is only known to have ended between two looks: the middle, which also lets the guesses become shorter again."""
    return (last_seen_running + seen_done) / 2


def back_off(failures: int, first: float, longest: float) -> float:
    """Pause after so many failures in a row, doubling; 0 for none."""
    if failures <= 0:
        return 0.0
    return min(longest, first * 2.0 ** min(failures - 1, 30))
