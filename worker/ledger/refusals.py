"""Refusals of the remote system in a lane: spaces, access, unlisted codes. Remembered for a limited time."""

from typing import Any

from redis import Redis

from worker.ledger.clock import to_ms
from worker.ledger.keys import LaneKeys
from worker.ledger.records import Access, Outcome
from worker.ledger.scripts import Scripts


class Refusals:
    """Of one lane. A place is `<project_key> <user_key>`; times are seconds."""

    def __init__(self, redis: Redis, keys: LaneKeys) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._keys = keys

    def refuse_space(self, space: str, outcome: Outcome, seconds: float) -> None:
        """Remember for a while that the remote system refuses this space and type, so that no further requests are sent for it."""
        self._redis.set(self._keys.refused(space), outcome.detail(), px=to_ms(seconds))

    def space_refusal(self, space: str, seconds: float) -> Outcome | None:
        """`seconds`: how long it must be remembered. If more time is left, the server's clock was set back."""
        key = self._keys.refused(space)
        detail, left = self._redis.pipeline(transaction=False).get(key).pttl(key).execute()
        return Outcome.from_detail(detail) if detail and left <= to_ms(seconds) else None

    def note_refused(self, place: str, enough: int, memory: float) -> Access:
        """A place, `<project_key> <user_key>`, refused access. `memory`: seconds for which refusals count."""
        refusals, others, here, elsewhere = self._note_access(place, "refused", enough, to_ms(memory), 0)
        return Access(int(refusals), bool(others), bool(here), str(elsewhere) or None)

    def note_accepted(self, place: str, memory: float, *, as_itself: bool = False) -> None:
        """`memory`: seconds for which the acceptance of the lane's own user there (`as_itself`) counts."""
        word = "accepted as itself" if as_itself else "accepted"
        self._note_access(place, word, 0, 0, to_ms(memory))

    def note_unlisted(self, kind: str, code: int, memory: float) -> int:
        """A request of this kind was refused with an unlisted code: returns the number in a row with the same code."""
        key = self._keys.unlisted(kind)
        row, _ = self._redis.pipeline(transaction=True).hincrby(key, str(code), 1).pexpire(key, to_ms(memory)).execute()
        return int(row)

    def forget_unlisted(self, kind: str) -> None:
        self._redis.delete(self._keys.unlisted(kind))

    def _note_access(self, *args: Any) -> Any:
        return self._scripts.get("note_access")(keys=[self._keys.head], args=args)
