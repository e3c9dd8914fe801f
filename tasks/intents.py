"""The Celery task that backend apps call. One task is one intent."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

import structlog
from celery import Task
from celery.exceptions import Ignore
from celery.utils.time import maybe_iso8601, maybe_make_aware

from config.routing import TaskName
from feishu_batch.errors import IntentConflict, IntentError
from feishu_batch.intents import LONGEST_PRODUCER, UpdateIntent, in_short, parse_intent
from feishu_batch.packing import PackedIntent
from feishu_batch.tracing import traceparent_in
from tasks.messages import STRATEGY
from tasks.pipeline import finish
from tasks.process import runtime
from worker.app import app


class ParkingTask(Task):
    """The signature that replaces this task is not sent at once: it waits in the ledger for the intent's end."""

    Strategy = STRATEGY
    Request = "tasks.messages:WithoutValue"

    def on_replace(self, sig: Any) -> NoReturn:
        again = bool((self.request.delivery_info or {}).get("redelivered"))
        runtime().parking.park(self.request.id, json.dumps(sig), delivered_before=again)
        raise Ignore

    def on_failure(self, _error: Exception, task_id: str, *_: Any) -> None:
        """Celery has just stored a refusal under the id. If an intent with that id had ended before, its result is published again."""
        runtime().parking.publish_again(task_id)


def _packed(intent: UpdateIntent, expires: datetime | str | None) -> PackedIntent:
    """`expires` of `apply_async` also applies to waiting changes in the ledger. It belongs to the message and not to the content:
    the same intent may be sent again with another `expires`.
    """
    packed = PackedIntent.of(intent)
    if not expires:
        return packed
    message_expires_at = maybe_make_aware(maybe_iso8601(expires), app.timezone)
    expires_at = min(filter(None, [intent.expires_at, message_expires_at]))
    return replace(packed, json=intent.model_copy(update={"expires_at": expires_at}).to_json())


def _sender(origin: str | None) -> str:
    """Celery names process and host: ``gen4242@web-1``."""
    host = (origin or "").partition("@")[2]
    return f"celery@{host}"[:LONGEST_PRODUCER] if host.isprintable() and host else ""


@app.task(base=ParkingTask, bind=True, name=str(TaskName.UPDATE_WORK_ITEMS), throws=(IntentError, IntentConflict))
def update_work_items(self: Any, *_results_before: Any, **intent: Any) -> Any:
    """Change one field of up to 10,000 work items. The result has an entry for each item that was not changed.

    In a chain it ignores the result of the previous task.
    """
    structlog.contextvars.clear_contextvars()
    if intent.setdefault("intent_id", self.request.id) != self.request.id:
        raise IntentError(f"intent_id: {intent['intent_id']!r} is not the task's own id {self.request.id!r}")
    here = runtime()
    parsed = parse_intent(intent)
    trace, sender = traceparent_in(self.request.get("traceparent")), _sender(self.request.origin)
    here.inbox.enqueue(_packed(parsed, self.request.expires), trace, sender)
    here.hints.arrived()  # writing set the mark of an outstanding hint; the next line acts as that hint
    here.intake.drain()
    # Under the same id, so that Flower shows the end instead of the start, with the same name and parent.
    as_before = {"shadow": self.name, "kwargsrepr": in_short(intent), "parent_id": self.request.parent_id}
    return self.replace(finish.si().set(**as_before))
