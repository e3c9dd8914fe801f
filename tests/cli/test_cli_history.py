"""What was done to one work item, as the command tells it."""

import json
import time
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from feishu_batch import FeishuBatch
from feishu_batch.item_log import ItemLog
from feishu_batch.keys import RecordField
from tests.catalogue.wish import demo_catalogue
from tests.support.command import PROJECT
from worker.catalogue.lane_catalogue import Fields
from worker.catalogue.lookup import LookedUp, Shelf
from worker.ledger.records import GroupSpec, Outcome

WRITTEN = GroupSpec(PROJECT, "story", None, "Priorty", "UPDATE", None, "P0")
REFUSED = {RecordField.AS_WRITTEN: json.dumps({"spec": asdict(WRITTEN), "lane": None})}
OTHER = "6f0c1a2b3c4d5e6f70818284"


def changes(command, *options):
    return command.json("history", "--item", 1001, *options)["changes"]


def test_changes_are_shown_newest_first_with_their_results(command, ledger):
    first = command.enqueue(1001, 1002, after='"old"', field="field_a1b2c3", note="first")
    ledger.do_all()
    second = command.enqueue(1001, field="priority")
    ledger.do_all(failed={1001: "20050"})
    third = command.enqueue(1001, 1003, after='"new"', field="field_a1b2c3")
    ledger.take_in()
    fourth = command.enqueue(1001, after='"newest"', field="field_a1b2c3")
    command.enqueue(11001, 100, field="field_a1b2c3")  # ids that contain the id
    found = changes(command)
    assert [one["intent_id"] for one in found] == [fourth, third, second, first]
    assert [one["state"] for one in found] == ["queued", "pending", "failed", "succeeded"]
    assert [one["value"] for one in found] == ["newest", "new", {"value": "option_1"}, "old"]
    assert [one["note"] for one in found] == [None, None, None, "first"]
    assert (found[2]["code"], found[2]["reason"]) == ("20050", "the remote said 20050")
    assert found[0]["lane"] is None
    assert found[3]["enqueued_at"] < found[3]["intent_ended_at"]


def test_the_table_holds_the_same(command, ledger):
    intent = command.enqueue(1001, note="sprint 31")
    ledger.do_all(failed={1001: "20050"})
    [head, row] = command("history", "--item", "#1001").stdout.splitlines()
    assert head.split() == ["enqueued", "field", "value", "outcome", "intent", "change", "set", "producer", "note"]
    assert all(
        part in row
        for part in ("priority", '{"value": "option_1"}', "failed: the remote said 20050", intent, "sprint 31")
    )


def test_an_intent_that_was_refused_is_shown_as_it_was_written(command, ledger):
    spec = GroupSpec(PROJECT, "story", None, "Priorty", "UPDATE", None, "P0")
    written = {RecordField.AS_WRITTEN: json.dumps({"spec": asdict(spec), "lane": None})}
    ledger.lane.refuse(1, "refused", 1, [1001], Outcome.failed("unknown_field", "no field"), written)
    [one] = changes(command)
    assert (one["state"], one["code"], one["field_key"], one["value"]) == ("failed", "unknown_field", "Priorty", "P0")


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        (("--space", PROJECT), {"a", "b"}),
        (("--space", OTHER), {"c"}),
        (("--field", "priority"), {"a"}),
        (("--field", "priority", "--space", OTHER), set()),
        (("--type", "story"), {"a", "b", "c"}),
        (("--type", "issue"), set()),
        (("--limit", "1"), {"c"}),
    ],
)
def test_options_narrow_it_down(command, ledger, options, fits):
    command.enqueue(1001, note="a")
    command.enqueue(1001, field="field_a1b2c3", after='"x"', note="b")
    command.enqueue(1001, field="field_a1b2c3", after='"x"', project_key=OTHER, note="c")
    ledger.do_all()
    assert {one["note"] for one in changes(command, *options)} == fits


def test_more_than_the_limit_is_said(command, ledger):
    for value in range(3):
        command.enqueue(1001, field="field_a1b2c3", after=f'"{value}"')
    ledger.do_all()
    shown = command("history", "--item", 1001, "--limit", 2).stdout
    assert "… and older ones: give a larger --limit than 2" in shown
    assert json.loads(command("history", "--item", 1001, "--limit", 2, "--json").stdout)["is_cut"]


@pytest.mark.parametrize(("options", "words"), [((), ""), (("--field", "priority"), " that fits")])
def test_nothing_is_said_as_such(command, options, words):
    result = command("history", "--item", 77, *options)
    assert f"No change of item 77{words} is kept." in result.stdout
    assert result.exit_code == 0


def look_up(redis, ledger, type_key="story"):
    """As a worker does: the fields of the type."""
    shelf = Shelf(redis, ledger.lane.keys.catalogue, TypeAdapter(LookedUp[Fields]))
    shelf.put({f"{PROJECT} {type_key}": LookedUp(tuple(demo_catalogue().by_key.values()), time.time())})


@pytest.mark.parametrize("place", [(), ("--space", PROJECT, "--type", "story")], ids=["its type", "the options"])
def test_a_field_that_no_type_of_the_item_has_is_2_with_the_nearest(command, redis, ledger, place):
    look_up(redis, ledger)
    if not place:
        command.enqueue(1001)
    told = command("history", "--item", 1001, "--field", "Storry points", *place)
    assert (told.exit_code, told.stdout) == (2, "")
    assert (
        "--field: the item type has no field 'Storry points'; the nearest is 'Story points' (field_3f6a90)"
        in told.stderr
    )
    assert command("history", "--item", 1001, "--field", "Story points", *place).exit_code == 0


