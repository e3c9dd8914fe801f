import json

import pytest

from feishu_batch import FeishuBatch, IntentState, Progress, UnknownIntent, WaitTimeout, read_intent
from feishu_batch.keys import InboxKeys, IntentKeys, RecordField
from tests.client.intent_factory import content


def record(redis, prefix, handle, lane="main", outcomes=None, **fields):
    """Do what the worker does when it takes the intent out of the inbox."""
    inbox = InboxKeys(prefix)
    number = int(redis.hget(inbox.ids, handle.intent_id).split(":")[0])
    keys = IntentKeys(prefix, lane, number)
    redis.hset(keys.record, mapping={getattr(RecordField, name): value for name, value in fields.items()})
    if outcomes:
        redis.hset(keys.outcomes, mapping=outcomes)
    redis.hset(inbox.ids, handle.intent_id, f"{redis.hget(inbox.ids, handle.intent_id)}:{lane}")
    redis.xdel(inbox.inbox, f"{number}-0")


@pytest.fixture
def handle(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        yield client.enqueue(**content(work_item_ids=[1, 2, 3]))


def test_an_intent_in_the_inbox_is_queued(handle):
    assert handle.state is IntentState.QUEUED
    assert handle.progress == Progress(total=3, pending=3)
    assert handle.result() is None


def test_a_recorded_intent_is_open(redis, prefix, handle):
    record(redis, prefix, handle, TOTAL=3, OPEN=2, IN_FLIGHT=1, SUCCEEDED=1)
    assert handle.state is IntentState.OPEN
    assert handle.progress == Progress(total=3, pending=1, in_flight=1, succeeded=1)
    assert handle.progress.settled == 1
    assert handle.result() is None


def test_an_intent_that_is_recorded_in_part_is_open(redis, prefix, handle):
    record(redis, prefix, handle, TOTAL=3, RECORDED=1, OPEN=0, SUCCEEDED=1)
    assert handle.state is IntentState.OPEN
    assert handle.progress.pending == 2


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"SUCCEEDED": 3}, "succeeded"),
        ({"SUPERSEDED": 3}, "succeeded"),
        ({"SUCCEEDED": 2, "FAILED": 1}, "partial"),
        ({"SUPERSEDED": 2, "EXPIRED": 1}, "partial"),
        ({"FAILED": 3}, "failed"),
        ({"FAILED": 1, "CANCELED": 2}, "failed"),
        ({"CANCELED": 2, "EXPIRED": 1}, "canceled"),
        ({"EXPIRED": 3}, "expired"),
    ],
)
def test_the_counts_decide_the_final_state(redis, prefix, handle, counts, state):
    record(redis, prefix, handle, TOTAL=3, OPEN=0, **counts)
    assert handle.state == state
    assert handle.state.is_final
    assert sum(handle.result().counts.values()) == 3


def test_a_result_names_the_failed_items(redis, prefix, handle):
    why = {"code": 20014, "reason": "no such option"}
    outcomes = {"2": "f" + json.dumps(why), "3": "s"}
    times = {"ENQUEUED_AT_MS": 1_900_000_000_123, "COMPLETED_AT_MS": 1_900_000_001_000}
    record(
        redis,
        prefix,
        handle,
        outcomes=outcomes,
        TOTAL=3,
        OPEN=0,
        SUCCEEDED=1,
        FAILED=1,
        SUPERSEDED=1,
        REQUESTS=4,
        **times,
    )
    assert handle.wait(timeout=1).to_dict() == {
        "intent_id": handle.intent_id,
        "state": "partial",
        "counts": {"succeeded": 1, "failed": 1, "superseded": 1},
        "failed": {"2": why},
        "requests": 4,
        "enqueued_at": "2030-03-17T17:46:40.123+00:00",
        "completed_at": "2030-03-17T17:46:41.000+00:00",
    }


def test_a_refused_intent_failed_with_every_item(redis, prefix, handle):
    why = {"code": "mode", "reason": "text fields allow UPDATE only"}
    record(redis, prefix, handle, TOTAL=3, OPEN=0, ITEMS="1,2,3", REFUSED=json.dumps(why))
    result = handle.result()
    assert result.state is IntentState.FAILED
    assert result.failed == {"1": why, "2": why, "3": why}


def test_an_unknown_or_forgotten_intent_is_said_to_be_so(redis, redis_url, prefix, handle):
    with FeishuBatch(redis_url, key_prefix=prefix) as client, pytest.raises(UnknownIntent, match="nobody"):
        _ = client.handle("nobody").state
    record(redis, prefix, handle, TOTAL=3, OPEN=3)
    redis.delete(*redis.keys(f"{prefix}:{{main}}:*"))
    with pytest.raises(UnknownIntent):
        handle.wait(timeout=1)


def test_a_client_that_does_not_decode_reads_the_same(redis_url, prefix, redis, handle):
    from redis import Redis

    record(redis, prefix, handle, TOTAL=3, OPEN=0, SUCCEEDED=2, FAILED=1, outcomes={"2": "f"})
    with Redis.from_url(redis_url) as raw:
        assert read_intent(raw, prefix, handle.intent_id) == read_intent(redis, prefix, handle.intent_id)


def test_waiting_ends_after_the_timeout(handle):
    with pytest.raises(WaitTimeout, match=r"has not ended within 0\.1 s"):
        handle.wait(timeout=0.1)
