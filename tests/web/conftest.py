"""The page as its users have it: a process of its own over a ledger with real workers, and a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from feishu_batch import FeishuBatch
from tests.support.command import Ledger
from tests.support.programs import require
from tests.support.stack import Stack
from tests.web.browser import BROWSER, DRIVER, chromium
from tests.web.by_hand import ByHand
from tests.web.serving import PICTURES, SECRET, Served, page_of, serving


@pytest.fixture(scope="package")
def running(tmp_path_factory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("web"), plugin_secret=SECRET) as stack:
        stack.learn_names()
        yield stack


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    yield running
    running.revive()
    running.lane.resume()
    running.wait_until_idle()


@pytest.fixture(scope="package")
def page(running: Stack, tmp_path_factory) -> Iterator[Served]:
    """One without a token, for all tests that leave it as it is."""
    with page_of(running, tmp_path_factory.mktemp("page")) as served:
        yield served


@pytest.fixture
def by_hand(redis_url: str, redis: Redis, prefix: str, tmp_path: Path) -> Iterator[ByHand]:
    with serving(redis_url, prefix, tmp_path) as served, FeishuBatch(redis_url, key_prefix=prefix) as client:
        yield ByHand(served, client, Ledger(redis, prefix), redis)


@pytest.fixture(scope="package")
def driver():
    require(BROWSER, DRIVER)
    with chromium() as browser:
        yield browser


@pytest.fixture
def save(tmp_path: Path):
    """Where a picture goes: into the documents with PICTURES=docs/images, else nowhere that lasts."""
    return lambda name: (PICTURES or tmp_path) / f"{name}.png"
