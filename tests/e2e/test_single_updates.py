"""The single route through real workers, under each reading of its endpoint: what is reported as succeeded is stored, and nothing else is lost."""

import time

import pytest

from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until

PLACE = {"project_key": "demo", "work_item_type_key": "story"}
TEXT, NUMBER, REMARKS = "field_a1b2c3", "field_3f6a90", "field_0c9d1e"


@pytest.fixture(scope="module")
def single_stack(tmp_path_factory):
    # An empty text does not clear a field here: our clears, which are null, are the one bad value that intake cannot know.
    world = {"window": 1.0, "clears_with": "text"}
    with Stack(
        tmp_path_factory.mktemp("singles"), sandbox=world, slot_seconds=1.0, single_updates_per_second=13
    ) as stack:
        stack.learn_names()
        wait_until(lambda: stack.lane.singles.state().is_on, 30, "the route is on")
        yield stack


@pytest.fixture
def stack(single_stack):
    single_stack.sandbox.set_single_rules(
        bad_field="refuse", window="sliding", uuid="rejected", access="allowed", writes="fields", limit=15, seconds=0.0
    )
    with single_stack.lent() as stack:
        stack.redis.hdel(stack.lane.keys.singles.state, "off", "why")
        yield stack


def wanted(items, **more):
    return {item: {TEXT: f"note {item}", NUMBER: item / 2, **more} for item in items}


def written(stack, change_set, rows, **options):
    given = {"skip_unchanged": False, **options}
    return stack.client.enqueue_table(rows, **PLACE, change_set=change_set, **given).wait(PATIENCE)


def stored(stack, items, field):
    values = stack.sandbox.values()
    return {item: values.get(item, {}).get(field) for item in items}


def single_requests(stack):
    ends = stack.sandbox.report()["endpoints"]
    return next((one["requests"] for one in ends if one["endpoint"] == "update_item"), 0)


def assert_stored(stack, rows):
    for field in (TEXT, NUMBER):
        assert stored(stack, rows, field) == {item: row[field] for item, row in rows.items()}


def test_different_values_of_an_item_travel_together(stack):
    rows = wanted(range(1101, 1111))
    before = single_requests(stack)
    assert written(stack, "together", rows).counts["succeeded"] == 20
    assert_stored(stack, rows)
    assert single_requests(stack) - before == 10
    assert stack.sandbox.report()["single_updates"]["fields"] == {"2": 10}


@pytest.mark.parametrize("reading", ["refuse", "prefix", "drop"])
def test_one_bad_field_fails_alone(stack, reading):
    stack.sandbox.set_single_rules(bad_field=reading)
    items = range(1131, 1137)
    for item in items:
        stack.sandbox.edit(item, REMARKS, "a remark")
    rows = wanted(items, **{REMARKS: None})
    changes = stack.client.enqueue_table(rows, **PLACE, change_set=f"bad-{reading}", skip_unchanged=False)
    result = changes.wait(PATIENCE)
    assert (result.counts["succeeded"], result.counts["failed"]) == (12, 6)
    assert {(one.item, one.field) for one in changes.failures()} == {(item, REMARKS) for item in items}
    # What was dropped silently goes by a batch, which is refused with the reason.
    assert {one.code for one in changes.failures()} == {"20006"}
    assert_stored(stack, rows)
    assert set(stored(stack, items, REMARKS).values()) == {"a remark"}


@pytest.mark.parametrize(
    "fault",
    [
        "drop_before=4x",
        "drop_after=4x",
        "error_after=4x,status=504",
        "hang_after=2x,seconds=2",
        "error_late=3x,status=504,seconds=0.8",
    ],
)
def test_a_lost_answer_is_found_by_reading_back(stack, fault):
    rows = wanted(range(1141, 1149))
    stack.sandbox.set_faults(f"update_item:{fault}")
    assert written(stack, f"lost-{fault[:10]}", rows).counts["succeeded"] == 16
    stack.wait_until_idle()
    assert_stored(stack, rows)


def test_a_late_request_never_ends_over_a_newer_value(stack):
    stack.sandbox.set_faults("update_item:error_late=1x,status=504,seconds=0.9")
    stack.client.enqueue_many([intent(1151, "older")])
    wait_until(lambda: stack.sandbox.report()["faults"], 30, "the request arrived")
    [newer] = stack.client.enqueue_many([intent(1151, "newer")])
    assert newer.wait(PATIENCE).ok
    time.sleep(1.0)
    [cell] = stack.sandbox.cells(item=1151, field=TEXT)
    assert [touch["value"] for touch in cell["history"]][-1] == "newer"


def intent(item, value, field=TEXT, **more):
    return {
        **PLACE,
        "work_item_ids": [item],
        "field_key": field,
        "after_field_value": value,
        "update_mode": "UPDATE",
        **more,
    }


