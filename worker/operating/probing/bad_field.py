"""One good and one bad field in a single update: what is written, and what is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.operating.probing.readings import Reading, by_majority, not_settled
from worker.operating.probing.run import ProbeRun
from worker.remote.errors import BatchRefused

NAME: Final = "bad_field"
REFUSE_ALL, PREFIX, GOOD_ONES, DROP = "refuse_all", "prefix", "good_ones", "drop"
WORDS: Final = {
    REFUSE_ALL: "one bad field of several: all are refused",
    PREFIX: "one bad field of several: those before it are written, then the request is refused",
    GOOD_ONES: "one bad field of several: the others are written, and the request is refused",
    DROP: "one bad field of several: it is dropped silently, and the answer is success",
}
TIMES: Final = 2  # in each order


@dataclass(frozen=True, slots=True)
class BadFieldTry:
    good_first: bool
    is_accepted: bool
    is_refused: bool  # as a bad request; anything else proves nothing
    good_written: bool
    bad_unchanged: bool


def observe(run: ProbeRun) -> list[BadFieldTry]:
    return [_try(run, turn, good_first=order) for turn in range(TIMES) for order in (True, False)]


def _try(run: ProbeRun, turn: int, *, good_first: bool) -> BadFieldTry:
    good, bad, item = run.place.fields[0], run.place.fields[1], run.item(turn)
    present = run.next_value(item, bad)
    run.write(item, {good.key: run.next_value(item, good), bad.key: present})
    value = run.next_value(item, good)
    pairs = [(good.key, value), (bad.key, bad.bad_value)]
    sent = run.sender.put(item, dict(pairs if good_first else pairs[::-1]))
    found = run.shown(item)
    is_refused = isinstance(sent.error, BatchRefused)
    return BadFieldTry(good_first, sent.is_accepted, is_refused, good.shows(found, value), bad.shows(found, present))


def judge(tries: Sequence[BadFieldTry]) -> Reading:
    useful = [one for one in tries if one.bad_unchanged and (one.is_accepted or one.is_refused)]
    if not useful:
        return not_settled(NAME, "the bad value was accepted, or refused for another reason")
    partly = [one for one in useful if one.is_refused and one.good_written]
    only_first = bool(partly) and all(one.good_first for one in partly)
    votes = [vote for one in useful if (vote := _vote(one, only_first=only_first))]
    return by_majority(NAME, WORDS, votes)


def _vote(one: BadFieldTry, *, only_first: bool) -> str | None:
    if one.is_accepted:
        return DROP if one.good_written else None
    if one.good_written:
        return PREFIX if only_first else GOOD_ONES
    # With the bad one first, nothing is written before it.
    return PREFIX if only_first and not one.good_first else REFUSE_ALL
