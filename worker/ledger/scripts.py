"""The Lua files of the ledger, one per atomic step, made ready for a Redis connection."""

from functools import cache
from importlib import resources

from redis import Redis
from redis.commands.core import Script

_PRELUDE = "_lane.lua"
_OF_FRONT = frozenset({"take_round", "end_rounds", "count_attempt", "park", "replace_schedule"})
_WITHOUT_PRELUDE = _OF_FRONT | {"reserve_slot", "settle_slot", "hold_lock", "unlock"}


@cache
def script_text(name: str) -> str:
    """The text of ``lua/<name>.lua``, with the lane's shared prelude in front where the script works on a lane."""
    folder = resources.files("worker.ledger") / "lua"
    body = (folder / f"{name}.lua").read_text(encoding="utf-8")
    if name in _WITHOUT_PRELUDE:
        return body
    return (folder / _PRELUDE).read_text(encoding="utf-8") + "\n" + body


class Scripts:
    """Scripts bound to one connection pool; each is sent once and then called by its digest."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Script] = {}

    def get(self, name: str) -> Script:
        if name not in self._known:
            self._known[name] = self._redis.register_script(script_text(name))
        return self._known[name]
