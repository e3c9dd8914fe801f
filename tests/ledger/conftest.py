import pytest

from worker.ledger.lane import Lane


@pytest.fixture
def lane(redis, prefix):
    return Lane(redis, prefix, "lane")


@pytest.fixture
def record_of(redis, lane):
    return lambda number: redis.hgetall(lane.key(f"intent:{number}"))
