"""APPEND of a member that is there already."""

from collections.abc import Sequence
from typing import Final

from worker.operating.probing.place import TrialField
from worker.operating.probing.readings import Reading, by_majority
from worker.operating.probing.run import ProbeRun

NAME: Final = "append_present"
UNCHANGED, DOUBLED, REFUSED = "unchanged", "doubled", "refused"
WORDS: Final = {
    UNCHANGED: "APPEND of a member that is there: nothing changes",
    DOUBLED: "APPEND of a member that is there: it is there twice",
    REFUSED: "APPEND of a member that is there: the item fails",
}
TRIES: Final = 2


def observe(run: ProbeRun, field: TrialField) -> list[str]:
    seen = []
    for turn in range(TRIES):
        item = run.item(turn)
        value = run.next_value(item, field)
        run.write(item, {field.key: value})
        run.sender.drain()
        sent = run.sender.batch([item], field.key, value, "APPEND")
        reports = run.sender.drain()
        if not sent.is_accepted or any(item in (report.failed or ()) for report in reports):
            seen.append(REFUSED)
            continue
        found = run.shown(item)
        held = found.fields.get(field.key) if found else None
        if isinstance(held, list):
            seen.append(UNCHANGED if len(held) == 1 else DOUBLED)
    return seen


def judge(seen: Sequence[str]) -> Reading:
    return by_majority(NAME, WORDS, seen)
