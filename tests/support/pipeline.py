"""The product's pipeline without Celery's workers: the same objects, run by turns in this process, on a real Redis."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from config.celery_options import celery_options
from config.settings import Settings
from feishu_batch import FeishuBatch
from sandbox.process import SandboxProcess
from tests.support.waiting import PATIENCE
from worker.runtime import build_runtime

SHORT: dict[str, Any] = {
    "slot_seconds": 0.02,
    "heartbeat_seconds": 0.09,
    "lease_seconds": 0.3,
    "grace_seconds": 0.3,
    "read_back_seconds": 0.2,
    "not_exist_seconds": 0.2,
    "job_timeout_seconds": 1.0,
    "http_timeout_seconds": 0.5,
    "backoff_seconds": 0.02,
    "backoff_max_seconds": 0.05,
    "max_attempts": 2,
    "unchecked_texts": "send",  # a lease as short as this lets intake wait for a look-up for a moment only
    "plugin_id": "plugin",
    "plugin_secret": "a-secret-of-the-plugin",
    "user_key": "7300000000000000001",
}

SLOT = 0.05  # seconds; of the fixtures below


class Pipeline:
    def __init__(self, redis_url: str, prefix: str, base_url: str, **settings: Any) -> None:
        self.settings = Settings(
            **{**SHORT, "redis_url": redis_url, "key_prefix": prefix, "base_url": base_url, **settings}
        )
        app = Celery("pipeline", set_as_current=False)
        app.conf.update(celery_options(self.settings))
        self.runtime = build_runtime(self.settings, app)
        self.lane = self.runtime.lanes["default"]
        self.client = FeishuBatch(redis_url, key_prefix=prefix)

    def turn(self) -> None:
        self.runtime.intake.drain()
        self.lane.remote.submitter.run()
        self.lane.remote.poller.run()
        self.lane.remote.read_back.run()

    def finish(self, *handles: Any, timeout: float = PATIENCE) -> list[Any]:
        """Results of the intents, which end as the pipeline runs."""
        deadline = time.monotonic() + timeout
        while any(handle.result() is None for handle in handles):
            assert time.monotonic() < deadline, [handle.view() for handle in handles]
            self.turn()
        return [handle.result() for handle in handles]


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