def test_a_field_that_is_none_costs_one_search_of_the_ledger(command, redis, ledger, monkeypatch):
    look_up(redis, ledger)
    command.enqueue(1001)
    looks, numbers = [], ItemLog.numbers
    monkeypatch.setattr(ItemLog, "numbers", lambda *args: looks.append(1) or numbers(*args))
    assert command("history", "--item", 1001, "--field", "Storry points").exit_code == 2
    assert len(looks) == 1


# As it is sent → as people read it.
VALUES = [
    ("priority", {"value": "option_1"}, "Priority", "P1"),
    ("tags", [{"value": "n8d2k5j1h"}], "Tags", "backend"),
    ("field_d4e5f6", 1_796_054_400_000, "Due date", "2026-12-01"),
    ("field_5a4b3c", True, None, "yes"),
    ("field_a1b2c3", None, None, "(empty)"),
    ("owner", "7300000000000000002", None, "7300000000000000002"),
    ("field_ffffff", {"value": "x"}, "field_ffffff", '{"value": "x"}'),
]


@pytest.mark.parametrize(("key", "value", "name", "words"), VALUES, ids=[one[0] for one in VALUES])
def test_names_labels_and_dates_are_shown_and_json_has_keys(command, redis, ledger, key, value, name, words):
    look_up(redis, ledger)
    name = name or demo_catalogue().by_key[key].name
    intent = command.enqueue(1001, field=key, after=json.dumps(value))
    ledger.take_in()
    shown = (
        command("show", intent).stdout,
        command("status", "--intents").stdout,
        command("history", "--item", 1001).stdout,
    )
    for told in shown:
        line = next(line for line in told.splitlines() if name in line)
        assert words in line.partition(name)[2]
    ledger.settle(ledger.claim(), {1001: "Terminated"})
    retry = command("retry", "--all", "--dry-run", "--field", name).stdout
    assert f"{name}: {words}" in " ".join(retry.split())
    assert command.json("show", intent)["group"]["field_key"] == changes(command)[0]["field_key"] == key
    assert command.json("show", intent)["group"]["after_field_value"] == changes(command)[0]["value"] == value


def test_a_mode_and_the_value_before_are_shown(command, redis, ledger):
    look_up(redis, ledger)
    before = {"mode": "REPLACE", "before": '{"value": "option_0"}'}
    intent = command.enqueue(1001, field="priority", after='{"value": "option_1"}', **before)
    ledger.take_in()
    assert "Priority: REPLACE P0 → P1" in command("show", intent).stdout


def test_a_field_of_a_type_that_was_not_looked_up_may_exist(command, redis, ledger):
    look_up(redis, ledger, "issue")
    command.enqueue(1001)
    told = command("history", "--item", 1001, "--field", "Storry points")
    assert (told.exit_code, "No change of item 1001 that fits is kept" in told.stdout) == (0, True)


@pytest.mark.parametrize("wrong", ["abc", "1,2", "0", ""])
def test_an_item_that_is_none_is_2(command, wrong):
    result = command("history", "--item", wrong)
    assert result.exit_code == 2
    assert "--item" in result.stderr


def test_what_leaves_the_inbox_meanwhile_is_shown_once(command, ledger, monkeypatch):
    intent = command.enqueue(1001)
    numbers = ItemLog.numbers

    def recorded_meanwhile(log, head, item):
        ledger.take_in()
        return numbers(log, head, item)

    monkeypatch.setattr(ItemLog, "numbers", recorded_meanwhile)
    assert [(one["intent_id"], one["state"]) for one in changes(command)] == [(intent, "pending")]


def test_the_library_answers_the_same(command, ledger, redis_url, prefix):
    """In every state that a change can be in. The command's words for an open change are finer."""
    command.enqueue(1001, 1002, after='"old"', field="field_a1b2c3", note="first", change_set="sprint-7")
    ledger.do_all()
    command.enqueue(1001, field="priority")
    ledger.do_all(failed={1001: "20050"})
    command.enqueue(1001, after='"in a request"', field="field_a1b2c3")
    ledger.take_in()
    ledger.accept(ledger.claim())
    for value in ("gave way", "shared", "shared", "behind"):
        command.enqueue(1001, 1003, after=f'"{value}"', field="field_a1b2c3")
    command.enqueue(1001, after='{"value": "option_2"}')
    ledger.lane.refuse(0, "refused", 1, [1001], Outcome.failed("unknown_field", "no field"), REFUSED)
    ledger.take_in()
    canceled = command.enqueue(1001, after='{"value": "option_0"}')
    ledger.take_in()
    command("cancel", canceled)
    command.enqueue(1001, after='"in the inbox"', field="field_a1b2c3")
    with FeishuBatch(redis_url, key_prefix=prefix) as feishu:
        told = feishu.history(1001)
        assert feishu.history(1001, limit=2) == told[:2]
        assert feishu.history(1001, field="priority") == [one for one in told if one.field == "priority"]
        assert feishu.history(77) == []
    shown = changes(command)
    names = ("intent_id", "number", "value", "code", "reason", "note", "change_set", "producer", "update_mode")
    assert [[getattr(one, name) for name in names] for one in told] == [[one[name] for name in names] for one in shown]
    still_open = {"queued", "pending", "behind", "giving way", "in flight"}
    assert [one.state for one in told] == ["open" if one["state"] in still_open else one["state"] for one in shown]
    assert {one["state"] for one in shown} >= {*still_open, "failed", "succeeded", "canceled"}


@pytest.mark.parametrize("wrong", [{"item": "1001"}, {"item": 0}, {"item": 1, "limit": 0}], ids=str)
def test_the_library_refuses_what_is_no_item(redis_url, wrong):
    with FeishuBatch(redis_url) as feishu, pytest.raises(ValueError, match="must be"):
        feishu.history(**wrong)
