"""Plugin tokens: issuing, expiry, and the fault that loses all of them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox import errors
from sandbox.errors import ApiError
from sandbox.world import Plugin

PREFIXES = {0: "p-", 1: "v-"}  # plugin token, virtual token


@dataclass
class IssuedToken:
    plugin: str
    expires_at: float


class Tokens:
    def __init__(self, plugins: Mapping[str, Plugin], expire_time: float, rng: random.Random) -> None:
        self._plugins = plugins
        self._expire_time = expire_time
        self._rng = rng
        self._tokens: dict[str, IssuedToken] = {}

    def issue(self, plugin_id: str, secret: str, kind: int, now: float) -> tuple[str, float]:
        """A new token and the seconds it is valid for. Older tokens of the plugin stay valid."""
        known = self._plugins.get(plugin_id)
        if self._plugins and (known is None or known.secret != secret):
            raise ApiError(errors.PLUGIN_SECRET_WRONG)
        token = f"{PREFIXES[kind]}{self._rng.getrandbits(128):032x}"
        self._tokens[token] = IssuedToken(plugin_id, now + self._expire_time)
        return token, self._expire_time

    def owner(self, token: str) -> str | None:
        """The plugin that a token was issued to, even if the token has expired."""
        return self._tokens[token].plugin if token in self._tokens else None

    def check(self, token: str, now: float) -> None:
        held = self._tokens.get(token)
        if held is None:
            raise ApiError(errors.TOKEN_NOT_EXIST)
        if now >= held.expires_at:
            raise ApiError(errors.TOKEN_CHECK_FAILED)
        plugin = self._plugins.get(held.plugin)
        if plugin is not None and plugin.lacks_permission:
            raise ApiError(errors.NO_PERMISSION)

    def lose_all(self) -> None:
        """All tokens are refused from now on; their owners stay known, for the rate limits."""
        for held in self._tokens.values():
            held.expires_at = float("-inf")
