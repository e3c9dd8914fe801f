"""Between taking its slot and its first byte a request has to connect, and that may take longer than its lease or its slot."""

import time

import pytest

from tests.support.model import intent
from tests.support.pipeline import Pipeline
from tests.support.scripted_remote import StandIn, accepted, job
from worker.ledger.records import BatchState
from worker.ledger.routes import BATCH
from worker.pipeline.send_permit import SendPermit
from worker.remote.wire import WatchedBackend

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend


@pytest.fixture
def remote():
    with StandIn() as remote:
        remote.says("batch_update", accepted("job-1"))
        remote.says("task_result", job("SUCCESS", [1], []))
        yield remote


@pytest.fixture
def pipeline(remote, redis_url, prefix):
    pipeline = Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, slot_seconds=0.2)
    pipeline.lane.remote.submitter._steps.token()
    pipeline.lane.remote.submitter._sender._remote._calls._transport._client._transport._pool.close()  # the next request has to connect
    return pipeline


@pytest.fixture
def connecting(monkeypatch):
    """What happens while the next request connects."""
    todo = []
    connect = WatchedBackend.connect_tcp

    def connect_slowly(*args, **options):
        connection = connect(*args, **options)
        if todo:
            todo.pop()()
        return connection

    monkeypatch.setattr(WatchedBackend, "connect_tcp", connect_slowly)
    return todo


def record(pipeline, handle):
    return pipeline.runtime.redis.hgetall(pipeline.lane.lane.keys.named(f"intent:{handle.view().number}"))


def test_nothing_is_sent_when_another_took_the_lease_while_the_request_connected(pipeline, remote, connecting):
    pipeline.client.enqueue_many([intent([1], "new")])
    pipeline.runtime.intake.drain()
    lane = pipeline.lane.lane

    def taken_over():
        pipeline.runtime.redis.hset(lane.keys.route(BATCH).lease, "until", 0)
        other = lane.claim(owner="B", lease=30, max_open=9, max_wait=9, idem_uuid="u", token_fingerprint="t")
        assert other.kind == BatchState.REASK
        time.sleep(2 * pipeline.settings.heartbeat_seconds)

    connecting.append(taken_over)
    assert pipeline.lane.remote.submitter.run()["state"] == "taken over"
    assert remote.requests("batch_update") == []
    assert lane.counts().sending  # still B's


def test_a_request_that_was_withheld_is_put_back_and_nothing_is_counted(pipeline, remote, connecting):
    [handle] = pipeline.client.enqueue_many([intent([1], "new")])
    pipeline.runtime.intake.drain()

    def lose_the_lease():
        """A heartbeat is told that it is somebody else's; in truth nobody took it."""
        redis, key = pipeline.runtime.redis, pipeline.lane.lane.keys.route(BATCH).lease
        fence = redis.hget(key, "fence")
        redis.hset(key, "fence", "999")
        time.sleep(2 * pipeline.settings.heartbeat_seconds)
        redis.hset(key, "fence", fence)

    connecting.append(lose_the_lease)
    told = pipeline.lane.remote.submitter.run()
    assert (told["state"], told["error"]) == (
        "resend",
        "not sent: no slot was free in time, or the lease was lost",
    )
    assert remote.requests("batch_update") == []
    assert "rq" not in record(pipeline, handle)
    assert pipeline.finish(handle)[0].requests == 1
    assert len({one.headers["x-idem-uuid"] for one in remote.requests("batch_update")}) == 1


def test_a_slot_that_is_over_when_the_connection_is_there_is_changed_for_another(pipeline, remote, connecting):
    [handle] = pipeline.client.enqueue_many([intent([1], "new")])
    pipeline.runtime.intake.drain()
    key = pipeline.lane.lane.keys.named("slot:submit")
    elsewhere = []

    def another_sends():
        time.sleep(0.2)
        slots = type(pipeline.lane.remote.submitter._slots)(pipeline.runtime.redis, key, 0.2)
        reservation = slots.take(ahead=2)
        elsewhere.append(time.monotonic())
        slots.settle(reservation, verdict="accepted", answered_at=time.monotonic(), round_trip=0.001)

    connecting.append(another_sends)
    assert pipeline.lane.remote.submitter.run()["state"] == "open"
    [sent] = remote.requests("batch_update")
    assert sent.at - elsewhere[0] >= 0.2
    assert record(pipeline, handle)["rq"] == "1"


def test_the_request_is_ready_before_its_slot_and_leaves_when_it_opens(pipeline, remote, monkeypatch):
    """Not earlier: that is the limit. Not much later: that would be lost in every slot."""
    seen = []  # (taken at, opened at, left at)
    take, holds = SendPermit.take, SendPermit.still_holds
    taken_at = []
    monkeypatch.setattr(SendPermit, "take", lambda permit: (take(permit), taken_at.append(time.monotonic()))[0])

    def watched(permit):
        leaves = holds(permit)
        seen.append((taken_at[-1], permit.reservation.opens_at, time.monotonic()))
        return leaves

    monkeypatch.setattr(SendPermit, "still_holds", watched)
    for item in range(1, 11):
        pipeline.client.enqueue_many([intent([item], "new")])
        pipeline.runtime.intake.drain()
        remote.says("batch_update", accepted(f"job-{item}"))
        pipeline.lane.remote.submitter.run()
    assert len(remote.requests("batch_update")) == 10
    assert all(opened <= left for _, opened, left in seen)
    assert any(taken < opened for taken, opened, _ in seen[1:]), (
        "not one, even though a busy machine wakes some up late"
    )
