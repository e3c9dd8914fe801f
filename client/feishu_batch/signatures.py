"""The Celery door, for canvas and beat."""

from typing import Any

from celery import Celery, Signature

from feishu_batch.intents import in_short, parse_intent
from feishu_batch.names import QUEUE_INTENTS, TASK_UPDATE_WORK_ITEMS
from feishu_batch.tracing import current_traceparent


def signature(*, app: Celery | None = None, **intent: Any) -> Signature:
    """An immutable signature of the intent's task, for the broker of `app` (default: the current Celery app).

    The task id is the intent id: with `intent_id` it stands fixed, and sent twice the signature is one intent; without, each
    sending is an intent of its own, as with any signature. Raises IntentError. Celery's delivery guarantee is weaker than
    that of `FeishuBatch.enqueue`: a message can vanish with the worker that fetched it.
    """
    content = parse_intent(intent).model_dump(mode="json", exclude_defaults=True)
    task_id = content.pop("intent_id")
    fixed = {"task_id": task_id} if "intent_id" in intent else {}
    return Signature(
        TASK_UPDATE_WORK_ITEMS,
        kwargs=content,
        options={**fixed, "queue": QUEUE_INTENTS, "kwargsrepr": in_short(content), **_trace()},
        immutable=True,  # the task takes no result of a task before it in a chain
        app=app,
    )


def _trace() -> dict[str, Any]:
    """The trace that the caller is in, in the header where OpenTelemetry's own instrumentation of Celery puts it as well."""
    trace = current_traceparent()
    return {"headers": {"traceparent": trace}} if trace else {}
