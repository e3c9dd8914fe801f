"""Intents as a backend sends them through Celery, by the library's signature and by the name of the task."""

from feishu_batch import signature
from tests.support.model import intent

TASK = "feishu_batch.update_work_items"


def content(items=(1101, 1102), value="x", **more):
    one = intent(items, value, **more).model_dump(mode="json", exclude_defaults=True)
    del one["intent_id"]
    return one


def sign(app, items=(1101, 1102), value="x", **more):
    return signature(app=app, **content(items, value, **more))


def send(app, task_id=None, **options):
    return app.send_task(
        TASK, kwargs=content(**options.pop("content", {})), queue="feishu.intents", task_id=task_id, **options
    )
