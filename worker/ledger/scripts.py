"""The Lua files of the ledger, one per atomic step, made ready for a Redis connection."""

from functools import cache
from importlib import resources

from redis import Redis
from redis.commands.core import Script

_PRELUDE = "_lane.lua"
_LEAVING = "_leaving.lua"  # behind the prelude, where changes that wait are ended
_ENDING = frozenset({"claim", "end_stopped"})
_OF_FRONT = frozenset({"take_round", "end_rounds", "count_attempt", "park", "replace_schedule"})
_WITHOUT_PRELUDE = _OF_FRONT | {"reserve_slot", "settle_slot", "hold_lock", "unlock"}


@cache
def script_text(name: str) -> str:
    """The text of ``lua/<name>.lua``, with the shared parts in front where the script works on a lane."""
    folder = resources.files("worker.ledger") / "lua"
    body = (folder / f"{name}.lua").read_text(encoding="utf-8")
    if name in _WITHOUT_PRELUDE:
        return body
    shared = (_PRELUDE, _LEAVING) if name in _ENDING else (_PRELUDE,)
    return "\n".join([*((folder / part).read_text(encoding="utf-8") for part in shared), body])


class Scripts:
    """Scripts bound to one connection pool; each is sent once and then called by its digest."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Script] = {}

    def get(self, name: str) -> Script:
        if name not in self._known:
            self._known[name] = self._redis.register_script(script_text(name))
        return self._known[name]
