"""A table of 2,000 rows and 3 columns as one change set, through real workers: followed, its failures retried, another one canceled."""

import json
from collections import Counter
from math import ceil
from uuid import uuid4

import pytest
from click.testing import CliRunner

from tests.support.waiting import wait_until
from worker.cli.main import cli

PLACE = {"project_key": "demo"}
NEVER = 1013  # the sandbox refuses this item
OTHERS_REFUSED = {1777, 1042, 2042, 5013, 5042}
STORIES = [item for item in range(1001, 2501) if item not in OTHERS_REFUSED][:1300]
ISSUES = [item for item in range(5001, 6001) if item not in OTHERS_REFUSED][:700]


def row(item):
    return {"Priority": f"P{item % 2}", "Release note": f"note {item % 7}", "Story points": item % 5}


@pytest.fixture
def name():
    return f"nightly:{uuid4().hex[:8]}"


@pytest.fixture
def command(stack):
    env = {
        "FEISHU_BATCH_REDIS_URL": stack.settings.effective_redis_url,
        "FEISHU_BATCH_KEY_PREFIX": stack.settings.key_prefix,
        "FEISHU_BATCH_SLOT_SECONDS": str(stack.settings.slot_seconds),
    }

    def run(*args):
        told = CliRunner(env=env).invoke(cli, [*args, "--json"], catch_exceptions=False)
        assert told.exit_code in (0, 1), told.output
        return json.loads(told.stdout)

    return run


def enqueue(stack, name):
    client = stack.client
    client.enqueue_table(
        {i: row(i) for i in STORIES},
        **PLACE,
        work_item_type_key="story",
        change_set=name,
        note="sync",
        skip_unchanged=False,
    )
    return client.enqueue_table(
        {i: row(i) for i in ISSUES}, **PLACE, work_item_type_key="issue", change_set=name, skip_unchanged=False
    )


@pytest.mark.timeout(400)
def test_a_table_is_followed_and_retried_as_one(stack, command, name):
    nightly = enqueue(stack, name)
    assert nightly.progress.total == 6000
    wait_until(lambda: nightly.progress.settled > 500, 60, "some changes have their outcome")
    [seen] = [one for one in command("sets")["sets"] if one["change_set"] == name]
    assert (seen["state"], seen["note"], seen["total"]) == ("open", "sync", 6000)
    assert seen["pending"] + seen["in_flight"] + sum(seen["counts"].values()) == 6000

    result = nightly.wait(timeout=200)
    assert (result.state, result.counts) == ("partial", {"succeeded": 5997, "failed": 3})
    failed = sorted((one.item, one.field) for one in nightly.failures())
    assert failed == [(NEVER, "field_3f6a90"), (NEVER, "field_a1b2c3"), (NEVER, "priority")]
    assert len(command("failures", "--set", name)["failures"]) == 3

    enqueue(stack, name)  # the same table: the same work
    assert nightly.progress.total == 6000
    sent = sum(len(batch["item_ids"]) for batch in stack.batches())
    assert sent < 6000 * 1.05
    assert len(stack.batches()) < fewest_requests() * 1.25

    again = command("retry", "--set", name, "--yes", "--wait", "--timeout", "60")
    assert (again["items"], again["counts"]["failed"]) == (3, 3)
    after = command("show", "--set", name)
    assert (after["total"], after["counts"]) == (6003, {"succeeded": 5997, "failed": 6})
    stack.assert_rules_kept()


def fewest_requests():
    groups = Counter(
        (kind, field, value)
        for kind, items in (("s", STORIES), ("i", ISSUES))
        for i in items
        for field, value in row(i).items()
    )
    return sum(ceil(size / 50) for size in groups.values())


@pytest.mark.timeout(200)
def test_a_table_is_canceled_as_one(stack, command, name):
    stack.lane.pause("for the test", polling=True)
    before = len(stack.batches())
    nightly = enqueue(stack, name)
    kept = stack.client.enqueue(
        **PLACE,
        work_item_type_key="story",
        work_item_ids=[1500],
        field_key="Story points",
        update_mode="UPDATE",
        after_field_value=99,
    )
    wait_until(lambda: not stack.inbox.length(), 30, "all of it is recorded")
    told = command("cancel", "--set", name, "--yes")
    assert (told["items"], told["in_flight"]) == (6000, 0)
    assert nightly.wait(timeout=30).state == "canceled"
    stack.lane.resume()
    assert kept.wait(timeout=60).ok
    assert len(stack.batches()) == before + 1


@pytest.mark.timeout(200)
def test_a_producer_cancels_what_it_enqueued_and_is_told_of_the_end(stack, name, app, seen):
    nightly = enqueue(stack, name)
    nightly.on_end(app.signature("backend.note", kwargs={"tag": name}, queue="backend"))
    nightly.cancel()
    result = nightly.wait(timeout=100)
    [told] = seen(name)
    assert told["result"] == result.to_dict()
    assert result.counts["canceled"] > 3000
    assert sum(result.counts.values()) == 6000
