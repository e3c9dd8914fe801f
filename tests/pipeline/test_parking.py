"""A parked signature is sent once: whoever came first, the end of its intent or its parking, and however often its message came."""

import json
import socket
from functools import partial

import pytest

from tests.pipeline.intake_kit import wish
from worker.ledger.inbox import Inbox
from worker.ledger.records import SUCCEEDED, BatchState, Outcome
from worker.pipeline.parking import Parking, ParkingLane
from worker.pipeline.progress import ProgressReports, announce
from worker.pipeline.publish import Publisher

# Celery's result backend uses it.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")


@pytest.fixture
def queue(prefix):
    """Of this test: nobody listens to it."""
    return f"{prefix}-queue"


@pytest.fixture
def signature(queue):
    return json.dumps({"task": "feishu_batch.finish", "args": [], "kwargs": {}, "options": {"queue": queue}})


@pytest.fixture
def finish(site):
    """The intent is sent, succeeds, and its end is made known, by other processes."""
    lane = site.lanes["default"]

    def run(failed=False):
        outcome = Outcome.failed("code", "why") if failed else SUCCEEDED
        batch = lane.claim(owner="o", lease=30, max_open=9, max_wait=9, idem_uuid="u", token_fingerprint="t")
        lane.advance(
            batch, state=BatchState.SENDING, settled=dict.fromkeys(batch.cells, outcome), then=BatchState.RESEND
        )
        publish()

    def publish():
        hints = site.intake()._lanes["default"].hints
        Publisher(site.app, site.redis, site.prefix, site.inbox, lane, hints).run()

    run.publish = publish
    return run


def parking(site, inbox=None):
    lane, hints = site.lanes["default"], site.intake()._lanes["default"].hints
    publisher = Publisher(site.app, site.redis, site.prefix, site.inbox, lane, hints)
    progress = ProgressReports(site.app, site.redis, site.prefix, lane, publisher.store)
    return Parking(
        inbox or site.inbox,
        {"default": ParkingLane(lane, hints, progress)},
        partial(announce, site.app, site.redis, site.prefix),
    )


@pytest.fixture
def told(site, redis):
    """State and result that Celery has of "one", which no other test may have left."""

    def look():
        kept = redis.get("celery-task-meta-one")
        return kept and (json.loads(kept)["status"], json.loads(kept)["result"])

    redis.delete("celery-task-meta-one")
    yield look
    redis.delete("celery-task-meta-one")


@pytest.fixture
def closed_port():
    with socket.socket() as taken:  # bound, and not listened to
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


NOTHING_YET = ("PROGRESS", {"total": 2, "succeeded": 0, "failed": 0})


def test_an_intent_that_ends_between_the_look_and_the_parking_releases_the_signature(
    site, redis, queue, signature, finish
):
    class Overtaken(Inbox):
        def park(self, *args, **how):
            assert site.intake().drain() == 1
            finish()
            assert site.lanes["default"].counts().unpublished == 0
            return super().park(*args, **how)

    site.enqueue(wish("one"))
    parking(site, Overtaken(redis, site.prefix)).park("one", signature, delivered_before=False)
    finish.publish()
    assert redis.llen(queue) == 1


def test_an_intent_that_ends_before_it_leaves_the_inbox_releases_a_signature_parked_meanwhile(
    site, redis, queue, signature, finish
):
    class Slow(Inbox):
        def hand_over(self, lane_of):
            finish()
            parking(site).park("one", signature, delivered_before=False)
            assert site.lanes["default"].counts().unpublished == 0
            return super().hand_over(lane_of)

    site.enqueue(wish("one"))
    site.intake(inbox=Slow(redis, site.prefix)).drain()
    finish.publish()
    assert redis.llen(queue) == 1


def test_a_signature_parked_in_time_is_sent_at_the_end(site, redis, queue, signature, finish):
    site.enqueue(wish("one"))
    site.intake().drain()
    parking(site).park("one", signature, delivered_before=False)
    assert redis.llen(queue) == 0
    finish()
    assert redis.llen(queue) == 1


def test_a_message_that_comes_again_after_its_signature_was_released_does_nothing(
    site, redis, queue, signature, finish
):
    site.enqueue(wish("one"))
    site.intake().drain()
    parking(site).park("one", signature, delivered_before=False)
    finish()
    site.inbox.release(1)
    site.lanes["default"].confirm_published([1])
    parking(site).park("one", signature, delivered_before=True)
    finish.publish()
    assert (site.inbox.parked(1), redis.llen(queue)) == (None, 1)


@pytest.mark.parametrize("before", [False, True])
def test_a_message_that_comes_again_before_the_end_changes_nothing(site, redis, queue, signature, finish, before):
    """`before`: the worker that had the message first died before it could park."""
    site.enqueue(wish("one"))
    site.intake().drain()
    if before:
        parking(site).park("one", signature, delivered_before=False)
    parking(site).park("one", signature, delivered_before=True)
    finish()
    assert redis.llen(queue) == 1


def test_a_producer_that_sends_the_same_id_again_is_called_back_again(site, redis, queue, signature, finish):
    site.enqueue(wish("one"))
    site.intake().drain()
    parking(site).park("one", signature, delivered_before=False)
    finish()
    for _ in range(2):
        site.inbox.release(1)
        site.lanes["default"].confirm_published([1])
        parking(site).park("one", signature, delivered_before=False)
        finish.publish()
    assert redis.llen(queue) == 3


def test_what_was_released_is_forgotten_with_the_intent(site, redis, signature):
    site.enqueue(wish("one"))
    site.intake().drain()
    site.inbox.release(1)
    site.inbox.forget([(1, "one")])
    assert not redis.exists(site.inbox.keys.released)
    door_is_closed = site.inbox.park(1, "one", signature, delivered_before=False)
    assert door_is_closed is None
    assert not redis.exists(site.inbox.keys.parked)


@pytest.mark.parametrize("recorded", [True, False])
def test_celery_says_progress_as_soon_as_the_intent_is_recorded(site, signature, told, recorded):
    site.enqueue(wish("one"))
    if recorded:
        site.intake().drain()
    assert told() is None
    parking(site).park("one", signature, delivered_before=False)
    assert told() == NOTHING_YET


def test_progress_does_not_replace_the_result_of_an_intent_that_has_ended(site, signature, told, finish):
    site.enqueue(wish("one"))
    site.intake().drain()
    finish(failed=True)
    assert told()[0] == "FAILURE"
    parking(site).park("one", signature, delivered_before=False)
    assert told()[0] == "FAILURE"


def test_a_result_backend_that_is_away_keeps_nothing_from_being_parked(site, redis, signature, closed_port):
    site.app.conf.result_backend = f"redis://127.0.0.1:{closed_port}/0"
    site.enqueue(wish("one"))
    parking(site).park("one", signature, delivered_before=False)
    assert site.inbox.parked(1) == signature
