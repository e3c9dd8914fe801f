"""Writing the value that a field holds already: whether the item's time of update moves."""

import time
from collections.abc import Sequence
from typing import Final

from worker.operating.probing.readings import Reading, by_majority
from worker.operating.probing.run import ProbeRun

NAME: Final = "same_value"
MOVES, STAYS, NOT_SAID = "moves", "stays", "not_said"
WORDS: Final = {
    MOVES: "writing the present value moves updated_at",
    STAYS: "writing the present value leaves updated_at as it is",
    NOT_SAID: "a read does not say when an item was updated",
}
TRIES: Final = 2

Times = tuple[int | None, int | None]  # updated_at (ms) before and after


def observe(run: ProbeRun) -> list[Times]:
    return [_times(run, run.item(turn)) for turn in range(TRIES)]


def _times(run: ProbeRun, item: int) -> Times:
    field = run.place.field
    value = run.next_value(item, field)
    seen = []
    for _ in range(2):
        run.write(item, {field.key: value})
        found = run.shown(item)
        seen.append(None if found is None else found.updated_at)
        time.sleep(1.1 * run.second)  # the times may be of whole seconds
    return seen[0], seen[1]


def judge(seen: Sequence[Times]) -> Reading:
    return by_majority(NAME, WORDS, [_vote(*times) for times in seen])


def _vote(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return NOT_SAID
    return MOVES if after > before else STAYS
