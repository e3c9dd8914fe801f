"""When to ask for a job: pure arithmetic on what recent jobs of its size took. All times in seconds."""

import math
from collections.abc import Sequence

ENOUGH = 6  # durations from which a guess is better than a rule of thumb
CONFIDENCE = 0.8  # ask when this share of such jobs would be done
FIRST_GUESS = 1.0
BACK_OFF = 0.5  # of the job's age, where nothing better is known
LONGEST_GAP = 30.0


def size_class(items: int) -> int:
    """Jobs of about the same size share their statistics: 1, 2, 3–4, 5–8, … items."""
    return math.ceil(math.log2(max(1, items)))


def next_poll_delay(age: float, durations: Sequence[float], shortest_gap: float) -> float:
    """How long from now until the job of this age is probably done. `durations`: of recent jobs of its size."""
    longer = sorted(duration for duration in durations if duration > age)
    if len(longer) >= ENOUGH:
        likely_end = longer[min(len(longer) - 1, int(len(longer) * CONFIDENCE))]
        return max(shortest_gap, likely_end - age)
    if age == 0:
        return FIRST_GUESS
    return min(LONGEST_GAP, max(shortest_gap, age * BACK_OFF))


def estimated_duration(last_seen_running: float, seen_done: float) -> float:
    """A job is only known to have ended between two looks: the middle, which also lets the guesses become shorter again."""
    return (last_seen_running + seen_done) / 2


def back_off(failures: int, first: float, longest: float) -> float:
    """Pause after so many failures in a row, doubling; 0 for none."""
    if failures <= 0:
        return 0.0
    return min(longest, first * 2.0 ** min(failures - 1, 30))
