"""The master of a Redis behind Sentinel dies while there is work, and takes the first sentinel of the URL with it."""

import time

import pytest

from feishu_batch import FeishuBatch
from feishu_batch.errors import EnqueueError
from tests.support.deploy_servers import Watched, make_certificates
from tests.support.deploy_stack import DeployStack
from tests.support.programs import require
from tests.support.waiting import PATIENCE

CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}


@pytest.fixture(scope="module", params=["plain", "tls"])
def servers(request, tmp_path_factory):
    require("redis-server", "redis-sentinel", "openssl")
    directory = tmp_path_factory.mktemp(f"sentinel-{request.param}")
    return Watched(directory, make_certificates(directory) if request.param == "tls" else None)


@pytest.fixture(scope="module")
def stack(servers, tmp_path_factory):
    with DeployStack(
        tmp_path_factory.mktemp("sentinel-stack"),
        servers,
        servers.sentinel_url,
        redis_timeout_seconds=1,
        redis_connect_timeout_seconds=1,
    ) as stack:
        yield stack


def test_an_intent_is_applied(stack):
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="by Sentinel")
    assert handle.wait(PATIENCE).state == "succeeded"
    assert handle.async_result.get(timeout=PATIENCE)["state"] == "succeeded"


def test_a_master_that_nobody_knows_is_named(servers, stack):
    url = servers.sentinel_url.replace("master=ledger", "master=other")
    why = "no sentinel of redis_url answers with a healthy master"
    with FeishuBatch(url, timeout=1) as client, pytest.raises(EnqueueError, match=why):
        client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="x")


def test_the_work_continues_at_the_new_master(servers, stack):
    """The last test with these servers: the old master does not come back."""
    before = stack.client.enqueue_many(
        {**CHANGE, "work_item_ids": [item], "after_field_value": f"before {item % 4}"} for item in range(1031, 1042)
    )
    assert servers.in_step()
    old = servers.master_port()
    servers.kill_master()
    after = enqueue_surely(stack, {**CHANGE, "work_item_ids": [1050], "after_field_value": "after"})
    assert servers.master_port() != old
    assert stack.wait_supervised([*before, after]) == {"succeeded"}


def enqueue_surely(stack, intent):
    """As docs/producers.md tells producers to."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return stack.client.enqueue_many([{**intent, "intent_id": "surely-once"}])[0]
        except EnqueueError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
