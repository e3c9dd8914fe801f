"""The product's pipeline in this process, the sandbox in another, and what a scrape tells of them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "faults", HERE.parent / "e2e", HERE.parent / "ledger"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from pipeline import Pipeline  # noqa: E402 - found by the path above
from scrape import scrape  # noqa: E402 - as above

from sandbox.process import SandboxProcess  # noqa: E402 - as above
from worker.ledger.lane import Lane  # noqa: E402 - as above

SLOT = 0.05  # seconds


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(window=SLOT, job_median=0.02, seed=3) as process:
        yield process


@pytest.fixture
def pipeline(sandbox, redis_url, prefix) -> Iterator[Pipeline]:
    sandbox.reset()
    one = Pipeline(redis_url, prefix, sandbox.base_url, slot_seconds=SLOT)
    for size in range(7):
        for _ in range(6):
            one.lane.lane.note_duration(size, 0.05)  # as if learned: jobs are asked for soon
    yield one
    sandbox.clear_faults()


@pytest.fixture
def lane(redis: Redis, prefix: str) -> Lane:
    return Lane(redis, prefix, "default")


@pytest.fixture
def look(redis: Redis, prefix: str):
    """What a scrape tells now."""
    return lambda **settings: scrape(redis, prefix, **settings)
