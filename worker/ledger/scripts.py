"""The Lua files of the ledger, one per atomic step, made ready for a Redis connection."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis
from redis.commands.core import Script

from worker.ledger.clock import witness

_ENDING = frozenset({"claim", "end_stopped"})  # what waits: _leaving.lua stands behind the prelude
_OF_FRONT = frozenset({"take_round", "end_rounds", "count_attempt", "park", "replace_schedule"})
_OF_SLOTS = frozenset({"reserve_slot", "settle_slot"})
_WITHOUT_CLOCK = _OF_FRONT | {"hold_lock", "unlock", "want_hint"}
_WITHOUT_PRELUDE = _WITHOUT_CLOCK | _OF_SLOTS


@cache
def script_text(name: str) -> str:
    """The text of ``lua/<name>.lua``, with the ledger's clock and the lane's shared prelude in front where the script uses them."""
    folder = resources.files("worker.ledger") / "lua"
    parts = ["_leaving", name] if name in _ENDING else [name]
    if name not in _WITHOUT_PRELUDE:
        parts.insert(0, "_lane")
    if name not in _WITHOUT_CLOCK:
        parts.insert(0, "_clock")
    return "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)


class TimedScript:
    """A script that is told of this machine's steady clock whenever it is called (lua/_clock.lua)."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = (), client: Any = None) -> Any:
        return self._script(keys=keys, args=[*args, witness()], client=client)


class Scripts:
    """Scripts bound to one connection pool; each is sent once and then called by its digest."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Script | TimedScript] = {}

    def get(self, name: str) -> Script | TimedScript:
        if name not in self._known:
            script = self._redis.register_script(script_text(name))
            self._known[name] = script if name in _WITHOUT_CLOCK else TimedScript(script)
        return self._known[name]
