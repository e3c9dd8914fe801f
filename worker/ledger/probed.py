"""What `feishu-batch probe` found in the remote system of a lane, and when."""

import json
from typing import Any

from redis import Redis

from worker.ledger.keys import LaneKeys


def save_probe(redis: Redis, keys: LaneKeys, document: dict[str, Any]) -> None:
    """`document`: `at` (unix seconds), `when` (ISO), `host`, `space`, `type`, and `readings` by name."""
    redis.set(keys.probed, json.dumps(document, ensure_ascii=False))


def load_probe(redis: Redis, keys: LaneKeys) -> dict[str, Any] | None:
    """None: nothing was probed, or what is there cannot be read."""
    client: Any = redis
    try:
        found = json.loads(client.get(keys.probed) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
