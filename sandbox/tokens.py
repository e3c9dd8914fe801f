"""Plugin tokens: issued, expiring, and lost all at once when a fault says so."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox import errors
from sandbox.errors import RefusedError
from sandbox.world import Plugin

PREFIXES = {0: "p-", 1: "v-"}  # plugin token, virtual token


@dataclass
class Token:
    plugin: str
    expires_at: float


class Tokens:
    def __init__(self, plugins: Mapping[str, Plugin], expire_time: float, rng: random.Random) -> None:
        self._plugins = plugins
        self._expire_time = expire_time
        self._rng = rng
        self._tokens: dict[str, Token] = {}

    def issue(self, plugin_id: str, secret: str, kind: int, now: float) -> tuple[str, float]:
        """A new token and the seconds it is valid for. Older tokens of the plugin stay valid."""
        known = self._plugins.get(plugin_id)
        if self._plugins and (known is None or known.secret != secret):
            raise RefusedError(errors.PLUGIN_SECRET_WRONG)
        token = f"{PREFIXES[kind]}{self._rng.getrandbits(128):032x}"
        self._tokens[token] = Token(plugin_id, now + self._expire_time)
        return token, self._expire_time

    def owner(self, token: str) -> str | None:
        """The plugin that a token was issued to, be it expired or not."""
        return self._tokens[token].plugin if token in self._tokens else None

    def check(self, token: str, now: float) -> None:
        held = self._tokens.get(token)
        if held is None:
            raise RefusedError(errors.TOKEN_NOT_EXIST)
        if now >= held.expires_at:
            raise RefusedError(errors.TOKEN_CHECK_FAILED)
        plugin = self._plugins.get(held.plugin)
        if plugin is not None and plugin.lacks_permission:
            raise RefusedError(errors.NO_PERMISSION)

    def lose_all(self) -> None:
        """Every token is refused from now on, but its owner is still known, so that the limits keep counting."""
        for held in self._tokens.values():
            held.expires_at = float("-inf")
