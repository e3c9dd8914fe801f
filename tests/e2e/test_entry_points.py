"""Whatever entry point an intent comes through: it ends, in order, and says what became of every item."""

import threading
import time

from tests.support.model import REFUSING, TEXT, Model, intent, random_intents
from tests.support.waiting import PATIENCE

ITEMS = list(range(1001, 1051))
TASK = "feishu_batch.update_work_items"


def by_number(handles, intents):
    """The intents in the order in which they were enqueued."""
    numbered = [(handle.view().number, one) for handle, one in zip(handles, intents, strict=True)]
    return [one for _, one in sorted(numbered, key=lambda pair: pair[0])]


def send_task(app, one):
    content = one.model_dump(mode="json", exclude_defaults=True)
    app.send_task(TASK, kwargs=content, queue="feishu.intents", task_id=one.intent_id)


def check_against_model(stack, handles, intents):
    model = Model()
    for one in by_number(handles, intents):
        model.apply(one)
    model.assert_matches(stack.sandbox.values())


def check_result(result, one):
    assert sum(result.counts.values()) == len(one.work_item_ids)
    assert len(result.failed) == result.counts["failed"]
    for item, why in result.failed.items():
        assert REFUSING[int(item)] in why["reason"]


def enqueue_portions(stack, intents, size):
    with stack.new_client() as client:
        for start in range(0, len(intents), size):
            client.enqueue_many(intents[start : start + size])
            time.sleep(0.01 * size)


def test_random_intents_through_all_entry_points_leave_every_cell_as_if_they_had_come_one_after_the_other(stack):
    single, many, sent = entries = [random_intents(seed, 15, ITEMS) for seed in (11, 12, 13)]
    producers = [
        threading.Thread(target=enqueue_portions, args=(stack, single, 1)),
        threading.Thread(target=enqueue_portions, args=(stack, many, 8)),
    ]
    for producer in producers:
        producer.start()
    app = stack.celery_app()
    for one in sent:
        send_task(app, one)
    for producer in producers:
        producer.join()
    for one in sent:
        app.AsyncResult(one.intent_id).get(timeout=60, propagate=False)

    for intents in entries:
        handles = [stack.client.handle(one.intent_id) for one in intents]
        for result, one in zip(stack.wait_all(handles), intents, strict=True):
            check_result(result, one)
        assert by_number(handles, intents) == intents
    intents = [*single, *many, *sent]
    check_against_model(stack, [stack.client.handle(one.intent_id) for one in intents], intents)
    stack.assert_rules_kept()


def test_500_intents_of_one_item_and_one_value_take_10_requests(stack):
    handles = stack.client.enqueue_many([intent([item], "the same") for item in range(1100, 1600)])
    results = stack.wait_all(handles)
    assert {result.state.value for result in results} == {"succeeded"}
    batches = stack.batches()
    assert [batch["n_items"] for batch in batches] == [50] * 10
    assert {batch["field_key"] for batch in batches} == {TEXT}
    stack.assert_rules_kept()


def test_one_intent_of_more_than_fifty_items_is_packed_as_well(stack):
    [handle] = stack.client.enqueue_many([intent(range(1100, 1220), "large")])
    result = handle.wait(PATIENCE)
    assert result.counts == {"succeeded": 120, "failed": 0}
    assert result.requests == 3
    assert [batch["n_items"] for batch in stack.batches()] == [50, 50, 20]
