"""Whatever dies: nothing acknowledged is lost, doubled or reordered, and the remote's rules are kept."""

import json
import signal
import threading
import time

import pytest

from tests.support.model import PROJECT, REFUSING, Model, intent, random_intents
from tests.support.stack import SLOT
from tests.support.waiting import PATIENCE, wait_until

ITEMS = list(range(1001, 1021))
LONGEST = 40  # seconds until all ends, whatever happened; far less where nothing did


class Work:
    """Random intents that overlap, enqueued in one go; they keep the workers busy for a few seconds."""

    def __init__(self, stack, seed, count=9):
        self.stack = stack
        self.intents = random_intents(seed, count, ITEMS)
        self.handles = stack.client.enqueue_many(self.intents)

    def await_requests(self, count):
        wait_until(lambda: len(self.stack.sandbox.report()["batches"]) >= count, 30, f"{count} requests were accepted")

    def check(self):
        """Every intent ended with an answer for every item, and every cell holds what the intents' order asks for."""
        model = Model()
        for result, one in zip(self.stack.wait_all(self.handles), self.intents, strict=True):
            assert sum(result.counts.values()) == len(one.work_item_ids)
            assert all(int(item) in REFUSING for item in result.failed), result.failed
            model.apply(one)
        model.assert_matches(self.stack.sandbox.values())
        self.stack.assert_rules_kept()


def test_all_messages_vanish_again_and_again(stack):
    work = Work(stack, 1)
    sign = stack.celery_app().send_task(
        "feishu_batch.update_work_items",
        kwargs=intent([1101]).model_dump(mode="json", exclude={"intent_id"}, exclude_defaults=True),
        queue="feishu.intents",
    )
    wait_until(lambda: stack.inbox.locate(sign.id), 30, "the task was taken in")
    for _ in range(4):
        stack.forget_queues()
        time.sleep(0.3)
    work.check()
    assert sign.get(timeout=PATIENCE)["state"] == "succeeded"


def test_an_end_whose_message_vanished_is_published_again(stack):
    stack.kill("intake")
    with stack.new_client() as client:
        handle = client.enqueue_many([intent([1102])])[0]
    stack.start("intake")
    handle.wait(PATIENCE)
    stack.wait_until_idle()
    number = handle.view().number
    stack.redis.delete(f"celery-task-meta-{handle.intent_id}")
    stack.redis.zadd(stack.lane.keys.outbox, {str(number): 0})  # as if its publisher had died
    assert handle.async_result.get(timeout=PATIENCE)["state"] == "succeeded"


@pytest.mark.parametrize("name", ["submit", "poll", "intake"])
def test_a_worker_is_killed_in_the_middle_of_its_work_again_and_again(stack, name):
    work = Work(stack, f"kill {name}")
    for count in (2, 5):
        work.await_requests(count)
        stack.kill(name)
        time.sleep(0.1)
        stack.start(name)
    work.check()


def test_all_workers_are_killed_at_once(stack):
    work = Work(stack, 3)
    work.await_requests(4)
    stack.restart("submit", "poll", "intake", "beat")
    work.check()


def test_a_worker_that_was_stopped_for_longer_than_its_lease_does_no_harm_when_it_continues(stack):
    work = Work(stack, 4)
    stack.start_twin("submit")
    for count in (3, 6):
        work.await_requests(count)
        stack.signal("submit", signal.SIGSTOP)
        time.sleep(1.3)
        stack.signal("submit", signal.SIGCONT)
    work.check()


def test_two_submit_workers_by_mistake_are_no_faster_than_one(stack):
    stack.start_twin("submit")
    stack.start_twin("poll")
    work = Work(stack, 5)
    work.check()
    [submits] = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    assert submits["rejected"] == []
    assert submits["minimal_gap"] >= SLOT


def test_two_beats_and_two_intake_workers_change_nothing(stack):
    stack.start_twin("beat")
    stack.start_twin("intake")
    Work(stack, 6).check()


def test_the_redis_server_is_killed_and_comes_back_with_its_append_only_file(stack):
    work = Work(stack, 7)
    work.await_requests(4)
    stack.server.kill()
    time.sleep(0.5)
    stack.server.start()
    stack.supervise(4)
    work.check()
    [later] = stack.client.enqueue_many([intent([1103], "after the restart")])
    assert later.wait(PATIENCE).ok


def test_what_was_enqueued_while_no_worker_ran_is_done_when_they_come(stack):
    stack.kill("submit", "poll", "intake", "beat")
    work = Work(stack, 8, count=10)
    stack.start()
    work.check()


