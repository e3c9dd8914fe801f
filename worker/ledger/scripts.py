"""The Lua files of the ledger, one per atomic step, registered for a Redis connection."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis
from redis.commands.core import Script

from worker.ledger.clock import witness
from worker.ledger.lua_constants import with_constants

_USES = re.compile(r"^-- USES  (.+)$", re.MULTILINE)
_WITH_CLOCK = "clock"


@cache
def _file(name: str) -> str:
    return (resources.files("worker.ledger") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def parts_of(name: str) -> tuple[str, ...]:
    """The shared parts (``lua/_<part>.lua``) that the script uses, each once and behind those that it uses itself."""
    found: dict[str, None] = {}

    def visit(file: str) -> None:
        used = _USES.search(_file(file))
        for part in used[1].split() if used else ():
            if part not in found:
                visit(f"_{part}")
                found[part] = None

    visit(name)
    return tuple(found)


@cache
def script_text(name: str) -> str:
    """The text of ``lua/<name>.lua`` behind the parts that it uses, and the constants that any of them names."""
    return with_constants("\n".join(_file(part) for part in (*(f"_{part}" for part in parts_of(name)), name)))


class TimedScript:
    """A script that gets this machine's monotonic clock at each call (lua/_clock.lua)."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = (), client: Any = None) -> Any:
        return self._script(keys=keys, args=[*args, witness()], client=client)


class Scripts:
    """Scripts for one connection pool; each is sent once and then called by its digest."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Script | TimedScript] = {}

    def get(self, name: str) -> Script | TimedScript:
        if name not in self._known:
            script = self._redis.register_script(script_text(name))
            self._known[name] = TimedScript(script) if _WITH_CLOCK in parts_of(name) else script
        return self._known[name]
