"""Writes to two fields of one item at the same time: whether one loses what the other wrote."""

import time
from collections.abc import Sequence
from typing import Any, Final

from worker.operating.probing.readings import Reading, Sureness, not_settled, proven
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sender import JOBS_END

NAME: Final = "lost_update"
NONE_LOST, LOST = "none_lost", "lost"
WORDS: Final = {
    NONE_LOST: "writes to two fields of one item at the same time: none was lost",
    LOST: "writes to two fields of one item at the same time: one can lose the other's value",
}
SINGLES, WITH_BATCH = "two single updates", "a single update and a batch_update"
TRIES: Final = 3
PAUSE: Final = 0.2  # seconds between the single updates while a job runs

Outcome = tuple[str, bool]  # (which two, whether both values were there in the end)


def observe(run: ProbeRun) -> list[Outcome]:
    seen = []
    for turn in range(TRIES):
        item = run.item(turn)
        for kind, write in ((SINGLES, _two_singles), (WITH_BATCH, _single_and_batch)):
            run.write(item, {field.key: run.next_value(item, field) for field in run.place.fields})
            wanted = write(run, item)
            if wanted is not None:
                found = run.shown(item)
                seen.append((kind, all(field.shows(found, wanted[field.key]) for field in run.place.fields)))
    return seen


def _two_singles(run: ProbeRun, item: int) -> dict[str, Any] | None:
    wanted = {field.key: run.next_value(item, field) for field in run.place.fields}
    sent = run.together([(item, {key: value}) for key, value in wanted.items()])
    return wanted if all(one.is_accepted for one in sent) else None


def _single_and_batch(run: ProbeRun, item: int) -> dict[str, Any] | None:
    """Single updates of one field for as long as a job that writes the other one runs."""
    mine, theirs = run.place.fields
    value = run.next_value(item, theirs)
    sent = run.sender.batch([item], theirs.key, value)
    if not sent.is_accepted:
        return None
    ends_at = time.monotonic() + JOBS_END
    while True:
        last = run.next_value(item, mine)
        if not run.sender.put(item, {mine.key: last}).is_accepted:
            return None
        if run.sender.poll(sent.task_id).is_final or time.monotonic() > ends_at:
            run.sender.drain()
            return {mine.key: last, theirs.key: value}
        time.sleep(PAUSE * run.second)


def judge(seen: Sequence[Outcome]) -> Reading:
    if not seen:
        return not_settled(NAME, "the writes were not accepted")
    lost = [kind for kind, kept in seen if not kept]
    if lost:
        words = {**WORDS, LOST: f"{WORDS[LOST]} ({', '.join(dict.fromkeys(lost))})"}
        return proven(NAME, words, LOST, len(lost), len(seen), lost_by=list(dict.fromkeys(lost)))
    # That nothing was lost proves nothing: the moment may have been missed each time.
    return Reading(NAME, NONE_LOST, WORDS[NONE_LOST], Sureness.PERHAPS, len(seen), len(seen))
