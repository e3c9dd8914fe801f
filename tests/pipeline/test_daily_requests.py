"""The soft cap of a day: single updates and looks stop, batches do not. On a real server."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from worker.ledger.lane import Lane
from worker.ledger.request_counts import RequestCounts
from worker.pipeline.daily_requests import DailyRequests


@pytest.fixture
def lane(redis, prefix):
    return Lane(redis, prefix, "default")


@pytest.fixture
def counts(redis, lane):
    return RequestCounts(redis, lane.keys, UTC)


def test_requests_are_counted_by_kind_and_day(redis, lane, counts):
    for kind in ("batch_update", "query", "query"):
        counts.note(kind)
    assert counts.today() == {"batch_update": 1, "query": 2}
    assert redis.hget(lane.keys.metrics, "req:query") == "2"
    assert 0 < redis.ttl(lane.keys.requests(datetime.now(UTC).date().isoformat())) <= 9 * 86_400
    tomorrow = RequestCounts(redis, lane.keys, timezone(timedelta(hours=23, minutes=59)))
    if tomorrow._today() != counts._today():
        assert tomorrow.today() == {}
    assert 0 < counts.left_of_today() <= 86_400


def test_at_the_cap_only_what_makes_it_faster_stops(redis, lane, counts):
    lane.singles.configure(13, alone=True)
    cap = DailyRequests(lane, counts, 3)
    counts.note("batch_update")
    cap.run()
    assert lane.singles.state().is_on
    for _ in range(2):
        counts.note("single_update")
    cap.run()
    state = lane.singles.state()
    assert not state.is_on
    assert "3 of today's 3 requests" in state.why
    assert abs(state.off_for - counts.left_of_today()) < 5
    assert redis.exists(lane.keys.no_looks)
    assert lane.paused() is None


def test_without_a_cap_nothing_is_asked(lane, counts):
    lane.singles.configure(13, alone=True)
    for _ in range(5):
        counts.note("query")
    DailyRequests(lane, counts, 0).run()
    assert lane.singles.state().is_on
