"""How long after a write a read still shows the value from before."""

import time
from collections.abc import Sequence
from typing import Final

from worker.operating.probing.readings import Reading, by_majority, not_settled, proven
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import ProbeStoppedError

NAME: Final = "reads"
CURRENT, BEHIND, UNSTEADY = "current", "behind", "unsteady"
WORDS: Final = {
    CURRENT: "a read shows a write at once",
    BEHIND: "reads are behind",
    UNSTEADY: "reads go back to an older value",
}
TRIES: Final = 3
ALWAYS: Final = (0.0, 0.05, 0.2, 1.0)  # seconds after the write
LATER: Final = (2.0, 3.0, 5.0, 7.0, 10.0, 15.0)

Looks = tuple[tuple[float, bool], ...]  # (seconds after the answer of the write, whether the value was shown)


def observe(run: ProbeRun) -> list[Looks]:
    """Raises `ProbeStoppedError` if a value is never shown: then nothing can be verified."""
    seen = [_looks(run, run.item(turn)) for turn in range(TRIES)]
    if any(not looks[-1][1] for looks in seen):
        raise ProbeStoppedError(
            f"a value that was written is not shown within {LATER[-1]:g} s, so nothing can be verified"
        )
    run.lag = behind(seen) * run.second
    return seen


def _looks(run: ProbeRun, item: int) -> Looks:
    field = run.place.field
    value = run.next_value(item, field)
    run.write(item, {field.key: value})
    written_at = time.monotonic()
    looks: list[tuple[float, bool]] = []
    for offset in (*ALWAYS, *LATER):
        if offset > ALWAYS[-1] and looks[-1][1]:
            break
        time.sleep(max(0.0, written_at + offset * run.second - time.monotonic()))
        shows = field.shows(run.sender.read([item]).get(item), value)
        looks.append((offset, shows))
    return tuple(looks)


def behind(seen: Sequence[Looks]) -> float:
    """Seconds after which every read showed the value."""
    late = [at for looks in seen for at, shows in looks if not shows]
    if not late:
        return 0.0
    return min((at for looks in seen for at, _ in looks if at > max(late)), default=LATER[-1])


def judge(seen: Sequence[Looks]) -> Reading:
    if not seen:
        return not_settled(NAME, "nothing was read")
    votes = [_vote(looks) for looks in seen]
    worst = next((word for word in (UNSTEADY, BEHIND) if word in votes), CURRENT)
    words = {**WORDS, BEHIND: f"reads are up to {behind(seen):g} s behind"}
    if worst != CURRENT:
        return proven(NAME, words, worst, votes.count(worst), len(votes), behind_seconds=behind(seen))
    return by_majority(NAME, words, votes, behind_seconds=0.0)


def _vote(looks: Looks) -> str:
    shown = [shows for _, shows in looks]
    if all(shown):
        return CURRENT
    return BEHIND if shown == sorted(shown) else UNSTEADY
