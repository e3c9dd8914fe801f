"""When to ask for a job: pure arithmetic on what recent jobs of its size took. All times in seconds."""

import math
from collections.abc import Sequence

ENOUGH = 6  # durations from which a guess is better than a rule of thumb
CONFIDENCE = 0.8  # ask when this share of such jobs would be done
FIRST_GUESS = 1.0
BACK_OFF = 0.5  # of the job's age, where nothing better is known
LONGEST_GAP = 30.0
# Where poll slots are to spare, a job that ended early is not left until the slow ones are done. Where they are not, due
# polls queue, jobs grow older than any guess, and one poll is enough whatever was planned (bench/polling.py).
TOLERATED_LAG = 2.0  # seconds between a job's end and the look that finds it
TOLERATED_SHARE = 0.4  # or this share of what such jobs usually take, if that is more: a promise in seconds costs polls
EARLY = 0.05  # of such jobs are done before the tolerated lag begins
# What a running job tells of its progress decides when the next look is; its own word is better than its likes' times.
START_SHARE = 0.15  # of a job's time goes by before its first item is done, by assumption
LATEST_LOOK = 0.9  # of such jobs would be done: a job's first items may have been slow ones


def size_class(items: int) -> int:
    """Jobs of about the same size share their statistics: 1, 2, 3–4, 5–8, … items."""
    return math.ceil(math.log2(max(1, items)))


def next_poll_delay(
    age: float, durations: Sequence[float], shortest_gap: float, most_lag: float | None = None, progress: float = 0.0
) -> float:
    """How long from now until the job of this age is probably done. `durations`: of recent jobs of its size.

    `most_lag`: look earlier than that, so that few jobs that end before the look wait longer for it.
    `progress`: the share of its items that are done, where the last look told.
    """
    longer = sorted(duration for duration in durations if duration > age)
    if progress > 0 and age > 0:
        return max(shortest_gap, _remaining(age, longer, progress))
    if len(longer) >= ENOUGH:
        look_at = longer[min(len(longer) - 1, int(len(longer) * CONFIDENCE))]
        if most_lag is not None:
            look_at = min(look_at, longer[int(len(longer) * EARLY)] + most_lag)
        return max(shortest_gap, look_at - age)
    if age == 0:
        return FIRST_GUESS
    gap = age * BACK_OFF if most_lag is None else max(most_lag, age * BACK_OFF / 2)
    return min(LONGEST_GAP, max(shortest_gap, gap))


def _remaining(age: float, longer: Sequence[float], progress: float) -> float:
    """Items end one after the other at a steady pace, once the first has."""
    duration = age / (progress + START_SHARE * (1 - progress))
    latest = longer[int(len(longer) * LATEST_LOOK)] if len(longer) >= ENOUGH else age + LONGEST_GAP
    return min(duration, latest) - age


def tolerated_lag(durations: Sequence[float]) -> float | None:
    """None: too little is known of such jobs."""
    if len(durations) < ENOUGH:
        return None
    return max(TOLERATED_LAG, TOLERATED_SHARE * sorted(durations)[len(durations) // 2])


def estimated_duration(last_seen_running: float, seen_done: float) -> float:
    """A job is only known to have ended between two looks: the middle, which also lets the guesses become shorter again."""
    return (last_seen_running + seen_done) / 2


def back_off(failures: int, first: float, longest: float) -> float:
    """Pause after so many failures in a row, doubling; 0 for none."""
    if failures <= 0:
        return 0.0
    return min(longest, first * 2.0 ** min(failures - 1, 30))
