import json

import pytest
from celery import Celery, chain
from opentelemetry.sdk.trace import TracerProvider

from feishu_batch import ConfigurationError, IntentError, parse_intent, signature
from feishu_batch.names import QUEUE_INTENTS, TASK_UPDATE_WORK_ITEMS
from tests.client.intent_factory import content


def test_a_signature_carries_the_intent_and_its_id_is_the_task_id():
    made = signature(**content(intent_id="mine", expires_at="2030-01-01T00:00:00Z"))
    assert made.task == TASK_UPDATE_WORK_ITEMS
    assert (made.options["task_id"], made.options["queue"]) == ("mine", QUEUE_INTENTS)
    assert made.immutable
    sent = json.loads(json.dumps(made))["kwargs"]
    assert parse_intent({**sent, "intent_id": "mine"}) == parse_intent(
        content(intent_id="mine", expires_at="2030-01-01T00:00:00Z")
    )


def test_a_signature_goes_to_the_queue_of_the_workers_with_its_key_prefix(monkeypatch):
    assert signature(key_prefix="staging", **content()).options["queue"] == f"{QUEUE_INTENTS}.staging"
    monkeypatch.setenv("FEISHU_BATCH_KEY_PREFIX", " of-the-environment\n")
    assert signature(**content()).options["queue"] == f"{QUEUE_INTENTS}.of-the-environment"
    assert signature(key_prefix="feishu-batch", **content()).options["queue"] == QUEUE_INTENTS
    with pytest.raises(ConfigurationError, match="key_prefix"):
        signature(key_prefix="no{braces}", **content())


def test_without_an_id_of_its_own_each_sending_is_another_intent(redis_url, redis):
    app = Celery(broker=redis_url, set_as_current=False)
    app.conf.task_ignore_result = True
    redis.delete(QUEUE_INTENTS)
    made = signature(app=app, **content())
    try:
        sent = [made.delay().id, made.delay().id, made.apply_async(task_id="chosen").id]
    finally:
        app.close()
    headers = [json.loads(message)["headers"] for message in redis.lrange(QUEUE_INTENTS, 0, -1)]
    assert [one["id"] for one in reversed(headers)] == sent
    assert len(set(sent)) == 3


def test_a_signature_that_is_made_in_a_trace_carries_it():
    assert "headers" not in signature(**content()).options
    with TracerProvider(shutdown_on_exit=False).get_tracer("app").start_as_current_span("a request") as above:
        made = signature(**content())
    context = above.get_span_context()
    assert made.options["headers"] == {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-01"}


def test_a_bad_intent_is_refused_when_the_signature_is_made():
    with pytest.raises(IntentError, match="work_item_ids"):
        signature(**content(work_item_ids=[]))


def test_what_flower_shows_of_the_message_is_the_change_without_its_value(redis_url, redis):
    app = Celery(broker=redis_url, set_as_current=False)
    app.conf.task_ignore_result = True
    redis.delete(QUEUE_INTENTS)
    made = signature(app=app, **content(intent_id="short", after_field_value="a salary"))
    try:
        made.apply_async()
    finally:
        app.close()
    message = json.loads(redis.lindex(QUEUE_INTENTS, 0))
    shown = message["headers"]["kwargsrepr"]
    assert "'work_item_type_key': 'story'" in shown
    assert "a salary" not in shown


def test_in_a_chain_the_task_keeps_the_intents_id(redis_url, redis):
    app = Celery(broker=redis_url, set_as_current=False)
    app.conf.task_ignore_result = True
    redis.delete(QUEUE_INTENTS)
    made = chain(
        signature(app=app, **content(intent_id="first")), signature(app=app, **content(intent_id="second")), app=app
    )
    try:
        result = made.apply_async()
    finally:
        app.close()
    assert (result.parent.id, result.id) == ("first", "second")
    headers = json.loads(redis.lindex(QUEUE_INTENTS, 0))["headers"]
    assert (headers["task"], headers["id"]) == (TASK_UPDATE_WORK_ITEMS, "first")
