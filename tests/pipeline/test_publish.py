"""Ends are made known once where that can be, and soon where a worker died with them in its hands."""

import json
import time

import pytest
from celery import Celery

from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.ledger.records import Outcome
from worker.pipeline import publish
from worker.pipeline.publish import Publisher

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend


class NoHints:
    def publish(self):
        """Nobody has to be woken."""

    def after(self, _made):
        """The same."""


@pytest.fixture
def lane(redis, prefix):
    return Lane(redis, prefix, "lane")


@pytest.fixture
def app(redis_url):
    return Celery("publish", broker=redis_url, backend=redis_url, set_as_current=False)


@pytest.fixture
def publisher(redis, prefix, lane, app):
    return Publisher(app, redis, prefix, Inbox(redis, prefix), lane, NoHints())


def end(lane, *numbers):
    for number in numbers:
        lane.refuse(number, f"{lane.prefix}{number}", 1, [1], Outcome.failed("no_lane", "there is none"))


def test_one_that_is_slow_leaves_to_others_what_it_has_not_begun(lane, publisher, monkeypatch):
    stored, store = [], publisher._store

    def slowly(view):
        time.sleep(0.6)
        stored.append(view.number)
        store(view)

    monkeypatch.setattr(publisher, "_store", slowly)
    monkeypatch.setattr(publish, "AGAIN_AFTER", 1.0)
    end(lane, 1, 2, 3)
    publisher.run()
    assert stored == [1]
    time.sleep(1.0)
    assert [number for number, _ in lane.take_outbox(9, 0)] == [2, 3]
    publisher.run()
    assert stored == [1, 2]


def test_what_a_dead_worker_took_comes_back_in_time(lane, publisher, app):
    assert publish.AGAIN_AFTER <= 4
    end(lane, 1)
    assert lane.take_outbox(9, 0.1)  # and then it died
    assert not lane.has_unpublished()
    time.sleep(0.12)
    assert lane.has_unpublished()
    assert publisher.run() == 1
    assert app.AsyncResult(f"{lane.prefix}1").state == "FAILURE"


def test_a_parked_task_that_was_sent_is_given_its_time(lane, publisher, redis, prefix, app, monkeypatch):
    monkeypatch.setattr(publish, "AGAIN_AFTER", 0.05)
    queue = f"{prefix}-queue"
    end(lane, 1)
    parked = json.dumps({"task": "x", "args": [], "kwargs": {}, "options": {"queue": queue}})
    redis.hset(Inbox(redis, prefix).keys.parked, "1", parked)
    for _ in range(2):
        publisher.run()
        time.sleep(0.1)
    assert redis.llen(queue) == 1
    redis.delete(queue)
    assert redis.zscore(lane.keys.named("outbox"), 1) / 1000 - lane.now() > 0.9 * publish.SENT_AGAIN_AFTER
    lane.confirm_published([1])
    lane.put_off_publishing(1, 1)  # its confirmation overtook it
    assert redis.zcard(lane.keys.named("outbox")) == 0
