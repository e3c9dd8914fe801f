"""The product's pipeline in this process, the sandbox in another, and what a scrape tells of them."""

import pytest
from redis import Redis

from tests.metrics.scrape import scrape
from tests.support.pipeline import pipeline, sandbox
from worker.ledger.lane import Lane

__all__ = ["pipeline", "sandbox"]  # fixtures


@pytest.fixture
def lane(redis: Redis, prefix: str) -> Lane:
    return Lane(redis, prefix, "default")


@pytest.fixture
def look(redis: Redis, prefix: str):
    """What a scrape tells now."""
    return lambda **settings: scrape(redis, prefix, **settings)
