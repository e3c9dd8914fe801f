"""Garbage where workers look: in the inbox stream and in every queue. Nothing crashes, blocks or leaks."""

import base64
import json
import pickle
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fuzz.hostile import GOOD, NASTY_TEXTS, nested
from tests.support.fault_stack import FaultStack
from tests.support.model import intent
from tests.support.waiting import PATIENCE, wait_until

QUEUES = ("feishu.intents", "feishu.submit", "feishu.poll", "feishu.default")
TASK = "feishu_batch.update_work_items"
TOUCHED = Path(tempfile.gettempdir()) / f"feishu-batch-pickle-{uuid4()}"
PASSWORD = "the-plugins-secret-value"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with FaultStack(tmp_path_factory.mktemp("fuzz"), sandbox={"world": None}, plugin_secret=PASSWORD) as stack:
        yield stack


def assert_alive(stack, handles=()):
    [last] = stack.client.enqueue_many([intent([1301], str(uuid4()))])
    assert last.wait(PATIENCE).ok
    stack.wait_until_idle()
    for process in stack._processes.values():
        assert process.poll() is None
    for name, text in stack.logs():
        assert PASSWORD not in text, name


def test_garbage_in_the_inbox_is_dropped_and_intents_around_it_are_done(stack):
    redis, inbox = stack.redis, stack.inbox.keys.inbox
    [before] = stack.client.enqueue_many([intent([1302], "before")])
    for payload in [
        *NASTY_TEXTS,
        "[" * 100_000,
        '{"intent_id": ' + "[" * 90_000,
        json.dumps({**GOOD, "intent_id": "stranger"}),
    ]:
        redis.xadd(inbox, {"t": "soon", "i": payload.encode("utf-8", "surrogatepass")})
    redis.xadd(inbox, {b"\xff": b"\xfe"})
    redis.xadd(inbox, {"i": b"\xff\xfe\x80"})
    redis.xadd(inbox, {"t": "9" * 400, "i": "{}"})
    position = redis.xadd(inbox, {"t": "1", "i": "x"})
    redis.xadd(inbox, {"t": "1", "i": "y"}, id=f"{position.split('-')[0]}-7")
    [after] = stack.client.enqueue_many([intent([1302], "after")])
    assert after.wait(PATIENCE).ok
    assert before.wait(PATIENCE).state == "succeeded"
    wait_until(lambda: stack.inbox.length() == 0, 30, "the inbox is empty")
    assert_alive(stack)


def message(body, *, task, content_type="application/json", encoding="utf-8", **headers):
    """As kombu's Redis transport keeps it."""
    properties = {
        "correlation_id": "c",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "q"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": {"lang": "py", "task": task, "id": str(uuid4()), "argsrepr": "()", "kwargsrepr": "{}", **headers},
        "properties": properties,
    }


class Bomb:
    def __reduce__(self):
        return (Path.touch, (TOUCHED,))


def garbage():
    call = json.dumps([[], {}, {}]).encode()
    yield message(b"no json", task=TASK)
    yield message(b"\xff\xfe", task=TASK)
    yield message(pickle.dumps(Bomb()), task=TASK, content_type="application/x-python-serialize", encoding="binary")
    yield message(b"a: !!python/object/apply:os.system [true]", task=TASK, content_type="application/x-yaml")
    yield message(call, task="no.such.task")
    yield message(call, task="celery.backend_cleanup", id="../../x")
    for name in ("intake", "submit_batch", "poll_job", "read_back", "publish", "sweep", "finish", "update_work_items"):
        yield message(json.dumps([[1, 2, 3], {"lane": ["x"], "nobody": 1}, {}]).encode(), task=f"feishu_batch.{name}")
        yield message(json.dumps([[], {"lane": "no-such-lane"}, {}]).encode(), task=f"feishu_batch.{name}")
    for body in (b"{}", b"[]", b"null", b"[1, 2, 3]", b"[[], [], {}]", b'["ab", {}, {}]', b"[[], {}, 7]"):
        yield message(body, task=TASK)
        yield message(body, task="feishu_batch.sweep")
    yield message(json.dumps([[], {"work_item_ids": nested(300)}, {}]).encode(), task=TASK)
    yield message(b'[[], {"note": "\\ud800", "after_field_value": NaN}, {}]', task=TASK)
    yield message(json.dumps([[], {**GOOD, "intent_id": "\x00"}, {}]).encode(), task=TASK, id="\x00:not an id")


def test_garbage_in_a_queue_stops_no_worker(stack):
    for one in garbage():
        for queue in QUEUES:
            stack.redis.lpush(queue, json.dumps(one))
    wait_until(lambda: not any(stack.redis.llen(queue) for queue in QUEUES), 20, "the queues were read")
    assert_alive(stack)
    assert not TOUCHED.exists()


def test_what_is_not_even_a_message_costs_a_worker_its_life_and_nothing_else(stack):
    """kombu ends the consumer for such an entry, which is gone then; `up` starts the worker again."""
    for queue, one in zip(QUEUES, ("no json at all", "[" * 50_000, "[]", "null"), strict=True):
        stack.redis.lpush(queue, one)
    stack.supervise_until(lambda: not any(stack.redis.llen(queue) for queue in QUEUES), 30, "the queues were read")
    [last] = stack.client.enqueue_many([intent([1301], str(uuid4()))])
    stack.supervise_until(last.result, 20, "work goes on")
