"""A field that was cleared: whether a read shows it without a value, or leaves it out."""

from collections.abc import Sequence
from typing import Final

from worker.operating.probing.readings import Reading, by_majority
from worker.operating.probing.run import ProbeRun
from worker.remote.equality import is_empty_value

NAME: Final = "empty_field"
SHOWN, LEFT_OUT, KEPT = "shown", "left_out", "kept"
WORDS: Final = {
    SHOWN: "a field without a value is shown, as null or empty",
    LEFT_OUT: "a field without a value is left out",
    KEPT: "null does not clear the field",
}
TRIES: Final = 2


def observe(run: ProbeRun) -> list[str]:
    field, seen = run.place.field, []
    for turn in range(TRIES):
        item = run.item(turn)
        run.write(item, {field.key: run.next_value(item, field)})
        run.write(item, {field.key: None})
        found = run.shown(item)
        if found is None:
            continue
        if field.key not in found.fields:
            seen.append(LEFT_OUT)
        else:
            seen.append(SHOWN if is_empty_value(found.fields[field.key]) else KEPT)
    return seen


def judge(seen: Sequence[str]) -> Reading:
    return by_majority(NAME, WORDS, seen)
