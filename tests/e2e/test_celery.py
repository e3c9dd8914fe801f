"""For Celery, an intent is a task like any other. The backend app here has its own instance, queue and worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import backend_app as backend
import pytest
from celery import chain, chord, group
from model import REFUSING, intent
from stack import wait_until

from feishu_batch import IntentConflict, IntentError, ItemsFailed, signature

TASK = "feishu_batch.update_work_items"
REFUSED = next(iter(REFUSING))


@pytest.fixture(scope="module")
def app(shared_stack):
    """The backend app; its tasks are run by a worker process of its own."""
    url = shared_stack.server.url
    environment = {**os.environ, "BACKEND_REDIS_URL": url}
    argv = [sys.executable, "-m", "celery", "-A", "backend_app", "worker", "-Q", "backend", "-P", "threads", "-c", "2"]
    argv += ["-n", "backend@%h", "--without-gossip", "--without-mingle"]
    with (shared_stack.directory / "backend.log").open("wb") as log:
        worker = subprocess.Popen(argv, cwd=Path(__file__).parent, env=environment, stdout=log, stderr=log)
    backend.app.conf.update(broker_url=url, result_backend=url)
    yield backend.app
    backend.app.close()
    worker.kill()
    worker.wait()


@pytest.fixture
def seen(stack):
    def await_tag(tag, timeout=15):
        def look():
            notes = [json.loads(one) for one in stack.redis.lrange(backend.SEEN, 0, -1)]
            return [one for one in notes if one["tag"] == tag]

        return wait_until(look, timeout, f"the backend's worker saw {tag}")

    yield await_tag
    stack.redis.delete(backend.SEEN)


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


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("header", "kept"), [(TRACE, TRACE), ("nonsense", None), (7, None)])
def test_the_trace_of_a_message_goes_along_with_its_intent(stack, app, header, kept):
    result = send(app, headers={"traceparent": header})
    result.get(timeout=15)
    number, lane = stack.front.locate(result.id)
    assert stack.redis.hget(f"{stack.settings.key_prefix}:{{{lane}}}:intent:{number}", "tc") == kept


def test_a_task_sent_by_name_returns_the_counts(stack, app):
    result = send(app)
    told = result.get(timeout=15)
    assert told["intent_id"] == result.id
    assert (told["state"], told["counts"]) == ("succeeded", {"succeeded": 2, "failed": 0})
    assert stack.sandbox.values()[1101] == {"field_a1b2c3": "x"}


def test_a_signature_of_the_library_is_the_same_task(stack, app):
    one = sign(app)
    result = one.delay()
    assert result.id == one.options["task_id"]
    assert result.get(timeout=15)["state"] == "succeeded"


def test_failing_items_fail_the_task_with_an_error_that_names_them(stack, app):
    result = sign(app, [1101, REFUSED]).delay()
    with pytest.raises(ItemsFailed, match=f"{REFUSED}.*{REFUSING[REFUSED]}") as caught:
        result.get(timeout=15)
    assert result.state == "FAILURE"
    assert caught.value.result["state"] == "partial"
    assert caught.value.result["failed"][str(REFUSED)]["code"] == REFUSING[REFUSED]


def test_link_gets_the_counts(stack, app, seen):
    sign(app).apply_async(link=backend.note.s(tag="linked").set(queue="backend"))
    [note] = seen("linked")
    assert note["result"]["counts"] == {"succeeded": 2, "failed": 0}


def test_a_callback_that_names_no_queue_goes_to_the_callback_queue(stack, app, seen):
    send(app, link=backend.note_without_queue.s(tag="no queue named"))
    assert seen("no queue named")


def test_link_error_gets_the_id_of_the_failed_task(stack, app, seen):
    result = sign(app, [REFUSED]).apply_async(link_error=backend.note_error.s().set(queue="backend"))
    [note] = seen("error")
    assert note["failed_id"] == result.id
    assert note["error"] == "ItemsFailed"
    assert str(REFUSED) in note["message"]


def test_it_may_be_any_link_of_a_chain(stack, app, seen):
    first = chain(sign(app, value="first"), backend.note.s(tag="after the first"))
    middle = chain(backend.say.s("hello"), sign(app, value="middle"), backend.note.s(tag="after the middle"))
    last = chain(backend.say.s("hello"), sign(app, [1103], value="last"))
    results = [one.apply_async() for one in (first, middle, last)]
    assert [result.get(timeout=20)["state"] for result in results] == ["succeeded"] * 3
    assert seen("after the first")[0]["result"]["intent_id"] == results[0].parent.id
    assert seen("after the middle")[0]["result"]["intent_id"] == results[1].parent.id
    assert stack.sandbox.values()[1103] == {"field_a1b2c3": "last"}


def test_a_chain_of_intents_keeps_its_order_and_stops_at_a_failure(stack, app):
    result = chain(
        sign(app, [1104], "one"), sign(app, [REFUSED, 1104], "two"), sign(app, [1104], "three")
    ).apply_async()
    with pytest.raises(ItemsFailed):
        result.parent.get(timeout=20)
    stack.wait_until_idle()
    [cell] = stack.sandbox.cells(item=1104)
    assert [touch["value"] for touch in cell["history"]] == ["one", "two"]
    with pytest.raises(ItemsFailed):  # Celery tells the links that will never run
        result.get(timeout=1)


def test_a_group_has_the_results_of_its_members(stack, app):
    result = group(sign(app, [item], f"value {item}") for item in (1105, 1106, 1107)).apply_async()
    assert [told["counts"]["succeeded"] for told in result.get(timeout=20)] == [1, 1, 1]


def test_the_body_of_a_chord_runs_when_its_intents_have_ended(stack, app, seen):
    header = [sign(app, [1108], "a"), backend.say.s("in between"), sign(app, [1109], "b")]
    result = chord(header)(backend.gather.s(tag="chord"))
    assert result.get(timeout=20) == 3
    [note] = seen("chord")
    states = [one if isinstance(one, str) else one["state"] for one in note["results"]]
    assert states == ["succeeded", "in between", "succeeded"]


def test_a_chord_with_a_failed_intent_fails(stack, app):
    result = chord([sign(app, [1110]), sign(app, [REFUSED])])(backend.gather.s(tag="failed chord"))
    with pytest.raises(Exception, match=str(REFUSED)):
        result.get(timeout=20)


def test_a_long_intent_reports_its_progress(stack, app):
    result = sign(app, range(1200, 1600)).delay()
    told = wait_until(lambda: result.state == "PROGRESS" and result.info, 30, "the state PROGRESS")
    assert told == {"succeeded": 0, "failed": 0}
    told = wait_until(lambda: result.info["succeeded"] and result.info, 30, "progress")
    assert 0 < told["succeeded"] < 400
    assert result.get(timeout=20)["counts"] == {"succeeded": 400, "failed": 0}


def test_an_enqueued_intent_has_a_celery_result_too(stack, app):
    good, bad = stack.client.enqueue_many([intent([1111]), intent([REFUSED])])
    assert good.async_result.get(timeout=15)["state"] == "succeeded"
    assert app.AsyncResult(good.intent_id).get(timeout=5)["intent_id"] == good.intent_id
    with pytest.raises(ItemsFailed, match=str(REFUSED)):
        bad.async_result.get(timeout=15)


def test_the_same_id_again_is_the_same_intent(stack, app):
    first = send(app, task_id="same-again").get(timeout=15)
    assert send(app, task_id="same-again").get(timeout=15) == first
    [handle] = stack.client.enqueue_many([{**content(), "intent_id": "same-again"}])
    assert handle.wait(5).to_dict() == first
    stack.wait_until_idle()
    assert len(stack.batches()) == 1


def test_a_message_that_the_broker_hands_out_again_after_its_end_calls_nobody_back(stack, app, seen):
    """As after a worker's death between its last step and the acknowledgement."""
    kept = app.send_task(
        TASK, kwargs=content(), queue="nobody-listens", link=backend.note.s(tag="once").set(queue="backend")
    )
    message = json.loads(stack.redis.lpop("nobody-listens"))
    message["properties"]["delivery_info"]["routing_key"] = "feishu.intents"
    stack.redis.lpush("feishu.intents", json.dumps(message))
    assert kept.get(timeout=15)["state"] == "succeeded"
    assert len(seen("once")) == 1
    stack.wait_until_idle()
    message["headers"]["redelivered"] = message["properties"]["delivery_info"]["redelivered"] = True
    message["properties"]["delivery_tag"] = "again"
    stack.redis.lpush("feishu.intents", json.dumps(message))
    send(app, link=backend.note.s(tag="after it").set(queue="backend"))
    assert seen("after it")
    stack.wait_until_idle()
    assert len(seen("once")) == 1
    assert not stack.redis.hlen(stack.front.keys.parked)


