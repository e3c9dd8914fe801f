"""For Celery, an intent is a task like any other. The backend app here has its own instance, queue and worker."""

import json
import time

import pytest
from celery.exceptions import TaskRevokedError

from feishu_batch import IntentConflict, IntentError, ItemsFailed
from tests.e2e import backend_app as backend
from tests.e2e.signing import TASK, content, send, sign
from tests.support.model import REFUSING, intent
from tests.support.waiting import PATIENCE, wait_until
from worker.connections import control_app

REFUSED = next(iter(REFUSING))


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("header", "kept"), [(TRACE, TRACE), ("nonsense", None), (7, None)])
def test_the_trace_of_a_message_goes_along_with_its_intent(stack, app, header, kept):
    result = send(app, headers={"traceparent": header})
    result.get(timeout=PATIENCE)
    number, lane = stack.inbox.locate(result.id)
    assert stack.redis.hget(f"{stack.settings.key_prefix}:{{{lane}}}:intent:{number}", "tc") == kept


def test_a_task_sent_by_name_returns_the_counts(stack, app):
    result = send(app)
    told = result.get(timeout=PATIENCE)
    assert told["intent_id"] == result.id
    assert (told["state"], told["counts"]) == ("succeeded", {"succeeded": 2, "failed": 0})
    assert stack.sandbox.values()[1101] == {"field_a1b2c3": "x"}


def test_a_signature_of_the_library_is_the_same_task(stack, app):
    one = sign(app)
    results = [one.delay(), one.delay()]
    told = [result.get(timeout=PATIENCE) for result in results]
    assert [(result["intent_id"], result["state"]) for result in told] == [(one.id, "succeeded") for one in results]
    assert results[0].id != results[1].id


def test_failing_items_fail_the_task_with_an_error_that_names_them(stack, app):
    result = sign(app, [1101, REFUSED]).delay()
    with pytest.raises(ItemsFailed, match=f"{REFUSED}.*{REFUSING[REFUSED]}") as caught:
        result.get(timeout=PATIENCE)
    assert result.state == "FAILURE"
    assert caught.value.result["state"] == "partial"
    assert caught.value.result["failed"][str(REFUSED)]["code"] == REFUSING[REFUSED]


def test_a_task_of_the_backend_that_sends_it_again_when_it_is_retried_enqueues_it_once(stack, app):
    wish = content([1125], "retried")
    assert backend.send_and_retry.delay("order-17-shipped", wish).get(timeout=PATIENCE) == 2
    assert app.AsyncResult("order-17-shipped").get(timeout=PATIENCE)["requests"] == 1
    stack.wait_until_idle()
    assert len(stack.batches()) == 1


def test_a_countdown_is_kept(stack, app):
    result = sign(app, [1126], "in a second").apply_async(countdown=1)
    sent_at = time.time()
    assert result.get(timeout=PATIENCE)["state"] == "succeeded"
    assert time.time() - sent_at > 0.9


def test_a_message_that_waits_for_its_time_shows_inspectors_no_value(stack, app):
    result = send(app, countdown=30, content={"items": [1126], "value": "a salary"})
    try:
        told = wait_until(lambda: scheduled(app, result.id), 30, "its worker holds it")
    finally:
        result.revoke()
    assert told["kwargs"].startswith(f"{{'intent_id': '{result.id}', 'project_key'")
    assert "a salary" not in json.dumps(told)


def scheduled(app, task_id):
    held = (app.control.inspect(timeout=1).scheduled() or {}).values()
    found = [one["request"] for worker in held for one in worker if one["request"]["id"] == task_id]
    return found[0] if found else None


def test_a_message_that_comes_after_its_expires_is_revoked(stack, app):
    with pytest.raises(TaskRevokedError, match="expired"):
        sign(app).apply_async(expires=-1).get(timeout=PATIENCE)
    assert stack.batches() == []


def test_expires_counts_for_what_waits_in_the_ledger_too(stack, app, seen):
    stack.lane.pause("for the test", polling=True)
    patient = sign(app, [1127], "patient").apply_async(expires=60)
    wait_until(lambda: patient.state == "PROGRESS", 30, "the intake worker works")
    late, again = (  # the same wish, whatever its message says of the time
        send(
            app,
            "too-late",
            expires=seconds,
            link_error=backend.note_error.s().set(queue="backend"),
            content={"items": [1128]},
        )
        for seconds in (2, 60)
    )
    wait_until(lambda: late.state == "REVOKED", 20, "it has expired")
    stack.lane.resume()
    with pytest.raises(TaskRevokedError, match="expired"):
        again.get(timeout=PATIENCE)
    assert [(note["failed_id"], note["message"]) for note in seen("error")] == [("too-late", "expired")]
    assert stack.client.handle("too-late").state == "expired"
    assert patient.get(timeout=PATIENCE)["state"] == "succeeded"
    assert [batch["item_ids"] for batch in stack.batches()] == [[1127]]


