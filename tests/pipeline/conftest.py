import pytest

from tests.pipeline.intake_kit import Site


@pytest.fixture
def site(redis_url, redis, prefix):
    return Site(redis_url, redis, prefix)
