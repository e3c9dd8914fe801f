"""A worker that lives, answers pings and gets nothing done is unhealthy, and says why."""

import pytest

from config.settings import load_settings
from feishu_batch import FeishuBatch
from tests.deploy.compose_file import SECRETS, Containers, services
from tests.support.programs import require
from tests.support.waiting import PATIENCE, wait_until
from worker.connections import control_app

WORKERS = ("submit", "poll", "intake", "beat")
SETTINGS = {
    "FEISHU_BATCH_BASE_URL": "http://127.0.0.1:8765",
    "FEISHU_BATCH_PLUGIN_ID": "plugin",
    "FEISHU_BATCH_PLUGIN_SECRET": "secret",
    "FEISHU_BATCH_USER_KEY": "7300000000000000001",
    "FEISHU_BATCH_STALL_SECONDS": "16",  # it counts as unhealthy after half of that, and ends itself after all of it
}
INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1021],
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "healthy again",
}


@pytest.fixture
def containers(tmp_path):
    require("docker-compose", "redis-server", "redis-cli")
    with Containers(tmp_path, services(tmp_path, {**SECRETS, **SETTINGS})) as containers:
        for name in ("redis", "sandbox"):
            containers.start(name)
        containers.wait_healthy("redis", "sandbox")
        for name in WORKERS:
            containers.start(name)
        containers.wait_healthy(*WORKERS)
        yield containers


def test_a_worker_that_answers_and_takes_no_message_is_unhealthy(containers):
    environ = containers.environment("submit")
    with control_app(load_settings(environ)) as app, FeishuBatch(environ["FEISHU_BATCH_REDIS_URL"]) as client:
        [node] = (name for answer in app.control.ping(timeout=2) for name in answer if name.startswith("submit."))
        app.control.cancel_consumer("feishu.submit", destination=[node], reply=True)
        handle = client.enqueue(**INTENT)
        wait_until(lambda: not containers.is_healthy("submit"), 30, "it is unhealthy")
        assert "submit: messages are waiting, and the worker has read none" in containers.health("submit").stdout
        assert app.control.ping(destination=[node], timeout=2)
        assert [name for name in WORKERS if not containers.is_healthy(name)] == ["submit"]
        containers.wait_ended("submit", 30)  # by itself; whatever watches over it starts it again
        containers.start("submit")
        assert handle.wait(timeout=PATIENCE).ok
    containers.wait_healthy("submit")