@pytest.mark.parametrize("query", ["hide_field", "refuse=2x,code=20029"])
def test_what_a_read_does_not_show_is_never_called_done(stack, query):
    """Fields that were dropped silently, and a read that cannot prove it."""
    stack.sandbox.set_single_rules(bad_field="drop")
    items = range(1421, 1424)
    for item in items:
        stack.sandbox.edit(item, REMARKS, "a remark")
    stack.sandbox.set_faults(f"work_item_query:{query}" + ("" if "=" in query else "=1.0"))
    changes = stack.client.enqueue_table(
        wanted(items, **{REMARKS: None}), **PLACE, change_set=f"hidden-{query[:4]}", skip_unchanged=False
    )
    result = changes.wait(PATIENCE)
    assert (result.counts["succeeded"], result.counts["failed"]) == (6, 3)
    assert {one.field for one in changes.failures()} == {REMARKS}


def test_a_plugin_that_may_not_read_does_not_stop_the_lane(stack):
    stack.sandbox.set_faults("work_item_query:refuse=1.0,code=10301")
    rows = wanted(range(1431, 1436))
    assert written(stack, "no-reads", rows).counts["succeeded"] == 10
    assert stack.lane.paused() is None
    assert_stored(stack, rows)


@pytest.mark.parametrize("access", ["10301", "404", "405"])
def test_a_refused_endpoint_fails_nothing_and_everything_goes_by_batches(stack, access):
    stack.sandbox.set_single_rules(access=access)
    logged = stack.log_of("poll").count("singles.off")
    rows = wanted(range(1161, 1169))
    assert written(stack, f"refused-{access}", rows).counts["succeeded"] == 16
    assert_stored(stack, rows)
    state = stack.lane.singles.state()
    assert not state.is_on
    assert 3000 < state.off_for <= 3600
    assert stack.lane.paused() is None
    assert single_requests(stack) <= 15 + len(rows)
    assert stack.log_of("poll").count("singles.off") == logged + 1


@pytest.mark.parametrize("window", ["sliding", "fixed", "smooth"])
def test_the_limit_is_kept_at_the_door(stack, window):
    stack.sandbox.set_single_rules(window=window)
    rows = wanted(range(1171, 1201))
    assert written(stack, f"door-{window}", rows).counts["succeeded"] == 60
    assert_stored(stack, rows)
    found = next(one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "update_item")
    if window != "smooth":  # where gaps count, what arrives early is refused, and sent again
        assert not found["rejected"]


@pytest.mark.parametrize("limit", [2, 5])
def test_a_lower_limit_slows_down_and_loses_nothing(stack, limit):
    stack.sandbox.set_single_rules(limit=limit)
    rows = wanted(range(1201, 1209))
    assert written(stack, f"limit-{limit}", rows).counts["succeeded"] == 16
    assert_stored(stack, rows)


def test_an_item_is_on_one_route_at_a_time(stack):
    """A write of the whole item would undo what a batch wrote meanwhile."""
    stack.sandbox.set_single_rules(writes="item", seconds=0.1)
    items = range(1211, 1241)
    rows = {item: {TEXT: f"whole {item}", NUMBER: 7} for item in items}  # the numbers fill a batch
    assert written(stack, "whole", rows).counts["succeeded"] == 60
    assert_stored(stack, rows)


def test_what_holds_its_value_is_skipped_and_a_condition_is_checked(stack):
    rows = wanted(range(1241, 1247))
    assert written(stack, "first", rows).counts["succeeded"] == 12
    time.sleep(stack.settings.reads_behind_seconds + 0.5)
    again = written(stack, "again", rows, skip_unchanged=True)
    assert again.counts["unchanged"] == 12
    [right, wrong] = stack.client.enqueue_many(
        [
            intent(1241, "checked", expected_field_value="note 1241"),
            intent(1242, "never", expected_field_value="something else"),
        ]
    )
    assert right.wait(PATIENCE).ok
    assert wrong.wait(PATIENCE).failed["1242"]["code"] == "changed_meanwhile"
    assert stored(stack, [1241, 1242], TEXT) == {1241: "checked", 1242: "note 1242"}


def test_what_is_canceled_is_not_sent_and_a_worker_that_dies_loses_nothing(stack):
    rows = wanted(range(1251, 1281))
    changes = stack.client.enqueue_table(rows, **PLACE, change_set="killed", skip_unchanged=False)
    wait_until(lambda: changes.progress.succeeded > 5, PATIENCE, "some are written")
    stack.restart("poll")
    assert changes.wait(PATIENCE).counts["succeeded"] == 60
    assert_stored(stack, rows)
    canceled = stack.client.enqueue_table(
        wanted(range(1281, 1311)), **PLACE, change_set="canceled", skip_unchanged=False
    )
    canceled.cancel()
    counts = canceled.wait(PATIENCE).counts
    assert counts["canceled"] > 0
    assert counts["canceled"] + counts["succeeded"] == 60


def test_a_route_that_is_switched_off_leaves_its_work_to_batches(stack):
    rows = wanted(range(1311, 1341))
    changes = stack.client.enqueue_table(rows, **PLACE, change_set="off", skip_unchanged=False)
    wait_until(lambda: changes.progress.succeeded > 3, PATIENCE, "some are written")
    stack.change(single_updates_per_second=0)
    assert changes.wait(PATIENCE).counts["succeeded"] == 60
    assert_stored(stack, rows)
