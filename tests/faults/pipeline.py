"""The product's pipeline without Celery's workers: the same objects, run by turns in this process, on a real Redis."""

import time
from typing import Any

from celery import Celery

from config.celery_options import celery_options
from config.settings import Settings
from feishu_batch import FeishuBatch
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
    "plugin_id": "plugin",
    "plugin_secret": "a-secret-of-the-plugin",
    "user_key": "7300000000000000001",
}


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
        self.lane.submitter.run()
        self.lane.follower.poll()
        self.lane.follower.read_back()

    def finish(self, *handles: Any, timeout: float = 15) -> list[Any]:
        """Results of the intents, which end as the pipeline runs."""
        deadline = time.monotonic() + timeout
        while any(handle.result() is None for handle in handles):
            assert time.monotonic() < deadline, [handle.view() for handle in handles]
            self.turn()
        return [handle.result() for handle in handles]
