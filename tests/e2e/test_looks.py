"""Tables whose cells mostly hold their values, conditions, and undo: through real workers, judged by what the sandbox holds."""

import json
import random
import time

import pytest
from click.testing import CliRunner

from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from worker.cli.main import cli

BEHIND = 1.0  # seconds
PLACE = {"project_key": "demo", "work_item_type_key": "story"}
ITEMS = list(range(2101, 2161))


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("looks"), sandbox={"unset": "null"}, reads_behind_seconds=BEHIND) as stack:
        stack.learn_names()
        yield stack


@pytest.fixture
def stack(own_stack):
    """Without what an earlier test made the lane believe of the place: that it cannot be read, or that looks are of no use there."""
    with own_stack.lent() as stack:
        stack.redis.delete(stack.lane.keys.look_share("1"), stack.lane.keys.look_share("2"))
        yield stack


@pytest.fixture
def command(stack):
    env = stack.environment()

    def run(*args):
        done = CliRunner(env=env).invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
        return done.exit_code, json.loads(done.stdout)

    return run


def rows(points=0):
    return {
        item: {"Priority": f"P{item % 2}", "Story points": item % 5 + points, "Release note": f"note {item % 7}"}
        for item in ITEMS
    }


def until_reads_are_trusted():
    time.sleep(BEHIND + 0.2)


def change(item, field, value, **more):
    return {
        **PLACE,
        "work_item_ids": [item],
        "field_key": field,
        "update_mode": "UPDATE",
        "after_field_value": value,
        **more,
    }


@pytest.mark.timeout(200)
def test_what_holds_its_value_costs_no_request(stack):
    first = stack.client.enqueue_table(rows(), **PLACE).wait(PATIENCE)
    assert first.counts["succeeded"] == 3 * len(ITEMS)
    until_reads_are_trusted()
    before = len(stack.batches())
    again = stack.client.enqueue_table(rows(), **PLACE)
    assert again.wait(PATIENCE).counts == {"succeeded": 0, "failed": 0, "unchanged": 3 * len(ITEMS)}
    assert len(stack.batches()) == before
    table = rows()
    table[ITEMS[7]]["Story points"] = 77
    assert stack.client.enqueue_table(table, **PLACE).wait(PATIENCE).counts["unchanged"] == 3 * len(ITEMS) - 1
    assert len(stack.batches()) == before + 1
    assert stack.sandbox.values()[ITEMS[7]]["field_3f6a90"] == 77
    stack.assert_rules_kept()


@pytest.mark.timeout(200)
def test_write_all_writes_all(stack):
    stack.client.enqueue_table(rows(), **PLACE).wait(PATIENCE)
    until_reads_are_trusted()
    again = stack.client.enqueue_table(rows(), **PLACE, skip_unchanged=False)
    assert again.wait(PATIENCE).counts == {"succeeded": 3 * len(ITEMS), "failed": 0}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
def test_reads_that_lag_lose_no_change(stack, seed):
    """Values go to and fro faster than reads show them."""
    stack.sandbox.set_faults(f"work_item_query:stale_read=1.0,seconds={BEHIND * 0.9}")
    chance = random.Random(seed)
    last: dict[int, int] = {}
    handles = []
    for _ in range(120):
        item, value = chance.choice(ITEMS[:6]), chance.choice((1, 2))
        last[item] = value
        handles.append(stack.client.enqueue(**change(item, "Story points", value, skip_unchanged=True)))
        time.sleep(chance.choice((0.0, 0.01, 0.05, 0.15, 0.3)))
    results = stack.wait_all(handles)
    assert {result.state for result in results} == {"succeeded"}
    held = stack.sandbox.values()
    assert {item: held[item]["field_3f6a90"] for item in last} == last
    stack.assert_rules_kept()


@pytest.mark.timeout(200)
def test_a_condition_is_checked_just_before_the_request(stack):
    item = ITEMS[0]
    stack.client.enqueue(**change(item, "Story points", 1)).wait(PATIENCE)
    good = stack.client.enqueue(**change(item, "Story points", 2, expected_field_value=1)).wait(PATIENCE)
    assert good.ok
    late = stack.client.enqueue(**change(item, "Story points", 3, expected_field_value=1)).wait(PATIENCE)
    assert late.failed[str(item)]["code"] == "changed_meanwhile"
    assert late.requests == 0
    of_empty = stack.client.enqueue(**change(item, "Release note", "x", expected_field_value=None)).wait(PATIENCE)
    assert of_empty.ok
    by_label = stack.client.enqueue(**change(item, "Priority", "P0", expected_field_value="P2")).wait(PATIENCE)
    assert by_label.ok, by_label
    assert stack.sandbox.values()[item] == {
        "field_3f6a90": 2,
        "field_a1b2c3": "x",
        "priority": {"value": "option_0"},
    }


@pytest.mark.timeout(200)
def test_a_condition_that_cannot_be_checked_is_not_taken_as_true(stack):
    item = ITEMS[0]
    rich = stack.client.enqueue(**change(item, "description", "x", expected_field_value="y")).wait(PATIENCE)
    assert "cannot be compared" in rich.failed[str(item)]["reason"]
    stack.sandbox.set_faults("hide_field=1.0,field=priority")
    hidden = stack.client.enqueue(**change(item, "Priority", "P0", expected_field_value="P2")).wait(PATIENCE)
    assert hidden.failed[str(item)]["code"] == "condition_unknown"
    stack.sandbox.clear_faults()
    stack.sandbox.set_faults("work_item_query:refuse=1.0,code=10001")
    refused = stack.client.enqueue(**change(item, "Priority", "P0", expected_field_value="P2")).wait(PATIENCE)
    assert refused.failed[str(item)]["code"] == "condition_unknown"
    assert item not in stack.sandbox.values()


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "fault", ["hide_field=1.0", "work_item_query:refuse=1.0,code=10001", "work_item_query:error_before=1.0,status=503"]
)
def test_what_cannot_be_read_is_written(stack, fault):
    stack.client.enqueue(**change(ITEMS[0], "Story points", 5)).wait(PATIENCE)
    until_reads_are_trusted()
    stack.sandbox.set_faults(fault)
    result = stack.client.enqueue(**change(ITEMS[0], "Story points", 5, skip_unchanged=True)).wait(PATIENCE)
    assert result.counts == {"succeeded": 1, "failed": 0}


