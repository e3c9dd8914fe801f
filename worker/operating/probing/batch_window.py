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
TRIES: Final = 3

Pair = tuple[float, bool]  # (seconds apart, whether the second one was accepted)


def observe(run: ProbeRun) -> list[Pair]:
    field, seen = run.place.field, []
    for turn in range(TRIES):
        for gap in (NEAR, FAR):
            item = run.item(turn)
            value = run.next_value(item, field)
            first, second = run.sender.batch_pair(item, field.key, value, gap * run.second)
            if first.is_accepted and _is_answered(second):
                seen.append((gap, second.is_accepted))
        run.sender.drain()
    return seen


def _is_answered(sent: Sent) -> bool:
    return sent.is_accepted or sent.is_limited


def judge(seen: Sequence[Pair]) -> Reading:
    near = [accepted for gap, accepted in seen if gap == NEAR]
    far = [accepted for gap, accepted in seen if gap == FAR]
    if not near or not far:
        return not_settled(NAME, "too few requests were answered")
    if any(near):
        return proven(NAME, WORDS, WIDER, sum(near), len(near))
    return by_majority(NAME, WORDS, [SLIDING if accepted else SLOWER for accepted in far])
