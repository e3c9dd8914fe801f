"""The token that all processes of a lane share, in Redis."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from redis import Redis

from worker.ledger.scripts import Scripts
from worker.remote.models import Token

HOLD_MS = 15_000  # a holder that died loses the right to renew after about one request's time-out
RETRY = 0.05  # seconds


class RedisTokenStore:
    """Implements `worker.remote.tokens.TokenStore`. `credential` names whose token it is, without giving it away: after a
    change of the plugin or its secret nobody goes on with the old one's token.
    """

    def __init__(self, redis: Redis, lane_prefix: str, credential: str) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._key = f"{lane_prefix}token:{credential}"
        self._lock_key = f"{lane_prefix}token-lock:{credential}"

    def load(self) -> Token | None:
        text = self._redis.get(self._key)
        if text is None:
            return None
        kept = json.loads(text)
        return Token.issued(kept["value"], at=kept["expires_at"] - kept["lifetime"], lifetime=kept["lifetime"])

    def save(self, token: Token) -> None:
        kept = {"value": token.value.get_secret_value(), "expires_at": token.expires_at, "lifetime": token.lifetime}
        self._redis.set(self._key, json.dumps(kept), px=max(1000, round((token.expires_at - time.time()) * 1000)))

    @contextmanager
    def lock(self, timeout: float) -> Iterator[bool]:
        owner = str(uuid4())
        held = self._acquire(owner, timeout)
        try:
            yield held
        finally:
            if held:
                self._scripts.get("unlock")(keys=[self._lock_key], args=[owner])

    def _acquire(self, owner: str, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self._is_ours(owner):
            if time.monotonic() >= deadline:
                return False
            time.sleep(RETRY)
        return True

    def _is_ours(self, owner: str) -> bool:
        """The connection repeats a command whose answer it missed: then the lock is there already, and ours."""
        taken = self._redis.set(self._lock_key, owner, nx=True, px=HOLD_MS)
        return bool(taken) or self._redis.get(self._lock_key) == owner