@pytest.mark.timeout(200)
def test_looks_survive_the_death_of_their_worker(stack):
    stack.client.enqueue_table(rows(), **PLACE).wait(PATIENCE)
    until_reads_are_trusted()
    stack.sandbox.set_faults("work_item_query:hang_before=1x,seconds=30")
    again = stack.client.enqueue_table(rows(), **PLACE)
    wait_until(lambda: stack.redis.exists(stack.lane.keys.look_claims), 20, "a look is made")
    stack.kill("poll")
    stack.sandbox.clear_faults()
    stack.revive()
    assert again.wait(PATIENCE).counts == {"succeeded": 0, "failed": 0, "unchanged": 3 * len(ITEMS)}


@pytest.mark.timeout(200)
def test_an_undo_puts_back_only_what_is_still_ours(stack, command):
    stack.client.enqueue_table(rows(), **PLACE).wait(PATIENCE)
    until_reads_are_trusted()
    before = stack.sandbox.values()
    stack.client.enqueue_table(rows(points=10), **PLACE, change_set="sprint", keep_before=True).wait(PATIENCE)
    stack.sandbox.edit(ITEMS[3], "field_3f6a90", 99)
    code, plan = command("undo", "sprint", "--dry-run", "--json")
    assert (code, plan["values"], plan["not_undone"]) == (0, len(ITEMS), [])
    code, done = command("undo", "sprint", "--yes", "--wait", "--json")
    [skipped] = done["changed_meanwhile"]
    assert (code, skipped["item"], skipped["field_name"]) == (1, ITEMS[3], "Story points")
    assert (skipped["holds_now"], skipped["not_read"]) == (99, None)
    assert done["counts"]["succeeded"] == len(ITEMS) - 1
    held = stack.sandbox.values()
    assert held.pop(ITEMS[3])["field_3f6a90"] == 99
    assert held == {item: fields for item, fields in before.items() if item != ITEMS[3]}
    requests = len(stack.batches())
    assert command("undo", "sprint", "--yes", "--wait", "--json")[1]["counts"] == done["counts"]
    assert len(stack.batches()) == requests
    assert command("undo", done["undo_set"], "--dry-run", "--json")[1]["values"] == len(ITEMS) - 1
    again = stack.client.enqueue_table({ITEMS[0]: {"Story points": 11}}, **PLACE, change_set="sprint-again")
    assert again.wait(PATIENCE).state == "succeeded"
    code, done = command("undo", "sprint", "--yes", "--wait", "--json")
    assert (code, done["undo_set"], done["values"], done["counts"]["succeeded"]) == (0, "undo2-sprint", 1, 1)
    assert stack.sandbox.values()[ITEMS[0]] == before[ITEMS[0]]


@pytest.mark.timeout(200)
def test_an_undo_leaves_alone_what_a_person_edited(stack, command):
    """Before it is enqueued, and while it waits until reads prove something."""
    stack.client.enqueue_table(rows(), **PLACE).wait(PATIENCE)
    until_reads_are_trusted()
    before = stack.sandbox.values()
    stack.client.enqueue_table(rows(points=10), **PLACE, change_set="points", keep_before=True).wait(PATIENCE)
    early, late, same = ITEMS[3], ITEMS[8], ITEMS[9]
    stack.sandbox.edit(early, "field_3f6a90", 99)
    stack.sandbox.edit(same, "field_a1b2c3", "another field of an item is another cell")
    assert command("undo", "points", "--yes", "--json")[0] == 0
    stack.sandbox.edit(late, "field_3f6a90", None)
    code, done = command("undo", "points", "--yes", "--wait", "--json")
    assert code == 1
    assert {one["item"] for one in done["changed_meanwhile"]} == {early, late}
    held = stack.sandbox.values()
    assert (held[early]["field_3f6a90"], held[late]["field_3f6a90"]) == (99, None)
    back = [item for item in ITEMS if item not in (early, late)]
    assert [held[item]["field_3f6a90"] for item in back] == [before[item]["field_3f6a90"] for item in back]


@pytest.mark.timeout(200)
def test_what_cannot_be_undone_is_said_before(stack, command):
    table = {ITEMS[0]: {"description": "rich", "Story points": 3}}
    stack.client.enqueue_table(table, **PLACE, change_set="kept", keep_before=True).wait(PATIENCE)
    stack.client.enqueue_table(table, **PLACE, change_set="not-kept", skip_unchanged=False).wait(PATIENCE)
    code, plan = command("undo", "kept", "--dry-run", "--json")
    assert (code, plan["values"], [one["field_key"] for one in plan["not_undone"]]) == (1, 1, ["description"])
    code, plan = command("undo", "not-kept", "--dry-run", "--json")
    assert (code, plan["values"]) == (1, 0)
    assert all("keep_before" in one["reason"] for one in plan["not_undone"])
