"""The workers against a server that is not the tests' usual one."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from feishu_batch import FeishuBatch, ReadError
from feishu_batch.handle import Handle
from feishu_batch.redis_pools import pool_of
from tests.support.stack import LISTENING, Stack
from tests.support.waiting import PATIENCE
from worker.connections import control_app


class DeployStack(Stack):
    """`url`: of the workers; `producer_url` and `admin_url`: of others, where they have users of their own."""

    def __init__(
        self, directory: Path, server: Any, url: str, *, producer_url: str = "", admin_url: str = "", **settings: Any
    ) -> None:
        super().__init__(directory, **settings)
        self.server = server
        self.server.url = url
        self._producer_url, self._admin_url = producer_url or url, admin_url or url

    def _connect(self) -> Redis:
        pool = pool_of(self._admin_url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)
        return Redis.from_pool(pool)

    def _why_not_ready(self) -> str:
        """By an answer, through whatever broker there is. The limit makes the last answer the end of the wait for more."""
        with control_app(self.settings) as app:
            try:
                answers = app.control.ping(timeout=2, limit=LISTENING)
            except Exception as error:  # noqa: BLE001 - the broker is not there yet, or not yet as it should be
                return f"no ping: {error!r}"
        return "" if len(answers) >= LISTENING else f"{len(answers)} of {LISTENING} answer a ping: {answers}"

    def _renew_server(self) -> None:
        """It is the test's, which has others at its side."""

    def wait_supervised(self, handles: Sequence[Handle], patience: float = PATIENCE) -> set[str]:
        """The states in which they ended. kombu ends a worker whose connection breaks; what supervises it starts another."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.supervise(0.2)
            with contextlib.suppress(RedisError, ReadError):
                if all(handle.result() for handle in handles):
                    break
        return {str(result.state) for result in self.wait_all(handles, 1)}

    def new_client(self) -> FeishuBatch:
        broker = self.settings.broker_url
        return FeishuBatch(
            self._producer_url,
            broker_url=broker.get_secret_value() if broker else None,
            key_prefix=self.settings.key_prefix,
            timeout=2,
        )
