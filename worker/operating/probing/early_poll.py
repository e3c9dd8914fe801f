"""A job that is asked for right after its acceptance: whether it is known."""

import time
from collections.abc import Sequence
from typing import Final

from worker.operating.probing.readings import Reading, by_majority, not_settled
from worker.operating.probing.run import ProbeRun
from worker.remote.models import JobStatus

NAME: Final = "new_job"
KNOWN, HIDDEN = "known", "hidden"
WORDS: Final = {
    KNOWN: "a job is known right after its acceptance",
    HIDDEN: "a job is not known right after its acceptance",
}
TRIES: Final = 3
LONGEST: Final = 20.0  # seconds


def observe(run: ProbeRun) -> list[float | None]:
    """Of each job: seconds after its acceptance until it was known, 0 if at once, None if never."""
    return [seconds for turn in range(TRIES) for seconds in _until_known(run, run.item(turn))]


def _until_known(run: ProbeRun, item: int) -> list[float | None]:
    field = run.place.field
    sent = run.sender.batch([item], field.key, run.next_value(item, field))
    if not sent.is_accepted:
        return []
    began, looks = time.monotonic(), 0
    while (waited := time.monotonic() - began) < LONGEST * run.second:
        looks += 1
        if run.sender.poll(sent.task_id).status is not JobStatus.NOT_EXIST:
            return [0.0 if looks == 1 else round(waited / run.second, 1)]
    return [None]


def judge(seen: Sequence[float | None]) -> Reading:
    if not seen:
        return not_settled(NAME, "no batch was accepted")
    longest = max((LONGEST if one is None else one for one in seen), default=0.0)
    words = {**WORDS, HIDDEN: f"{WORDS[HIDDEN]}, for up to {longest:g} s"}
    votes = [KNOWN if one == 0 else HIDDEN for one in seen]
    return by_majority(NAME, words, votes, hidden_seconds=longest)
