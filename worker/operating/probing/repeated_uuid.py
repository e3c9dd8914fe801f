"""A repeated X-IDEM-UUID: rejected, answered as before, or executed again; and for how long it is known."""

import time
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

from worker.operating.probing.readings import Reading, by_majority, not_settled
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import Sent
from worker.remote.errors import IdempotencyClash

SINGLE, BATCH = "single_uuid", "batch_uuid"
REJECTED, REPLAYED, IGNORED = "rejected", "replayed", "ignored"
PAUSES: Final = (0.0, 2.0, 8.0)  # seconds before each repeat
_WORDS: Final = {
    REJECTED: "{what}: a repeated UUID is rejected",
    REPLAYED: "{what}: a repeated UUID is answered as before, and not executed again",
    IGNORED: "{what}: a repeated UUID is executed again",
}

Repeat = tuple[float, str]  # (seconds after the first request, finding)


def observe_single(run: ProbeRun) -> list[Repeat]:
    """Between both requests the cell gets another value: only a second execution shows the first one again."""
    field, item, idem = run.place.field, run.item(0), str(uuid4())
    first, other = run.next_value(item, field), run.next_value(item, field)
    if not run.sender.put(item, {field.key: first}, idem).is_accepted:
        return []
    began, seen = time.monotonic(), []
    for pause in PAUSES:
        run.write(item, {field.key: other})
        time.sleep(pause * run.second)
        sent = run.sender.put(item, {field.key: first}, idem)
        if sent.is_accepted:
            finding = IGNORED if field.shows(run.shown(item), first) else REPLAYED
        elif isinstance(sent.error, IdempotencyClash):
            finding = REJECTED
        else:
            continue
        seen.append(((time.monotonic() - began) / run.second, finding))
    return seen


def observe_batch(run: ProbeRun) -> list[Repeat]:
    """A repeat that is answered with the first job's id is not executed again."""
    field, item, idem = run.place.field, run.item(0), str(uuid4())
    value = run.next_value(item, field)
    known = [run.sender.batch([item], field.key, value, idem=idem).task_id]
    if not known[0]:
        return []
    began, seen = time.monotonic(), []
    for pause in PAUSES:
        time.sleep(pause * run.second)
        sent = run.sender.batch([item], field.key, value, idem=idem)
        if finding := _of_batch(sent, known):
            seen.append(((time.monotonic() - began) / run.second, finding))
            known.append(sent.task_id)
    run.sender.drain()
    return seen


def _of_batch(sent: Sent, known: Sequence[str]) -> str | None:
    if isinstance(sent.error, IdempotencyClash):
        return REJECTED
    if not sent.is_accepted:
        return None
    return REPLAYED if sent.task_id in known else IGNORED


def judge_single(seen: Sequence[Repeat]) -> Reading:
    return _judge(SINGLE, "single updates", seen)


def judge_batch(seen: Sequence[Repeat]) -> Reading:
    return _judge(BATCH, "batch_update", seen)


def _judge(name: str, what: str, seen: Sequence[Repeat]) -> Reading:
    if not seen:
        return not_settled(name, "no repeat was answered")
    words = {finding: text.format(what=what) for finding, text in _WORDS.items()}
    finding = seen[0][1]
    forgotten = next((at for at, later in seen if later != finding), None)
    if finding == IGNORED or forgotten is None:
        until = f", for {seen[-1][0]:.0f} s or longer" if finding != IGNORED else ""
        return by_majority(name, _with(words, until), [one for _, one in seen], seconds=round(seen[-1][0], 1))
    same = [one for at, one in seen if at < forgotten]
    return by_majority(
        name, _with(words, f", for less than {forgotten:.0f} s"), same, forgotten_after=round(forgotten, 1)
    )


def _with(words: Mapping[str, str], until: str) -> dict[str, str]:
    return {finding: f"{text}{until}" for finding, text in words.items()}
