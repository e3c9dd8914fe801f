"""A ledger that a test drives by hand, and a session over it."""

import pytest

from config.settings import Settings
from tests.support.command import ledger
from worker.operating.session import unchecked_session

__all__ = ["ledger"]  # a fixture


@pytest.fixture
def session(redis_url, prefix):
    return unchecked_session(Settings(redis_url=redis_url, key_prefix=prefix))
