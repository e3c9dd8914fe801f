"""Two intents, one after the other: the second starts when the first has succeeded. Needs FEISHU_BATCH_REDIS_URL, and workers that run."""

import os

from celery import Celery, chain

from feishu_batch import ItemsFailed, signature

STORY = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "update_mode": "UPDATE"}


def main() -> None:
    redis_url = os.environ["FEISHU_BATCH_REDIS_URL"]
    app = Celery("backend", broker=redis_url, backend=redis_url)
    stage = {"field_key": "field_f5ed1b", "after_field_value": {"value": "p0w3e8r5t"}}
    note = {"field_key": "field_a1b2c3", "after_field_value": "started"}
    both = chain(signature(app=app, **STORY, work_item_ids=[1003], **fields) for fields in (stage, note))
    try:
        print(both.apply_async().get(timeout=60)["counts"])
    except ItemsFailed as error:
        print(error.result["failed"])


if __name__ == "__main__":
    main()
