"""Two batch_updates 0.9 s apart, and 1.0 s apart: over which window their limit counts."""

from collections.abc import Sequence
from typing import Final

from worker.operating.probing.readings import Reading, by_majority, not_settled, proven
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import Sent

NAME: Final = "batch_limit"
SLIDING, WIDER, SLOWER = "sliding", "fixed_or_wider", "slower"
WORDS: Final = {
    SLIDING: "batch_update: one a second, sliding window",
    WIDER: "batch_update: two within a second are accepted: a fixed window, or a higher limit",
    SLOWER: "batch_update: two that are 1.0 s apart are refused",
}
NEAR, FAR = 0.9, 1.03  # seconds; with what a network makes of 1.0 s
SURELY_WITHIN, LATE = 0.99, 1.25  # seconds between two arrivals
TRIES, MOST_TRIES = 3, 6

Pair = tuple[float, bool]  # (seconds apart, whether the second one was accepted)


def observe(run: ProbeRun) -> list[Pair]:
    """Pairs of which one was late on its way are left out, and sent again for a while."""
    field = run.place.field
    seen: list[Pair] = []
    for turn in range(MOST_TRIES):
        for gap in (NEAR, FAR):
            if sum(one == gap for one, _ in seen) == TRIES:
                continue
            item = run.item(turn)
            value = run.next_value(item, field)
            first, second = run.sender.batch_pair(item, field.key, value, gap * run.second)
            if first.is_accepted and _arrived(first, second, gap, run.second):
                seen.append((gap, second.is_accepted))
        run.sender.drain()
    return seen


def _arrived(first: Sent, second: Sent, gap: float, unit: float) -> bool:
    """Whether both were answered, and surely arrived on the wanted side of a second: either may have been late."""
    times = (first.at, first.answered_at, second.at, second.answered_at)
    if not (second.is_accepted or second.is_limited) or any(at is None for at in times):
        return False
    left, answered, left_again, answered_again = (at or 0.0 for at in times)
    shortest = min(answered - left, answered_again - left_again)  # there and back
    at_most, at_least = answered_again - left - shortest, left_again - answered + shortest
    return at_most < SURELY_WITHIN * unit if gap == NEAR else at_least >= unit and at_most < LATE * unit


def judge(seen: Sequence[Pair]) -> Reading:
    near = [accepted for gap, accepted in seen if gap == NEAR]
    far = [accepted for gap, accepted in seen if gap == FAR]
    if not near or not far:
        return not_settled(NAME, "too few requests were answered")
    if any(near):
        return proven(NAME, WORDS, WIDER, sum(near), len(near))
    return by_majority(NAME, WORDS, [SLIDING if accepted else SLOWER for accepted in far])