def test_the_same_id_with_another_content_is_refused_and_the_first_intent_goes_on(stack, app, seen):
    result = send(app, task_id="taken", content={"items": range(1200, 1500)})
    wait_until(lambda: stack.front.locate("taken"), 30, "the first is recorded")
    send(app, task_id="taken", content={"value": "another"}, link_error=backend.note_error.s().set(queue="backend"))
    assert seen("error")
    with pytest.raises(IntentConflict):
        stack.client.enqueue_many([{**content(value="another"), "intent_id": "taken"}])
    stack.client.handle("taken").wait(15)
    wait_until(lambda: result.state == "SUCCESS", 30, "the first intent's result")
    assert result.get(timeout=1)["counts"] == {"succeeded": 300, "failed": 0}


def test_a_refused_second_content_does_not_hide_the_failure_of_the_first(stack, app, seen):
    result = send(app, task_id="failed-first", content={"items": [REFUSED]})
    with pytest.raises(ItemsFailed):
        result.get(timeout=15)
    send(
        app,
        task_id="failed-first",
        content={"value": "another"},
        link_error=backend.note_error.s().set(queue="backend"),
    )
    assert seen("error")
    wait_until(lambda: "1 of 1" in str(app.AsyncResult("failed-first").result), 30, "the first result again")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"work_item_ids": []}, "work_item_ids: must name at least one work item"),
        ({"update_mode": "PREPEND"}, "update_mode"),
        ({"intent_id": "somebody-else"}, "intent_id: 'somebody-else' is not the task's own id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_fails_the_task_with_one_clear_error(stack, app, change, problem):
    before = stack.redis.get(stack.front.keys.sequence)
    result = app.send_task(TASK, kwargs={**content(), **change}, queue="feishu.intents")
    with pytest.raises(IntentError) as caught:
        result.get(timeout=15)
    assert problem in str(caught.value)
    assert stack.redis.get(stack.front.keys.sequence) == before
    assert send(app).get(timeout=15)["state"] == "succeeded"


def test_arguments_in_the_wrong_place_are_bad_input_too(stack, app):
    result = app.send_task(TASK, args=[[1101], "x"], queue="feishu.intents")
    with pytest.raises(IntentError, match="project_key"):
        result.get(timeout=15)