def test_an_entry_that_is_no_intent_does_not_block_the_inbox(stack):
    stack.kill("intake")
    keys = stack.inbox.keys
    [before] = stack.client.enqueue_many([intent([1104], "before")])
    for payload in ("garbage", "[1, 2]", '{"intent_id": 7}', "[" * 100_000):
        number = stack.redis.incr(keys.sequence)
        stack.redis.xadd(keys.inbox, {"t": 0, "i": payload}, id=f"{number}-0")
    [after] = stack.client.enqueue_many([intent([1104], "after")])
    stack.start("intake")
    assert before.wait(PATIENCE).state == "succeeded"
    assert after.wait(PATIENCE).ok
    assert stack.inbox.length() == 0


def test_an_intent_of_a_newer_library_is_refused_and_not_forgotten(stack):
    stack.kill("intake")
    keys = stack.inbox.keys
    number = stack.redis.incr(keys.sequence)
    content = json.loads(intent([1105, 1106], intent_id="from-the-future").to_json())
    stack.redis.hset(keys.ids, "from-the-future", f"{number}:0123456789abcdef")
    stack.redis.xadd(keys.inbox, {"t": 0, "i": json.dumps({**content, "undo_after": 7})}, id=f"{number}-0")
    stack.start("intake")
    handle = stack.client.handle("from-the-future")
    result = handle.wait(PATIENCE)
    assert (result.state, list(result.failed)) == ("failed", ["1105", "1106"])
    assert "undo_after" in result.failed["1105"]["reason"]
    with pytest.raises(Exception, match="undo_after"):
        handle.async_result.get(timeout=PATIENCE)


def test_an_end_that_cannot_be_published_does_not_keep_back_the_others(stack):
    first, second = stack.client.enqueue_many([intent([1107]), intent([1108])])
    number = wait_until(first.view, 30, "enqueued").number
    stack.inbox.park(number, first.intent_id, '{"task": "no signature"', delivered_before=False)
    second.wait(PATIENCE)
    assert second.async_result.get(timeout=PATIENCE)["state"] == "succeeded"
    wait_until(lambda: "intent.not_published" in stack.log_of("intake"), 30, "the trouble is in the log")
    stack.inbox.release(number)
    stack.redis.zadd(stack.lane.keys.outbox, {str(number): 0})
    assert first.async_result.get(timeout=PATIENCE)["state"] == "succeeded"


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
def test_a_progress_report_that_comes_too_late_does_not_replace_the_result(stack):
    """The poll worker is stopped between its look at the intent and its report; meanwhile the intent ends."""
    from worker.pipeline.progress import ProgressReports
    from worker.pipeline.publish import Publisher
    from worker.runtime import LaneHints

    app = stack.own_app()
    [handle] = stack.client.enqueue_many([intent([1109, next(iter(REFUSING))])])
    handle.wait(PATIENCE)
    with pytest.raises(Exception, match="were not changed"):
        handle.async_result.get(timeout=PATIENCE)
    publisher = Publisher(
        app, stack.redis, stack.settings.key_prefix, stack.inbox, stack.lane, LaneHints(app, stack.lane)
    )
    reports = ProgressReports(app, stack.redis, stack.settings.key_prefix, stack.lane, publisher.store)
    number = handle.view().number
    told = stack.redis.hgetall(stack.lane.keys.named(f"intent:{number}"))
    reports._report(number, {**told, "opn": "1"})
    assert handle.async_result.state == "PROGRESS"
    looks = iter([[(number, {**told, "opn": "1"})], [(number, told)]])
    reports._records = lambda _numbers: next(looks)
    reports.report([number])
    assert handle.async_result.state == "FAILURE"


def test_a_hint_is_sent_at_once_after_an_intent_came_by_message(stack):
    """Only beat is stopped: the sweep would hide that the hint of the second intent was not sent."""
    stack.kill("beat")
    app = stack.celery_app()
    content = intent([1110]).model_dump(mode="json", exclude={"intent_id"}, exclude_defaults=True)
    sent = app.send_task("feishu_batch.update_work_items", kwargs=content, queue="feishu.intents")
    wait_until(lambda: stack.inbox.locate(sent.id), 30, "the task was taken in")
    [handle] = stack.client.enqueue_many([intent([1111])])
    wait_until(lambda: handle.view().lane, 1, "the second intent is recorded")
    stack.start("beat")
    assert sent.get(timeout=PATIENCE)["state"] == "succeeded"
    handle.wait(PATIENCE)


def test_producers_continue_while_workers_come_and_go(stack):
    handles, intents = [], random_intents("while they come and go", 12, ITEMS)

    def produce():
        with stack.new_client() as client:
            for one in intents:
                handles.extend(client.enqueue_many([one]))
                time.sleep(0.05)

    producer = threading.Thread(target=produce)
    producer.start()
    for name in ("intake", "submit", "poll"):
        stack.restart(name)
        time.sleep(0.3)
    producer.join()
    work = Work.__new__(Work)
    work.stack, work.intents, work.handles = stack, intents, handles
    work.check()
    assert PROJECT in {batch["project_key"] for batch in stack.batches()}
