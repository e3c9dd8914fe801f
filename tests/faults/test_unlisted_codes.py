"""A code that stands in no list: one bad item is found by halving, and one that hits everybody is recognised as such."""

import pytest

from tests.support.model import intent
from tests.support.pipeline import Pipeline
from tests.support.scripted_remote import StandIn, accepted, job, refused

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
CODE = 424242


@pytest.fixture
def remote():
    """Every job is done at once; its name says of which items."""
    with StandIn() as remote:
        remote.says(
            "task_result", lambda body: job("SUCCESS", [int(item) for item in body["task_id"][0].split(".")], [])
        )
        yield remote


@pytest.fixture
def pipeline(remote, redis_url, prefix):
    return Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, catalogue="off")


def refuse(remote, is_bad, code=CODE):
    def answer(body):
        items = body["work_item_ids"]
        return refused(code, "Nobody Knows") if any(map(is_bad, items)) else accepted(".".join(map(str, items)))

    remote.says("batch_update", answer)
    remote.seen.clear()


def run(pipeline, items, value="x"):
    return pipeline.finish(*pipeline.client.enqueue_many([intent(list(items), value)]))[0]


@pytest.mark.parametrize("bad", [{1}, {25}, {50}, {7, 31}])
def test_a_bad_item_among_fifty_is_found_and_the_others_go_through(remote, pipeline, bad):
    refuse(remote, bad.__contains__)
    result = run(pipeline, range(1, 51))
    assert {int(item) for item in result.failed} == bad
    assert len(remote.requests("batch_update")) <= 13 * len(bad)


def test_a_code_that_hits_every_item_is_recognised_and_costs_one_request_a_batch_from_then_on(remote, pipeline):
    refuse(remote, lambda _: True)
    result = run(pipeline, range(1, 51))
    assert len(result.failed) == 50
    assert {why["code"] for why in result.failed.values()} == {str(CODE)}
    assert len(remote.requests("batch_update")) <= 29
    refuse(remote, lambda _: True)
    result = run(pipeline, range(101, 301), "another value")
    assert "a single item is not the cause" in result.failed["101"]["reason"]
    assert len(remote.requests("batch_update")) == 4

    refuse(remote, lambda _: False)
    assert run(pipeline, range(1, 51)).ok
    refuse(remote, {9}.__contains__)
    assert list(run(pipeline, range(1, 51), "later").failed) == ["9"]


def test_a_listed_code_of_single_items_is_followed_to_each_of_them(remote, pipeline):
    refuse(remote, lambda item: item != 20, 20014)
    assert len(run(pipeline, range(1, 31)).failed) == 29
