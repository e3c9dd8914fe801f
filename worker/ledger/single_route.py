"""The steps of the single route: single updates of one item each, several in flight at the same time. Each method is one atomic step."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from worker.ledger.clock import to_ms
from worker.ledger.fields import SingleField
from worker.ledger.keys import LaneKeys
from worker.ledger.records import Advanced, Batch, BatchState, NoBatch, NoBatchReason
from worker.ledger.routes import SINGLE

MOST_STEPS: Final = 30  # of one claim, while groups are ranked or put off
LOOK_AGAIN: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class SingleState:
    """`rate`: requests a second that the settings allow, 0 = off. `off_for`: seconds for which it is switched off, because of `why`."""

    rate: int
    off_for: float = 0.0
    why: str = ""

    @property
    def is_on(self) -> bool:
        return self.rate > 0 and self.off_for <= 0


NO_SINGLES: Final = SingleState(0)


class SingleRoute:
    """Of a lane. `run`: runs one of the lane's scripts."""

    def __init__(self, redis: Redis, keys: LaneKeys, run: Callable[..., Any], now: Callable[[], float]) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._run = run
        self._now = now

    def configure(self, rate: int, *, alone: bool) -> None:
        """`rate`: requests a second, 0 = off. `alone`: an item is on one route at a time."""
        self._run("set_singles", rate, int(alone))

    def state(self) -> SingleState:
        rate, until, why = self._redis.hmget(
            self._keys.singles.state, SingleField.RATE, SingleField.OFF_UNTIL_MS, SingleField.WHY_OFF
        )
        off_for = int(until) / 1000 - self._now() if until else 0.0
        return SingleState(int(rate or 0), max(0.0, off_for), why if why and off_for > 0 else "")

    def claim(
        self, *, owner: str, max_wait: float, idem_uuid: str, token_fingerprint: str, grace: float
    ) -> Batch | NoBatch:
        """Take the changes of one item, and record the coming request. `owner`: a run with a valid lease.

        `grace`: seconds for which the cells of a request stay closed whose process has ended.
        """
        args = (owner, to_ms(max_wait), idem_uuid, token_fingerprint, to_ms(grace), SINGLE.items)
        for _ in range(MOST_STEPS):
            if (answer := self._run("claim_single", *args))[0] != "again":
                break
        else:
            return NoBatch(NoBatchReason.IDLE, LOOK_AGAIN)
        kind, rest = answer[0], answer[1:]
        if kind == "single":
            return Batch.from_description(json.loads(rest[0]), are_dead=bool(rest[1]), awaits_look=bool(rest[2]))
        if kind != "idle":
            return NoBatch(NoBatchReason(kind))
        until, are_dead, looks = map(int, rest)
        return NoBatch(NoBatchReason.IDLE, until / 1000 if until >= 0 else None, bool(are_dead), bool(looks))

    def begin(self, owner: str, lease: float) -> None:
        """A run takes its lease, for `lease` seconds."""
        self._run("extend_singles", owner, to_ms(lease), 1)

    def extend(self, owner: str, lease: float) -> bool:
        """False: the lease has ended, and others may have taken its updates over."""
        return bool(self._run("extend_singles", owner, to_ms(lease), 0))

    def dissolve(
        self,
        batch: Batch,
        state: BatchState,
        *,
        left: bool,
        bar: bool = False,
        off: float = 0.0,
        why: str = "",
        reads_behind: float = 0.0,
    ) -> Advanced:
        """Its changes may be sent again, by whichever route. Only for a request that was certainly not executed, or whose execution is over.

        `left`: it was sent, and is counted. `bar`: what its changes write goes by batches for an hour. `off`: seconds for which
        the route is switched off, because of `why`. `reads_behind`: seconds for which a read of its cells proves nothing, because it may
        have written them.
        """
        args = (batch.number, state, batch.fence, int(left), int(bar), to_ms(off), why, to_ms(reads_behind))
        ended, ready, looks, is_off = self._run("dissolve", *args)
        return Advanced(
            ended < 0,
            intents_ended=max(0, ended),
            became_ready=bool(ready),
            awaits_look=bool(looks),
            singles_off=bool(is_off),
        )

    def switch_off(self, seconds: float, why: str) -> bool:
        """Everything goes by batches meanwhile. True: the route was on until now."""
        return bool(self._run("stop_singles", to_ms(seconds), why))

    def switch_on(self) -> None:
        """Before the time for which it is switched off is over."""
        self._redis.hdel(self._keys.singles.state, SingleField.OFF_UNTIL_MS, SingleField.WHY_OFF)

    def pick_checks(self, *, hold: float, most: int, ahead: float = 0.0) -> list[Batch] | float | None:
        """Updates of one place that are to be read back now; or the seconds until one is; None if there is none."""
        answer = self._run("pick_singles", to_ms(hold), most, to_ms(ahead))
        if answer[0] == "none":
            return None
        if answer[0] == "wait":
            return int(answer[1]) / 1000
        return [Batch.from_description(one) for one in json.loads(answer[1])]
