"""A worker that lives, answers pings and gets nothing done is unhealthy, and says why."""

import os

import pytest

from config.settings import as_environment
from tests.support.model import intent
from tests.support.stack import WORKERS, Stack
from tests.support.waiting import PATIENCE, PROCESS_PAUSE, wait_until
from tests.support.zygote import run_command
from worker.connections import control_app

STALL_SECONDS = 16  # it counts as unhealthy after half of that, and ends itself after all of it


class AskedStack(Stack):
    """Its workers' health is asked for by the command of the compose file and the manifests."""

    def health(self, name):
        return run_command("health", name, env={**os.environ, **as_environment(self.settings)}, timeout=PATIENCE)

    def is_healthy(self, name):
        return self.health(name).returncode == 0

    def await_health(self, is_so, what):
        wait_until(is_so, 45, what, pause=PROCESS_PAUSE)


@pytest.fixture
def stack(tmp_path):
    with AskedStack(tmp_path / "stack", stall_seconds=STALL_SECONDS) as stack:
        stack.await_health(lambda: all(map(stack.is_healthy, WORKERS)), "all are healthy")
        yield stack


def test_a_worker_that_answers_and_takes_no_message_is_unhealthy(stack):
    with control_app(stack.settings) as app:
        [node] = (name for answer in app.control.ping(timeout=2) for name in answer if name.startswith("submit."))
        app.control.cancel_consumer("feishu.submit", destination=[node], reply=True)
        [handle] = stack.client.enqueue_many([intent([1021], "healthy again")])
        stack.await_health(lambda: not stack.is_healthy("submit"), "it is unhealthy")
        assert "submit: messages are waiting, and the worker has read none" in stack.health("submit").stdout
        assert app.control.ping(destination=[node], timeout=2)
        assert [name for name in WORKERS if not stack.is_healthy(name)] == ["submit"]
        stack.await_end("submit")  # whatever watches over it starts it again
        stack.revive()
        assert handle.wait(timeout=PATIENCE).ok
    stack.await_health(lambda: stack.is_healthy("submit"), "it is healthy again")
