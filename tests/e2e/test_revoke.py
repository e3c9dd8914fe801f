"""`AsyncResult.revoke()` and Celery's broadcast behind it: what waits is canceled, what is under way goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from celery import chain, group
from celery.exceptions import TaskRevokedError

from feishu_batch import ItemsFailed
from tests.e2e import backend_app as backend
from tests.e2e.signing import sign
from tests.support.model import intent
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def app(shared_stack):
    """The backend app with a worker of its own, which hears of each revoke as well."""
    url = shared_stack.server.url
    argv = [sys.executable, "-m", "celery", "-A", "tests.e2e.backend_app", "worker", "-Q", "backend", "-P", "solo"]
    argv += ["-n", "revoking@%h", "--without-gossip", "--without-mingle"]
    with (shared_stack.directory / "revoking-backend.log").open("wb") as log:
        environment = {**os.environ, "BACKEND_REDIS_URL": url}
        worker = subprocess.Popen(argv, cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log)
    backend.app.conf.update(broker_url=url, result_backend=url)
    wait_until(lambda: has_node(shared_stack, "revoking@"), 20, "the backend's worker listens")
    yield backend.app
    backend.app.close()
    worker.kill()
    worker.wait()


def has_node(stack, name):
    return any(name in member for member in stack.redis.smembers("_kombu.binding.celery.pidbox"))


def taken_in(result):
    wait_until(lambda: result.state == "PROGRESS", 30, "the intent is taken in")


def errors_seen(stack):
    return [one for one in map(json.loads, stack.redis.lrange(backend.SEEN, 0, -1)) if one["tag"] == "error"]


def nothing_is_left_of(inbox, intent_id):
    return not inbox.revoked([intent_id]) and inbox.parked(inbox.locate(intent_id)[0]) is None


def note_error():
    return backend.note_error.s().set(queue="backend")


@pytest.fixture
def paused(stack):
    """Nothing is sent; whatever a test enqueues waits."""
    stack.lane.pause("for the test", polling=True)
    yield stack
    stack.redis.delete(backend.SEEN)


def test_an_intent_that_waits_is_canceled_and_its_errback_is_called(paused, app):
    result = sign(app).apply_async(link_error=note_error())
    taken_in(result)
    result.revoke()
    with pytest.raises(TaskRevokedError):
        result.get(timeout=PATIENCE)
    assert result.state == "REVOKED"
    assert paused.client.handle(result.id).state == "canceled"
    [error] = wait_until(lambda: errors_seen(paused), 30, "the errback")
    assert error["failed_id"] == result.id
    wait_until(paused.is_idle, 30, "nothing is left to do")
    paused.lane.resume()
    assert sign(app, value="later").delay().get(timeout=PATIENCE)["state"] == "succeeded"
    assert len(paused.batches()) == 1
    wait_until(lambda: nothing_is_left_of(paused.inbox, result.id), 30, "the last worker, too, is done with the revoke")


def test_every_link_behind_a_revoked_intent_ends(paused, app):
    last = chain(sign(app), sign(app, [1103], "second")).apply_async()
    taken_in(last.parent)
    last.parent.revoke()
    with pytest.raises(TaskRevokedError):
        last.get(timeout=PATIENCE)
    assert paused.inbox.locate(last.id) is None


def test_several_at_once_and_one_that_was_enqueued(paused, app):
    [handle] = paused.client.enqueue_many([intent([1104])])
    both = group(sign(app, [item]) for item in (1105, 1106)).apply_async()
    for one in both:
        taken_in(one)
    wait_until(lambda: handle.view().lane, 30, "recorded")
    app.control.revoke([handle.intent_id, *(one.id for one in both)])
    assert handle.wait(PATIENCE).state == "canceled"
    for one in (*both, handle.async_result):
        with pytest.raises(TaskRevokedError):
            one.get(timeout=PATIENCE)


def test_an_enqueued_intent_is_revoked_by_its_handle(paused):
    handle = paused.client.enqueue_many([intent([1108])])[0]
    wait_until(lambda: handle.view().lane, 30, "recorded")
    handle.async_result.revoke()
    assert handle.wait(PATIENCE).state == "canceled"
    with pytest.raises(TaskRevokedError):
        handle.async_result.get(timeout=PATIENCE)


def test_a_message_that_still_waits_is_never_recorded_or_canceled_when_it_is(paused, app):
    paused.signal("intake", signal.SIGSTOP)
    result = sign(app).delay()
    result.revoke()
    paused.signal("intake", signal.SIGCONT)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=PATIENCE)
    # At once: Celery's answer may come from a worker that dropped it, while it is being taken in by another thread.
    paused.lane.resume()
    wait_until(lambda: is_nothing_or_canceled(paused, result), 30, "it is canceled, or was never taken in")
    paused.wait_until_idle()
    assert paused.batches() == []


def is_nothing_or_canceled(stack, result):
    return stack.inbox.locate(result.id) is None or stack.client.handle(result.id).state == "canceled"


def test_a_revoke_outlives_the_worker_that_records_intents(paused, app):
    paused.kill("intake")
    result = sign(app).delay()
    result.revoke()
    wait_until(lambda: paused.redis.exists(paused.inbox.keys.revoked), 30, "the others have heard of it")
    paused.start("intake")
    wait_until(lambda: paused.inbox.locate(result.id), 20, "taken in all the same")
    wait_until(lambda: paused.client.handle(result.id).state == "canceled", 30, "canceled at once")
    paused.lane.resume()
    paused.wait_until_idle()
    assert result.state == "REVOKED"
    assert paused.batches() == []


@pytest.mark.parametrize("terminate", [False, True])
def test_what_is_in_progress_continues_and_no_worker_is_ended(stack, app, terminate):
    submit = stack._processes["submit"].pid
    result = sign(app, range(1200, 1600)).delay()
    wait_until(lambda: len(stack.batches()) > 1, 30, "some of it is sent")
    result.revoke(terminate=terminate, signal="SIGKILL")
    with pytest.raises(ItemsFailed) as caught:
        result.get(timeout=PATIENCE)
    counts = caught.value.result["counts"]
    assert caught.value.result["state"] == "partial"
    assert counts["succeeded"] + counts["canceled"] == 400
    assert counts["succeeded"] == 50 * len(stack.batches())
    assert counts["canceled"] > 0
    assert stack._processes["submit"].poll() is None
    assert stack._processes["submit"].pid == submit
    stack.assert_rules_kept()


def test_a_revoke_after_the_end_changes_nothing(stack, app):
    result = sign(app).delay()
    told = result.get(timeout=PATIENCE)
    result.revoke()
    assert sign(app, value="after").delay().get(timeout=PATIENCE)["state"] == "succeeded"
    fresh = app.AsyncResult(result.id)
    assert (fresh.state, fresh.result) == ("SUCCESS", told)


def test_what_a_worker_remembers_of_a_revoke_does_not_keep_an_end_from_being_published(stack, app):
    """The intent was taken in at the moment of the revoke: the worker that will finish it keeps the id among the revoked."""
    app.control.broadcast("revoke", arguments={"task_id": ["at-once"]}, reply=True, timeout=1)
    stack.redis.delete(stack.inbox.keys.revoked)
    stack.lane.pause("until it is parked", polling=True)
    [handle] = stack.client.enqueue_many([intent([1107], intent_id="at-once")])
    number = handle.view().number
    parked = {"task": "feishu_batch.finish", "args": [], "kwargs": {}, "options": {"task_id": "at-once"}}
    stack.inbox.park(number, "at-once", json.dumps(parked), delivered_before=False)
    stack.lane.resume()
    assert handle.wait(PATIENCE).ok
    wait_until(lambda: stack.inbox.parked(number) is None, 30, "the signature is released")
    assert app.AsyncResult("at-once").state == "SUCCESS"


def test_what_is_no_intent_is_revoked_as_celery_does(stack, app):
    answers = app.control.broadcast("revoke", arguments={"task_id": ["a-stranger"]}, reply=True, timeout=2)
    own = {name: told for one in answers for name, told in one.items() if name.startswith("intake")}
    [told] = own.values()
    assert "a-stranger" in told["ok"]
    assert "flagged as revoked" in told["ok"]
    assert app.AsyncResult("a-stranger").state == "REVOKED"
