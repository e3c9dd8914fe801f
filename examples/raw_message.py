"""The Celery door without Celery: what a program in any language has to push into Redis, and where the result appears.

Needs FEISHU_BATCH_REDIS_URL, and workers that run. The only library used is a Redis client.
"""

import base64
import json
import os
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


def main() -> None:
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
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            told = json.loads(redis.get(f"celery-task-meta-{intent_id}") or "{}")
            if told.get("status") in ("SUCCESS", "FAILURE"):
                print(told["status"], told["result"])
                return
            time.sleep(0.2)


if __name__ == "__main__":
    main()
