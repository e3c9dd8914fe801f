import inspect

import pytest
from intent_factory import content

from feishu_batch import FeishuBatch, IntentConflict, IntentError, ItemsFailed, UnknownIntent, WaitTimeout
from feishu_batch.testing import FakeFeishuBatch


@pytest.fixture
def fake():
    return FakeFeishuBatch()


def test_it_records_what_was_enqueued(fake):
    first = fake.enqueue(**content())
    fake.enqueue_many([content(intent_id="x"), content(intent_id="x")])
    assert [intent.intent_id for intent in fake.intents] == [first.intent_id, "x"]
    assert first.state == "queued"
    assert first.async_result.state == "PENDING"
    with pytest.raises(WaitTimeout):
        first.wait(timeout=0.01)


def test_it_refuses_what_the_client_refuses(fake):
    with pytest.raises(IntentError):
        fake.enqueue(**content(work_item_ids=[]))
    fake.enqueue(**content(intent_id="x"))
    with pytest.raises(IntentConflict):
        fake.enqueue_many([content(), content(intent_id="x", priority=1)])
    assert len(fake.intents) == 1
    with pytest.raises(UnknownIntent):
        _ = fake.handle("nobody").state


def test_a_test_completes_an_intent(fake):
    handle = fake.enqueue(**content())
    fake.complete(handle.intent_id)
    assert handle.wait(timeout=0).ok
    assert handle.async_result.get()["counts"] == {"succeeded": 1, "failed": 0}


def test_a_test_says_which_items_failed(fake):
    handle = fake.enqueue(**content(work_item_ids=[1, 2, 3, 4]))
    fake.complete(
        handle.intent_id, failed={2: "no permission", 3: {"code": 20014, "reason": "no option"}}, superseded=[4]
    )
    result = handle.wait(timeout=0)
    assert result.state == "partial"
    assert result.counts == {"succeeded": 1, "failed": 2, "superseded": 1}
    assert result.failed == {
        "2": {"code": None, "reason": "no permission"},
        "3": {"code": 20014, "reason": "no option"},
    }
    with pytest.raises(ItemsFailed, match="no permission"):
        handle.async_result.get()


def test_a_test_cannot_fail_an_item_that_is_not_in_the_intent(fake):
    handle = fake.enqueue(**content())
    with pytest.raises(ValueError, match="9"):
        fake.complete(handle.intent_id, failed={9: "?"})


def test_it_has_the_clients_interface():
    for name, method in inspect.getmembers(FeishuBatch, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(FakeFeishuBatch, name)) == inspect.signature(method)
