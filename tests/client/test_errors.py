import json

import pytest
from celery import Celery
from celery.backends.base import Backend

from feishu_batch import EnqueueError, ItemsFailed

RESULT = {
    "intent_id": "i1",
    "state": "partial",
    "counts": {"succeeded": 42, "failed": 17},
    "failed": {str(n): {"code": 20014, "reason": f"reason {n}"} for n in range(1, 18)},
}


def test_the_first_failed_items_are_named_and_the_others_counted():
    text = str(ItemsFailed.of(RESULT))
    assert text.startswith("17 of 59 work items were not changed: 1 (20014: reason 1); 2 (20014: reason 2)")
    assert text.endswith("… and 12 more")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (
            {"code": "WorkItemTerminated", "reason": "the job refused it: WorkItemTerminated"},
            "the job refused it: WorkItemTerminated",
        ),
        ({"code": "20050", "reason": "Wrong (code 20050, HTTP 400)"}, "Wrong (code 20050, HTTP 400)"),
        ({"code": "1", "reason": "one of 10"}, "1: one of 10"),
        ({"code": "not_stored", "reason": ""}, "not_stored"),
        ({"code": None, "reason": "no permission"}, "no permission"),
    ],
)
def test_a_code_that_the_reason_names_is_not_said_twice(why, said):
    assert str(ItemsFailed.of({**RESULT, "counts": {"failed": 1}, "failed": {"7": why}})).endswith(f": 7 ({said})")


def test_an_intent_that_ended_without_a_failed_item_says_how():
    assert str(ItemsFailed.of({"state": "canceled", "counts": {"canceled": 3}, "failed": {}})) == "intent canceled"


def test_items_failed_survives_celerys_json():
    backend = Backend(app=Celery(set_as_current=False))
    sent = json.loads(json.dumps(backend.prepare_exception(ItemsFailed.of(RESULT), "json")))
    received = backend.exception_to_python(sent)
    assert type(received) is ItemsFailed
    assert received.result == RESULT
    assert str(received) == str(ItemsFailed.of(RESULT))


def test_an_enqueue_error_reads_as_its_message():
    error = EnqueueError("no answer", True, 3, ["a", "b"])
    assert str(error) == "no answer"
    assert (error.outcome_unknown, error.written, error.intent_ids) == (True, 3, ("a", "b"))
    assert str(EnqueueError(*error.args)) == "no answer"
