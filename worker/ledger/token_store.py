"""The token that all processes of a lane share, in Redis."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from redis import Redis

from worker.heartbeat import Heartbeat
from worker.ledger.keys import LaneKeys
from worker.ledger.scripts import Scripts
from worker.remote.models import Token

# A renewal may take a whole HTTP timeout, so a heartbeat extends its lock: that of a dead process expires after HOLD.
HOLD = 3.0  # seconds
HEARTBEAT = 0.75  # seconds
RETRY = 0.05  # seconds


class RedisTokenStore:
    """Implements `worker.remote.tokens.TokenStore`. `credential`: a hash that identifies the credential, so that after a
    change of the plugin or its secret no process uses the old token.
    """

    def __init__(self, redis: Redis, keys: LaneKeys, credential: str) -> None:
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._key = keys.token(credential)
        self._lock_key = keys.token_lock(credential)

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
        if not self._acquire(owner, timeout):
            yield False
            return
        try:
            with Heartbeat(partial(self._hold, owner), interval=HEARTBEAT, lease=HOLD):
                yield True
        finally:
            self._scripts.get("unlock")(keys=[self._lock_key], args=[owner])

    def _acquire(self, owner: str, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self._hold(owner):
            if time.monotonic() >= deadline:
                return False
            time.sleep(RETRY)
        return True

    def _hold(self, owner: str) -> bool:
        return bool(self._scripts.get("hold_lock")(keys=[self._lock_key], args=[owner, round(HOLD * 1000)]))
