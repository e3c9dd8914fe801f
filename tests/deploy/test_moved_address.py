"""The one address of Redis leads to another server, and no connection is closed."""

import contextlib
import time

import pytest
from redis import RedisError

from feishu_batch import FeishuBatchError
from tests.deploy.moving import Pair
from tests.support.deploy_stack import DeployStack
from tests.support.waiting import PATIENCE, fair_now, wait_until
from worker.ledger.reads.lane_health import read_lane_health

CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}
BAR = 10.0  # seconds
BUSY = 3  # so many times the bar on a machine that does other things as well; docs/reliability.md has what was measured


class MovingStack(DeployStack):
    def __init__(self, directory, **settings):
        super().__init__(directory, Pair(directory), "", **settings)

    def _new_settings(self):
        self._producer_url = self._admin_url = self.server.url
        return super()._new_settings()

    def at_the_primary(self, *command):
        return self.server.ask(self.server.primary, *command)


@pytest.fixture
def stack(tmp_path):
    with MovingStack(tmp_path) as stack:
        yield stack


@pytest.mark.parametrize("how", ["change_places", "leave_behind"])
def test_producers_and_all_processes_work_again_after_the_address_moved(stack, how):
    first = stack.client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="before")
    assert first.wait(PATIENCE).state == "succeeded"
    stack.wait_until_idle()
    pids = stack.pids()

    getattr(stack.server, how)()
    moved, began = time.monotonic(), fair_now()
    after = {
        "producer": when(stack, began, lambda: enqueue_at_the_primary(stack)),
        "intake, submit, poll": when(stack, began, lambda: applied_by_the_new_primary(stack)),
        "celery's result": when(stack, began, lambda: stack.client.handle("x1").async_result.state == "SUCCESS"),
        "beat": when(stack, began, lambda: has_swept_since(stack, moved)),
    }
    print(f"{how}: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in after.items()))
    print("started anew:", [name for name, pid in stack.pids().items() if pid != pids[name]])
    assert max(after.values()) < BUSY * BAR
    stack.assert_rules_kept()


def when(stack, began, is_so):
    """Seconds after the move at which it was so."""

    def seen():
        stack.revive()
        with contextlib.suppress(RedisError, FeishuBatchError):
            return is_so()

    wait_until(seen, 2 * BUSY * BAR, "it works again")
    return fair_now() - began


def enqueue_at_the_primary(stack):
    """Acknowledged by a server that was left behind is lost; producers cannot know, so it is enqueued again."""
    stack.client.enqueue(**CHANGE, work_item_ids=[1023], after_field_value="after", intent_id="x1")
    return stack.at_the_primary("HGET", f"{stack.settings.key_prefix}:{{front}}:ids", "x1")


def applied_by_the_new_primary(stack):
    entry = stack.at_the_primary("HGET", f"{stack.settings.key_prefix}:{{front}}:ids", "x1")
    return entry and stack.client.handle("x1").state == "succeeded"


def has_swept_since(stack, moved):
    swept = read_lane_health(stack.redis, stack.lane.keys).swept
    return swept is not None and swept < time.monotonic() - moved
