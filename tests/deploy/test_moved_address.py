"""The one address of Redis leads to another server, and no connection is closed."""

import time

import pytest
from deploy_stack import DeployStack
from moving import Pair
from stack import wait_until

CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}
BAR = 10.0  # seconds within which everything works again


class MovingStack(DeployStack):
    def __init__(self, directory, **settings):
        super().__init__(directory, Pair(directory), "", **settings)

    def _new_settings(self):
        self._producer_url = self._admin_url = self.server.url
        return super()._new_settings()


@pytest.fixture
def stack(tmp_path):
    with MovingStack(tmp_path) as stack:
        yield stack


@pytest.mark.parametrize("how", ["change_places", "leave_behind"])
def test_everything_works_again_after_the_address_moved(stack, how):
    first = stack.client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="before")
    assert first.wait(30).state == "succeeded"
    pids = {name: process.pid for name, process in stack._processes.items()}

    getattr(stack.server, how)()
    began = time.monotonic()
    told = {}
    until(told, "producer", lambda: surely(stack), began)
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1022], after_field_value="after")
    until(told, "applied", lambda: handle.result(), began)
    until(told, "beat", lambda: has_swept(stack, began), began)
    print(how, {name: round(at, 1) for name, at in told.items()}, "restarted:", restarted(stack, pids))
    assert handle.result().state == "succeeded"
    assert max(told.values()) < 3 * BAR


def surely(stack):
    try:
        handle = stack.client.enqueue_many(
            [{**CHANGE, "intent_id": "x1", "work_item_ids": [1023], "after_field_value": "1"}]
        )
    except Exception as e:
        print(e)
        return False
    return stack.server.ask(stack.server.primary, "HGET", f"{stack.settings.key_prefix}:{{front}}:ids", "x1")


def until(told, name, is_so, began):
    def look():
        try:
            return is_so()
        except Exception as e:
            print("?", name, e)
            return False

    wait_until(look, 60, name)
    told[name] = time.monotonic() - began


def has_swept(stack, began):
    from worker.ledger.vitals import vitals

    swept = vitals(stack.redis, stack.lane.prefix).swept
    return swept is not None and swept > time.time() - (time.monotonic() - began)


def restarted(stack, pids):
    return [name for name, process in stack._processes.items() if process.pid != pids[name]]