def test_a_long_intent_reports_its_progress(stack, app):
    result = sign(app, range(1200, 1600)).delay()
    told = wait_until(lambda: result.state == "PROGRESS" and result.info, 30, "the state PROGRESS")
    assert told == {"total": 400, "succeeded": 0, "failed": 0}
    told = wait_until(lambda: result.info["succeeded"] and result.info, 30, "progress")
    assert 0 < told["succeeded"] < 400
    assert result.get(timeout=PATIENCE)["counts"] == {"succeeded": 400, "failed": 0}


def test_an_enqueued_intent_has_a_celery_result_too(stack, app):
    good, bad = stack.client.enqueue_many([intent([1111]), intent([REFUSED])])
    assert good.async_result.get(timeout=PATIENCE)["state"] == "succeeded"
    assert app.AsyncResult(good.intent_id).get(timeout=PATIENCE)["intent_id"] == good.intent_id
    with pytest.raises(ItemsFailed, match=str(REFUSED)):
        bad.async_result.get(timeout=PATIENCE)


def test_the_same_id_again_is_the_same_intent(stack, app):
    first = send(app, task_id="same-again").get(timeout=PATIENCE)
    assert send(app, task_id="same-again").get(timeout=PATIENCE) == first
    [handle] = stack.client.enqueue_many([{**content(), "intent_id": "same-again"}])
    assert handle.wait(PATIENCE).to_dict() == first
    stack.wait_until_idle()
    assert len(stack.batches()) == 1


def test_a_message_that_the_broker_hands_out_again_after_its_end_runs_no_callback(stack, app, seen):
    """As after a worker's death between its last step and the acknowledgement."""
    kept = app.send_task(
        TASK, kwargs=content(), queue="nobody-listens", link=backend.note.s(tag="once").set(queue="backend")
    )
    message = json.loads(stack.redis.lpop("nobody-listens"))
    message["properties"]["delivery_info"]["routing_key"] = "feishu.intents"
    stack.redis.lpush("feishu.intents", json.dumps(message))
    assert kept.get(timeout=PATIENCE)["state"] == "succeeded"
    assert len(seen("once")) == 1
    stack.wait_until_idle()
    message["headers"]["redelivered"] = message["properties"]["delivery_info"]["redelivered"] = True
    message["properties"]["delivery_tag"] = "again"
    stack.redis.lpush("feishu.intents", json.dumps(message))
    send(app, link=backend.note.s(tag="after it").set(queue="backend"))
    assert seen("after it")
    stack.wait_until_idle()
    assert len(seen("once")) == 1
    assert not stack.redis.hlen(stack.inbox.keys.parked)


def test_the_same_id_with_another_content_is_refused_and_the_first_intent_continues(stack, app, seen):
    result = send(app, task_id="taken", content={"items": range(1200, 1500)})
    wait_until(lambda: stack.inbox.locate("taken"), 30, "the first is recorded")
    send(app, task_id="taken", content={"value": "another"}, link_error=backend.note_error.s().set(queue="backend"))
    assert seen("error")
    with pytest.raises(IntentConflict):
        stack.client.enqueue_many([{**content(value="another"), "intent_id": "taken"}])
    stack.client.handle("taken").wait(PATIENCE)
    wait_until(lambda: result.state == "SUCCESS", 30, "the first intent's result")
    assert result.get(timeout=1)["counts"] == {"succeeded": 300, "failed": 0}


def test_a_refused_second_content_does_not_hide_the_failure_of_the_first(stack, app, seen):
    result = send(app, task_id="failed-first", content={"items": [REFUSED]})
    with pytest.raises(ItemsFailed):
        result.get(timeout=PATIENCE)
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
    before = stack.redis.get(stack.inbox.keys.sequence)
    result = app.send_task(TASK, kwargs={**content(), **change}, queue="feishu.intents")
    with pytest.raises(IntentError) as caught:
        result.get(timeout=PATIENCE)
    assert problem in str(caught.value)
    assert stack.redis.get(stack.inbox.keys.sequence) == before
    assert send(app).get(timeout=PATIENCE)["state"] == "succeeded"


def test_arguments_in_the_wrong_place_are_bad_input_too(stack, app):
    result = app.send_task(TASK, args=[[1101], "x"], queue="feishu.intents")
    with pytest.raises(IntentError, match="project_key"):
        result.get(timeout=PATIENCE)


def test_workers_answer_a_broadcast_however_old_their_connections_are(stack):
    """Connections are renewed every 5 s; one that is renewed under a broadcast would lose it."""
    with control_app(stack.settings) as app:
        for _ in range(4):
            assert len(app.control.ping(timeout=3)) >= 3
            time.sleep(2)
