"""The signature of the Celery task, for canvas and beat."""

import os
from typing import Any

from celery import Celery, Signature

from feishu_batch.intents import in_short, parse_intent
from feishu_batch.keys import DEFAULT_PREFIX, check_key_prefix
from feishu_batch.names import QUEUE_INTENTS, TASK_UPDATE_WORK_ITEMS, name_for
from feishu_batch.tracing import current_traceparent


def signature(*, app: Celery | None = None, key_prefix: str | None = None, **intent: Any) -> Signature:
    """An immutable signature of the intent's task, for the broker of `app` (default: the current Celery app).

    The task id is the intent id. With `intent_id` it is fixed, and a signature sent twice is one intent. Without it, each
    sending is a new intent, as with any signature. Raises IntentError. Celery's delivery guarantee is weaker than
    that of `FeishuBatch.enqueue`: a message can be lost with the worker that fetched it.
    `key_prefix`: the workers'; default: FEISHU_BATCH_KEY_PREFIX of the environment, as for `FeishuBatch.from_env`.
    """
    prefix = key_prefix or os.environ.get("FEISHU_BATCH_KEY_PREFIX", "").strip() or DEFAULT_PREFIX
    check_key_prefix(prefix)
    content = parse_intent(intent).model_dump(mode="json", exclude_defaults=True)
    task_id = content.pop("intent_id")
    fixed = {"task_id": task_id} if "intent_id" in intent else {}
    return Signature(
        TASK_UPDATE_WORK_ITEMS,
        kwargs=content,
        options={**fixed, "queue": name_for(QUEUE_INTENTS, prefix), "kwargsrepr": in_short(content), **_trace()},
        immutable=True,  # the task ignores the result of the previous task in a chain
        app=app,
    )


def _trace() -> dict[str, Any]:
    """The caller's trace, in the same header as OpenTelemetry's instrumentation of Celery uses."""
    trace = current_traceparent()
    return {"headers": {"traceparent": trace}} if trace else {}
