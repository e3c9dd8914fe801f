"""A backend app as a user of the library has it: its own Celery instance, its own queue, its own tasks."""

import json
import os

from celery import Celery, Task
from celery.result import allow_join_result
from redis import Redis

from feishu_batch import signature

URL = os.environ.get("BACKEND_REDIS_URL", "redis://127.0.0.1:1/0")
SEEN = "backend-seen"

# Not current: in the test's own process it would become everybody's default.
app = Celery("backend", broker=URL, backend=URL, set_as_current=False)
app.conf.update(task_default_queue="backend", broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


def _note(**what):
    with Redis.from_url(URL) as redis:
        redis.rpush(SEEN, json.dumps(what))


@app.task(name="backend.note")
def note(result, tag):
    _note(tag=tag, result=result)
    return result


@app.task(name="backend.note_without_queue")
def note_without_queue(result, tag):
    _note(tag=tag, result=result)


@app.task(bind=True, name="backend.note_error")
def note_error(self: Task, failed_id):
    with allow_join_result():  # Celery calls the errbacks of a chord's body before it stores how that ended
        error = self.app.AsyncResult(failed_id).get(timeout=10, propagate=False)
    _note(tag="error", failed_id=failed_id, error=type(error).__name__, message=str(error))


@app.task(name="backend.say")
def say(word):
    return word


@app.task(name="backend.gather")
def gather(results, tag):
    _note(tag=tag, results=results)
    return len(results)


@app.task(bind=True, name="backend.become")
def become(self: Task, wish):
    return self.replace(signature(app=app, **wish))


@app.task(bind=True, name="backend.widen")
def widen(self: Task, wish):
    self.add_to_chord(signature(app=app, **wish))
    return "widened"


@app.task(bind=True, name="backend.send_and_retry")
def send_and_retry(self: Task, intent_id, wish):
    app.send_task("feishu_batch.update_work_items", kwargs=wish, task_id=intent_id, queue="feishu.intents")
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries
