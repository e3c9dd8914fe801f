"""How many single updates a second are accepted, and over which window: 20 at once, then one after the other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from worker.operating.probing.readings import Reading, Sureness, by_majority, not_settled
from worker.operating.probing.run import CONNECTING, ProbeRun, in_threads
from worker.operating.probing.sent import Sent

NAME: Final = "single_limit"
SLIDING, FIXED, SMOOTH, UNLIMITED, LONGER = "sliding", "fixed", "smooth", "unlimited", "longer"
WORDS: Final = {
    SLIDING: "single updates: {limit} a second, sliding window",
    FIXED: "single updates: {limit} a second, fixed window",
    SMOOTH: "single updates: about {limit} a second, at equal distances",
    UNLIMITED: "single updates: {limit} at once, and none was refused",
    LONGER: "single updates: {limit} at once, and then none for longer than a second",
}
AT_ONCE: Final = 20
# Seconds after the burst: within the same second, and after it.
AFTER: Final = (*(0.15 + 0.075 * number for number in range(11)), 1.05, 1.15, 1.25)
SAME_SECOND: Final = 0.97  # seconds between two arrivals that are surely in the same sliding second
TRAINS: Final = 2
SLOW: Final = tuple(0.1 * number for number in range(22))  # where equal distances are likely
PER_CLIENT: Final = 6  # threads: a client has ten connections
QUIET: Final = 1.5  # seconds between trains
ONE_A_SECOND: Final = 1.15  # requests a second; with what a network makes of it
ROUNDING: Final = 0.1


@dataclass(frozen=True, slots=True)
class Shot:
    """`after`, `answered`: seconds after the first one of its train left. `in_burst`: meant to leave with it."""

    after: float
    answered: float
    in_burst: bool
    is_accepted: bool
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitSeen:
    trains: tuple[tuple[Shot, ...], ...]
    slow: tuple[Shot, ...]


def observe(run: ProbeRun) -> LimitSeen:
    trains = []
    for _ in range(TRAINS):
        trains.append(_train(run, [0.0] * AT_ONCE + [*AFTER]))
        time.sleep(QUIET * run.second)
    is_slow = all(_at_once(train) <= 1 for train in trains)
    return LimitSeen(tuple(trains), _train(run, SLOW) if is_slow else ())


def _train(run: ProbeRun, offsets: Sequence[float]) -> tuple[Shot, ...]:
    """What was neither accepted nor refused by the limit is left out."""
    field, clients = run.place.field, run.sender.clients
    values = [(run.item(number), run.next_value(run.item(number), field)) for number in range(len(offsets))]
    clock = _Departure(run.second)

    def send(number: int) -> Sent:
        item, value = values[number]
        client = clients[number // PER_CLIENT % len(clients)]
        return run.sender.put_now(item, {field.key: value}, clock.at(offsets[number]), client)

    sent = in_threads(send, len(offsets))
    shots = [
        (one.at, one.answered_at, offset, one)
        for offset, one in zip(offsets, sent, strict=True)
        if one.at is not None and one.answered_at is not None and (one.is_accepted or one.is_limited)
    ]
    began = min((at for at, *_ in shots), default=0.0)
    return tuple(
        Shot(
            after=(at - began) / run.second,
            answered=(answered_at - began) / run.second,
            in_burst=offset == 0,
            is_accepted=one.is_accepted,
            retry_after=one.error.retry_after if one.error else 0.0,
        )
        for at, answered_at, offset, one in sorted(shots, key=lambda shot: shot[0])
    )


class _Departure:
    """All connections are open before the first one leaves."""

    def __init__(self, second: float) -> None:
        self._second = second
        self._starts_at = time.monotonic() + min(CONNECTING, max(1.0, second))

    def at(self, offset: float) -> Callable[[], bool]:
        def leave() -> bool:
            time.sleep(max(0.0, self._starts_at + offset * self._second - time.monotonic()))
            return True

        return leave


def judge(seen: LimitSeen) -> Reading:
    votes = [vote for train in seen.trains if (vote := _vote(train, seen.slow))]
    if not votes:
        return not_settled(NAME, "no single update was answered")
    limit = min(_limit(train, seen.slow) for train in seen.trains if _at_once(train))
    words = {kind: text.format(limit=limit) for kind, text in WORDS.items()}
    waits = [shot.retry_after for train in seen.trains for shot in train if not shot.is_accepted]
    figures = {"per_second": limit, "refused": len(waits), "retry_after": max(waits, default=0.0)}
    # One that is accepted within the same second proves that the window does not slide; that none is proves nothing.
    early = [vote for vote in votes if vote in (FIXED, SMOOTH)]
    if early and len(early) < len(votes):
        return Reading(NAME, early[0], words[early[0]], Sureness.PERHAPS, len(early), len(votes), figures)
    return by_majority(NAME, words, votes, **figures)


def _at_once(train: Sequence[Shot]) -> int:
    return sum(shot.is_accepted for shot in train if shot.in_burst)


def _vote(train: Sequence[Shot], slow: Sequence[Shot]) -> str | None:
    at_once = _at_once(train)
    if not at_once:
        return None
    if all(shot.is_accepted for shot in train if shot.in_burst):
        return UNLIMITED
    if early := len(_early(train)):
        is_smooth = early > at_once + 1 or (at_once == 1 and _rate(train, slow) > ONE_A_SECOND)
        return SMOOTH if is_smooth else FIXED
    return SLIDING if any(shot.is_accepted and not shot.in_burst for shot in train) else LONGER


def _early(train: Sequence[Shot]) -> list[Shot]:
    """Those that left after a refusal was answered, and arrived in the same second as the first one that was accepted: no window that slides
    accepts them.
    """
    refused_at = min((shot.answered for shot in train if not shot.is_accepted), default=0.0)
    first = min(shot.after for shot in train if shot.is_accepted)
    shortest = _shortest(train)
    return [
        shot
        for shot in train
        if shot.is_accepted and shot.after > refused_at and shot.answered - first - shortest < SAME_SECOND
    ]


def _limit(train: Sequence[Shot], slow: Sequence[Shot]) -> int:
    """What was accepted at once may be less than a sliding window takes: a later request can overtake some of them."""
    vote = _vote(train, slow)
    if vote == SMOOTH:
        return max(1, int(_rate(train, slow) + ROUNDING))
    if vote != SLIDING:
        return _at_once(train)
    return sum(shot.is_accepted and shot.answered < SAME_SECOND for shot in train)


def _rate(train: Sequence[Shot], slow: Sequence[Shot]) -> float:
    """Accepted requests a second, after the burst: never more than the limit, as far as the requests were apart."""
    rates = [0.0]
    for shots in (train, slow):
        accepted = [shot for shot in shots if shot.is_accepted and not shot.in_burst]
        if len(accepted) > 1:
            at_most = accepted[-1].answered - accepted[0].after - _shortest(shots)  # between their arrivals
            rates.append((len(accepted) - 1) / at_most)
    return max(rates)


def _shortest(shots: Sequence[Shot]) -> float:
    """The shortest way there and back, in seconds."""
    return min(shot.answered - shot.after for shot in shots)
