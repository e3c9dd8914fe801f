"""Calls of a pipeline run on when one fails: nothing may be recorded over the gap."""

import pytest
from redis.exceptions import ResponseError

from worker.ledger.lane import Lane
from worker.ledger.record_calls import NewIntent, record_calls


def intent(number, value, items):
    return NewIntent(
        number=number,
        intent_id=f"intent-{number}",
        digest=value,
        spec=f'{{"value": "{value}"}}',
        column="space field",
        mode="UPDATE",
        priority=5,
        enqueued_at_ms=1,
        expires_at_ms=None,
        keep_every_change=False,
        note=None,
        items=tuple(range(1, items + 1)),
    )


@pytest.fixture
def lane(redis, prefix):
    return Lane(redis, prefix, "default")


def test_a_later_intent_is_not_recorded_while_chunks_of_the_one_before_are_missing(lane, redis):
    old, new = intent(1, "old", 1000), intent(2, "new", 1000)
    calls = list(record_calls([old, new]))
    lane._run("record", calls[0])  # the second call fails, the third and fourth run on
    for call in calls[2:]:
        with pytest.raises(ResponseError, match="ORDER"):
            lane._run("record", call)
    assert not redis.exists(lane.keys.named("intent:2"))
    lane.record([old, new])
    gave_way = list(redis.scan_iter(match=lane.keys.named("under:2:*"), count=10_000))
    assert len(gave_way) == 1000
    assert redis.hget(lane.keys.named("intent:2"), "sp") is None


def test_a_chunk_is_not_recorded_over_a_missing_one(lane):
    calls = list(record_calls([intent(1, "old", 1500)]))
    lane._run("record", calls[0])
    with pytest.raises(ResponseError, match="ORDER"):
        lane._run("record", calls[2])


def test_recording_from_the_start_again_fills_the_gap_and_repeats_nothing(lane, redis):
    wish = intent(1, "old", 1500)
    lane._run("record", next(iter(record_calls([wish]))))
    lane.record([wish])
    lane.record([wish])
    assert redis.hlen(lane.keys.named("cells")) == 1500


def test_sharers_of_one_change_are_bounded(lane, redis):
    lane.record([intent(number, "same", 1) for number in range(1, 41)])
    assert all(value.count(",") < 16 for value in map(str, redis.hgetall(lane.keys.named("shared")).values()))
