"""A Celery message without Celery: what a program in any language pushes into Redis, and where the result appears.

Needs FEISHU_BATCH_REDIS_URL, and workers that run. The only library used is a Redis client.
"""

import base64
import json
import os
import sys
import time
from uuid import uuid4

from redis import Redis

TASK, QUEUE = "feishu_batch.update_work_items", "feishu.intents"


def message(intent_id: str, intent: dict[str, object]) -> str:
    """Celery's message protocol 2 in kombu's envelope for Redis. The body: no positional arguments, the intent, no callbacks."""
    body = json.dumps([[], intent, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"lang": "any", "task": TASK, "id": intent_id, "root_id": intent_id},
            "properties": {
                "correlation_id": intent_id,
                "delivery_tag": str(uuid4()),
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "body_encoding": "base64",
            },
        }
    )


def ended(redis: Redis, intent_id: str, seconds: float) -> dict[str, object] | None:
    """What Celery's result backend holds once the intent has ended; None after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stored: dict[str, object] = json.loads(redis.get(f"celery-task-meta-{intent_id}") or "{}")
        if stored.get("status") in ("SUCCESS", "FAILURE", "REVOKED"):
            return stored
        time.sleep(0.2)
    return None


def main() -> int:
    intent_id = str(uuid4())
    intent = {
        "project_key": "5f0c1a2b3c4d5e6f70818283",
        "work_item_type_key": "story",
        "work_item_ids": [1004, 1005],
        "field_key": "field_a1b2c3",
        "update_mode": "UPDATE",
        "after_field_value": "from any language",
    }
    with Redis.from_url(os.environ["FEISHU_BATCH_REDIS_URL"], decode_responses=True) as redis:
        redis.lpush(QUEUE, message(intent_id, intent))
        stored = ended(redis, intent_id, 60)
    print(f"{stored['status']} {stored['result']}" if stored else f"{intent_id} has not ended yet; it continues")
    return 0 if stored and stored["status"] == "SUCCESS" else 1


if __name__ == "__main__":
    sys.exit(main())
