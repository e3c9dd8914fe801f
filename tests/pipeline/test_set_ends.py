"""The task that waits for the end of a change set: sent when all intents so far have ended, and not before."""

import json
from uuid import uuid4

import pytest
from celery import Celery

from feishu_batch import FeishuBatch, UnknownChangeSet
from feishu_batch.testing import FakeFeishuBatch
from tests.support.command import Ledger, NoHints
from worker.ledger.inbox import Inbox
from worker.pipeline.set_ends import SetEnds
from worker.pipeline.sweep import LaneSweep, Sweep

PLACE = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story"}
ROWS = {1: {"a": "x"}, 2: {"a": "y"}}


@pytest.fixture
def queue():
    return f"backend-{uuid4().hex}"


@pytest.fixture
def app(redis_url):
    made = Celery("backend", broker=redis_url, set_as_current=False)
    made.conf.task_ignore_result = True
    yield made
    made.close()


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5) as made:
        yield made


@pytest.fixture
def ends(app, redis, prefix):
    return SetEnds(app, redis, Inbox(redis, prefix))


@pytest.fixture
def sent(redis, queue):
    return lambda: [json.loads(message)["headers"]["argsrepr"] for message in redis.lrange(queue, 0, -1)]


def test_it_gets_the_result_once(client, app, ends, redis, prefix, queue, sent):
    table = client.enqueue_table(ROWS, **PLACE, change_set="sync")
    table.on_end(app.signature("backend.told", args=["mine"], queue=queue))
    assert (ends.run(), sent()) == (0, [])
    Ledger(redis, prefix).do_all({2: "Terminated"})
    assert (ends.run(), ends.run()) == (1, 0)
    [args] = sent()
    result = {"change_set": "sync", "state": "partial", "counts": {"succeeded": 1, "failed": 1}}
    assert args == repr((result, "mine"))
    assert table.wait(1).to_dict() == result


def test_a_sweep_tells_the_end_before_the_set_is_forgotten(client, app, ends, redis, prefix, queue, sent):
    """Also where nothing swept between the end and the retention."""
    client.enqueue_table(ROWS, **PLACE, change_set="sync").on_end(app.signature("backend.told", queue=queue))
    ledger = Ledger(redis, prefix)
    ledger.do_all()
    numbers = [number for number, _ in ledger.lane.take_outbox(10, 1)]
    ledger.lane.confirm_published(numbers)
    lanes = [LaneSweep(inbox=ledger.inbox, lane=ledger.lane, hints=NoHints(), retain_succeeded=0, retain_failed=0)]
    Sweep(inbox=ledger.inbox, hints=NoHints(), lanes=lanes, set_ends=ends, retain_failed=0).run()
    assert len(sent()) == 1
    with pytest.raises(UnknownChangeSet):
        client.change_set("sync").wait(1)


def test_the_last_one_counts_and_a_newer_one_is_not_lost(client, app, ends, redis, prefix, queue, sent):
    table = client.enqueue_table(ROWS, **PLACE, change_set="sync")
    table.on_end(app.signature("backend.first", queue=queue))
    old = dict(ends._inbox.awaited_sets(9))
    table.on_end(app.signature("backend.second", args=["second"], queue=queue))
    ends._inbox.end_await("sync", old["sync"])
    Ledger(redis, prefix).do_all()
    ends.run()
    assert ["second" in args for args in sent()] == [True]


def test_one_that_cannot_be_sent_does_not_block_the_others(client, app, ends, redis, prefix, queue, sent):
    for name in ("good", "bad"):
        client.enqueue_table(ROWS, **PLACE, change_set=name).on_end(app.signature("backend.told", queue=queue))
    redis.hset(Inbox(redis, prefix).keys.awaited_sets, "bad", "{}")
    Ledger(redis, prefix).do_all()
    assert ends.run() == 1
    assert len(sent()) == 1


def test_the_end_of_an_unknown_set_is_not_awaited(client, app):
    for producer in (client, FakeFeishuBatch()):
        with pytest.raises(UnknownChangeSet, match="no change set other"):
            producer.change_set("other").on_end(app.signature("backend.told"))


def test_the_fake_runs_it_when_the_set_has_ended():
    told = []
    app = Celery("backend", broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def note(result, tag):
        told.append((tag, result["state"]))

    fake = FakeFeishuBatch()
    fake.enqueue_table(ROWS, **PLACE, change_set="sync").on_end(note.s("mine"))
    for intent in fake.intents:
        assert told == []
        fake.complete(intent.intent_id)
    assert told == [("mine", "succeeded")]
