"""What goes first, what is left out, and what is not."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery.exceptions import TaskRevokedError

from tests.support.model import NUMBER, TEXT, intent
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def standing(stack):
    """The lane stands still, so that what is enqueued meets; `resume` lets it go."""
    stack.lane.pause("the test prepares", polling=True)
    yield stack
    stack.lane.resume()


def recorded(stack, handles):
    wait_until(lambda: all(handle.view().lane for handle in handles), 30, "all intents are recorded")


def values_seen(stack, item):
    [cell] = stack.sandbox.cells(item=item, field=TEXT)
    return [touch["value"] for touch in cell["history"]]


def test_a_higher_priority_goes_first(standing):
    wishes = [intent([1201 + n], f"value {n}", priority=priority) for n, priority in enumerate((1, 5, 9, 0))]
    handles = standing.client.enqueue_many(wishes)
    recorded(standing, handles)
    standing.lane.resume()
    standing.wait_all(handles)
    assert [batch["item_ids"] for batch in standing.batches()] == [[1203], [1202], [1201], [1204]]


def test_a_full_batch_goes_before_a_partial_one_of_the_same_priority(standing):
    handles = standing.client.enqueue_many([intent([1301], "single"), intent(range(1310, 1360), "full")])
    recorded(standing, handles)
    standing.lane.resume()
    standing.wait_all(handles)
    assert [batch["n_items"] for batch in standing.batches()] == [50, 1]


def test_an_intent_whose_time_is_over_ends_without_a_request(standing):
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    late, other = standing.client.enqueue_many(
        [intent([1205, 1206], "too late", expires_at=soon), intent([1207], "in time")]
    )
    recorded(standing, [late, other])
    time.sleep(0.4)
    standing.lane.resume()
    result = late.wait(PATIENCE)
    assert (result.state, result.counts) == ("expired", {"succeeded": 0, "failed": 0, "expired": 2})
    assert other.wait(PATIENCE).ok
    with pytest.raises(TaskRevokedError, match="expired"):
        late.async_result.get(timeout=PATIENCE)
    assert [batch["item_ids"] for batch in standing.batches()] == [[1207]]


def test_only_the_last_value_is_sent_and_those_before_it_are_superseded(standing):
    handles = standing.client.enqueue_many([intent([1208], value) for value in ("a", "b", "c")])
    recorded(standing, handles)
    standing.lane.resume()
    results = standing.wait_all(handles)
    assert [result.counts.get("superseded", 0) for result in results] == [1, 1, 0]
    assert all(result.ok for result in results)
    assert values_seen(standing, 1208) == ["c"]


def test_keep_every_change_lets_the_cell_see_each_value(standing):
    handles = standing.client.enqueue_many([intent([1209], value, keep_every_change=True) for value in ("a", "b", "c")])
    recorded(standing, handles)
    standing.lane.resume()
    assert [result.counts for result in standing.wait_all(handles)] == [{"succeeded": 1, "failed": 0}] * 3
    assert values_seen(standing, 1209) == ["a", "b", "c"]


def test_the_same_change_requested_twice_is_one_request(standing):
    handles = standing.client.enqueue_many([intent([1210, 1211], 7, NUMBER), intent([1211, 1212], 7, NUMBER)])
    recorded(standing, handles)
    standing.lane.resume()
    assert [result.counts["succeeded"] for result in standing.wait_all(handles)] == [2, 2]
    assert [batch["item_ids"] for batch in standing.batches()] == [[1210, 1211, 1212]]
