"""Enqueue two changes, wait for them, print the result of each item. Needs FEISHU_BATCH_REDIS_URL, and workers that run."""

import sys

from feishu_batch import FeishuBatch

STORY = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "update_mode": "UPDATE"}


def main() -> int:
    with FeishuBatch.from_env() as feishu:
        handles = feishu.enqueue_many(
            [
                {**STORY, "work_item_ids": [1001, 1002], "field_key": "field_3f6a90", "after_field_value": 5},
                {**STORY, "work_item_ids": [1002, 1013], "field_key": "field_a1b2c3", "after_field_value": "shipped"},
            ]
        )
        results = [handle.wait(timeout=60) for handle in handles]
    for result in results:
        print(result.intent_id, result.state, result.counts)
        for item, why in result.failed.items():
            print(f"  {item}: {why['reason']}")
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
