import inspect
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from celery import Celery, chain, chord

from feishu_batch import FeishuBatch, IntentConflict, IntentError, ItemsFailed, UnknownIntent, WaitTimeout, signature
from feishu_batch.testing import FakeFeishuBatch
from tests.client.intent_factory import content


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


# --- fields, options and the values that items end with ---------------------------------------------------------------


@pytest.fixture
def knowing():
    return FakeFeishuBatch(fields={"Priority": ["P0", "P1"], "Tags": ["a", "b", "c"], "Title": None})


def wish(fake, field, value, mode="UPDATE", item=1234, **more):
    return fake.enqueue(
        **content(work_item_ids=[item], field_key=field, update_mode=mode, after_field_value=value, **more)
    )


def test_it_answers_which_value_an_item_has(knowing):
    wish(knowing, "Priority", "P1")
    wish(knowing, "Priority", {"value": "P0"})
    wish(knowing, "Title", "Shipped")
    assert knowing.value(1234, "Priority") == "P0"
    assert knowing.items == {1234: {"Priority": "P0", "Title": "Shipped"}}
    assert knowing.value(9, "Priority") is None


def test_it_answers_with_a_date_or_a_decimal_as_the_app_wrote_it():
    fake = FakeFeishuBatch()
    shanghai = timezone(timedelta(hours=8))
    written = [
        Decimal("1.10"),
        date(2026, 1, 31),
        datetime(2026, 1, 31, 18, tzinfo=shanghai),
        [Decimal(5), "x"],
        {"start_time": date(2026, 1, 1), "end_time": date(2026, 2, 1)},
    ]
    for item, value in enumerate(written, start=1):
        fake.enqueue(**content(work_item_ids=[item], field_key="f", after_field_value=value))
    assert [fake.value(item, "f") for item in range(1, len(written) + 1)] == written


def test_it_says_which_intents_were_known_before():
    fake = FakeFeishuBatch()
    assert fake.enqueue(**content(intent_id="a")).was_known is False
    assert fake.enqueue(**content(intent_id="a")).was_known is True
    assert fake.handle("a").was_known is None


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ([("UPDATE", ["a"]), ("APPEND", ["b", "a"])], ["a", "b"]),
        ([("APPEND", "a")], ["a"]),
        ([("UPDATE", ["a", "b"]), ("REPLACE", ["c"], ["a"])], ["b", "c"]),
        ([("UPDATE", ["a"]), ("REPLACE", ["c"], ["b"])], ["a"]),
        ([("UPDATE", "a"), ("REPLACE", "c", "a")], "c"),
        ([("UPDATE", "a"), ("REPLACE", "c", "b")], "a"),
        ([("UPDATE", ["a"]), ("UPDATE", [])], None),
        ([("UPDATE", ["a"]), ("UPDATE", None)], None),
    ],
)
def test_each_mode_does_what_it_does_there(knowing, changes, value):
    for mode, after, *before in changes:
        wish(knowing, "Tags", after, mode, **({"before_field_value": before[0]} if before else {}))
    assert knowing.value(1234, "Tags") == value


@pytest.mark.parametrize(
    ("field", "value", "code", "hint"),
    [
        ("Prioritty", "P0", "unknown_field", "the nearest is 'Priority'"),
        ("Priority", "P00", "unknown_option", "the nearest is 'P0'"),
        ("Tags", ["a", "z"], "unknown_option", "no option 'z'"),
    ],
)
def test_a_field_or_an_option_that_is_not_there_fails_as_it_would(knowing, field, value, code, hint):
    handle = wish(knowing, field, value)
    result = handle.wait(timeout=0)
    assert result.state == "failed"
    assert result.failed["1234"]["code"] == code
    assert hint in result.failed["1234"]["reason"]
    assert knowing.items == {}


def test_clearing_needs_no_option_and_a_failed_item_keeps_what_it_had(knowing):
    wish(knowing, "Priority", "P1")
    cleared = wish(knowing, "Priority", None)
    knowing.complete(cleared.intent_id, failed={1234: "NoPermissionToModify"})
    assert knowing.value(1234, "Priority") == "P1"


# --- Celery and pytest ------------------------------------------------------------------------------------------------


@pytest.fixture
def app():
    with Celery("backend", broker="memory://", backend="cache+memory://", set_as_current=False) as app:
        yield app


def of(app, field, value):
    return signature(app=app, **content(work_item_ids=[1234], field_key=field, after_field_value=value))


def test_the_celery_task_runs_in_chains_and_chords_without_a_broker(knowing, app):
    with knowing.celery_task(app):
        assert of(app, "Priority", "P0").apply_async().get()["state"] == "succeeded"
        assert chain(of(app, "Priority", "P1"), of(app, "Title", "done")).apply_async().get()["state"] == "succeeded"
        chord([of(app, "Tags", ["a"]), of(app, "Title", "x")])(of(app, "Priority", "P0")).get()
    assert knowing.items == {1234: {"Priority": "P0", "Title": "x", "Tags": ["a"]}}
    assert not app.conf.task_always_eager


def test_the_celery_task_fails_as_it_would(knowing, app):
    with knowing.celery_task(app):
        failed = of(app, "Priority", "P9").apply_async()
        with pytest.raises(ItemsFailed, match="P9"):
            failed.get()
        assert failed.state == "FAILURE"


def test_the_fixture_is_what_the_app_gets(fake_feishu_batch):
    client = FeishuBatch.from_env()
    wish(client, "anything", 5)
    assert fake_feishu_batch.value(1234, "anything") == 5


def test_the_history_of_an_item_is_told_newest_first(fake):
    first = fake.enqueue(**content(work_item_ids=[1, 2], after_field_value="a"))
    second = fake.enqueue(**content(work_item_ids=[1], after_field_value="b"))
    fake.complete(first.intent_id, failed={1: "NoPermissionToModify"})
    told = fake.history(1)
    assert [(one.intent_id, one.value, one.state, one.reason) for one in told] == [
        (second.intent_id, "b", "open", None),
        (first.intent_id, "a", "failed", "NoPermissionToModify"),
    ]
    assert [one.state for one in fake.history(2)] == ["succeeded"]
    assert fake.history(1, limit=1) == told[:1]
    assert fake.history(1, field="other") == fake.history(3) == []
