"""`undo`: what would be put back, and what is said before."""

import json
import time

import pytest
from pydantic import TypeAdapter

from feishu_batch import FeishuBatch
from feishu_batch.outcomes import OutcomeKind
from tests.catalogue.wish import demo_catalogue
from tests.cli.test_cli_json import SHAPES, conforms
from worker.catalogue.lane_catalogue import Fields
from worker.catalogue.lookup import LookedUp, Shelf
from worker.ledger.records import Outcome

PLACE = {"project_key": "64f0c0ffee64f0c0ffee64f0", "work_item_type_key": "story"}
POINTS = "field_3f6a90"


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5) as made:
        yield made


@pytest.fixture
def written(client, ledger):
    """Carries a change set out; `before`: item → [type, value] that its cells held."""

    def write(change_set, rows, before, failed=None, **more):
        client.enqueue_table(rows, **PLACE, change_set=change_set, **{"keep_before": True, **more})
        ledger.take_in()
        ledger.look_at_all()
        while ledger.lane.counts().ready_groups:
            batch = ledger.claim()
            kept = {item: json.dumps(before[item]) for item in batch.items if item in before}
            ledger.lane.keep_before(batch, batch.by_cell(kept) if batch.spec.keep_before else {})
            ledger.settle(batch, {item: code for item, code in (failed or {}).items() if item in batch.items})

    return write


def put_back(document):
    return {(item, one["field_key"]): one["to_put_back"] for one in document["put_back"] for item in one["items"]}


def test_only_what_was_written_is_put_back(command, written):
    rows = {1: {POINTS: 5}, 2: {POINTS: 5}, 3: {POINTS: 5}, 4: {POINTS: 6}}
    written("one", rows, {1: ["number", 0], 2: ["number", 0], 4: ["number", None]}, failed={2: "NoPermissionToModify"})
    result = command("undo", "one", "--dry-run", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert put_back(document) == {(1, POINTS): 0, (4, POINTS): None}
    assert [(one["item"], one["reason"]) for one in document["not_undone"]] == [
        (3, "the value from before could not be read")
    ]
    assert document["untouched"] == 1
    assert conforms(document, SHAPES["undo"], "undo") == {"undo.changed_meanwhile", "undo.waiting"}


def test_of_two_changes_of_a_cell_the_first_ones_value_comes_back(command, written):
    written("one", {1: {POINTS: 5}}, {1: ["number", 0]})
    written("one", {1: {POINTS: 7}}, {1: ["number", 5]})
    document = command.json("undo", "one", "--dry-run")
    assert [(one["to_put_back"], one["written"]) for one in document["put_back"]] == [(0, 7)]


def test_what_was_added_is_part_of_what_the_cell_should_hold(command, written):
    a, b = {"value": "a"}, {"value": "b"}
    written("one", {1: {"tags": [b]}}, {1: ["multi_select", [{**a, "label": "A"}]]}, update_mode="APPEND")
    document = command.json("undo", "one", "--dry-run")
    assert [(one["to_put_back"], one["written"]) for one in document["put_back"]] == [([a], [a, b])]


def test_its_intents_carry_the_condition_and_are_a_set(command, written, ledger):
    written("one", {1: {POINTS: 5}}, {1: ["number", 0]})
    document = command.json("undo", "one", "--yes")
    [entry] = ledger.in_inbox()
    content = json.loads(entry.payload)
    assert (content["expected_field_value"], content["after_field_value"], content["keep_before"]) == (5, 0, True)
    assert (
        (content["change_set"], content["note"]) == (document["undo_set"], "undo of one") == ("undo-one", "undo of one")
    )
    assert "1 were enqueued before" in command("undo", "one", "--yes").stdout
    assert len(ledger.in_inbox()) == 1


def test_without_kept_values_nothing_is_put_back_and_it_says_why(command, written):
    written("one", {1: {POINTS: 5}}, {}, keep_before=False)
    result = command("undo", "one", "--yes")
    assert result.exit_code == 1
    assert "enqueued without keep_before" in result.stdout
    assert "Nothing to put back." in result.stdout


def test_rich_text_is_left_alone_and_named(command, written):
    written("one", {1: {"description": "new"}}, {1: ["multi_text", "old"]})
    result = command("undo", "one", "--dry-run")
    assert "1 value cannot be put back: values of this type" in result.stdout


def test_a_set_that_has_not_ended_is_refused(command, client, ledger):
    client.enqueue_table({1: {POINTS: 5}}, **PLACE, change_set="one", keep_before=True)
    result = command("undo", "one", "--yes")
    assert result.exit_code == 2
    assert "feishu-batch cancel --set one" in result.output
    ledger.take_in()
    ledger.lane.end_pending(1, Outcome(OutcomeKind.CANCELED))
    assert command.json("undo", "one", "--yes")["untouched"] == 1


def test_an_unknown_set_and_a_missing_confirmation_are_refused(command, written):
    assert command("undo", "never", "--yes").exit_code == 2
    written("one", {1: {POINTS: 5}}, {1: ["number", 0]})
    result = command("undo", "one", input="n\n")
    assert (result.exit_code, "not confirmed; nothing was enqueued" in result.output) == (2, True)
    assert command("undo", "one", "--json").exit_code == 2


@pytest.mark.parametrize("length", [59, 60, 64])
def test_a_long_name_gets_a_shorter_one(command, written, length):
    written("x" * length, {1: {POINTS: 5}}, {1: ["number", 0]})
    assert len(command.json("undo", "x" * length, "--dry-run")["undo_set"]) <= 64


def look_up(redis, ledger):
    """As a worker does: the fields of the type."""
    shelf = Shelf(redis, ledger.lane.keys.catalogue, TypeAdapter(LookedUp[Fields]))
    shelf.put(
        {
            f"{PLACE['project_key']} {PLACE['work_item_type_key']}": LookedUp(
                tuple(demo_catalogue().by_key.values()), time.time()
            )
        }
    )


def test_names_and_labels_are_printed_and_json_has_keys_and_names(command, written, redis, ledger):
    look_up(redis, ledger)
    one, two = {"value": "option_1"}, {"value": "option_2"}
    written(
        "one",
        {1: {"priority": one}, 2: {"priority": one}},
        {1: ["select", {**two, "label": "old"}], 2: ["select", None]},
    )
    shown = command("undo", "one", "--dry-run").stdout
    rows = [line.split() for line in shown.splitlines()[1:3]]
    assert [row[:-1] for row in rows] == [["Priority", "1", "P1", "→", "P2"], ["Priority", "1", "P1", "→", "(empty)"]]
    assert "option_" not in shown
    document = command.json("undo", "one", "--dry-run")
    assert {(row["field_key"], row["field_name"]) for row in document["put_back"]} == {("priority", "Priority")}
    written("rich", {1: {"description": "new"}}, {1: ["multi_text", "old"]})
    [one] = json.loads(command("undo", "rich", "--dry-run", "--json").stdout)["not_undone"]
    assert (one["field_key"], one["field_name"]) == ("description", "Description")


@pytest.mark.parametrize("where", ["in the inbox", "ready", "behind", "in a request", "under a name"])
def test_later_changes_of_the_same_cells_that_wait_are_named_before(command, client, written, ledger, redis, where):
    look_up(redis, ledger)
    written("one", {1: {POINTS: 5}, 2: {POINTS: 5}}, {1: ["number", 0], 2: ["number", 0]})
    later = {
        "work_item_ids": [1, 7],
        "field_key": "Story points" if where == "under a name" else POINTS,
        "note": "by hand",
    }
    how = {**PLACE, "update_mode": "UPDATE", "keep_every_change": True}
    changes = [{**how, **later, "after_field_value": value} for value in (8, 9)]
    other = {**how, "work_item_ids": [1, 2], "field_key": "description", "after_field_value": "another field"}
    client.enqueue_many([*changes[: 2 if where == "behind" else 1], other])
    if where in ("ready", "behind", "in a request"):
        ledger.take_in()
    if where == "in a request":
        ledger.accept(ledger.claim())
    shown = " ".join(command("undo", "one", "--dry-run").stdout.split())
    assert (
        "1 value: a later change of the same field is not written yet (item 1; by hand). It is written first" in shown
    )
    waiting = command.json("undo", "one", "--dry-run")["waiting"]
    assert {(row["item"], row["field_key"], row["note"]) for row in waiting} == {(1, POINTS, "by hand")}
    assert len(waiting) == (2 if where == "behind" else 1)


def test_its_own_changes_that_wait_are_no_others(command, written, ledger):
    written("one", {1: {POINTS: 5}}, {1: ["number", 0]})
    command("undo", "one", "--yes")
    ledger.take_in()
    document = command.json("undo", "one", "--yes")
    assert (document["waiting"], document["undo_set"], document["undone_before"]) == ([], "undo-one", "undo-one")
    assert ledger.in_inbox() == []


def put_back_all(command, ledger, change_set="one", failed=None):
    document = json.loads(command("undo", change_set, "--yes", "--json").stdout)
    ledger.take_in()
    while ledger.lane.counts().ready_groups:
        batch = ledger.claim()
        ledger.lane.keep_before(batch, dict.fromkeys(batch.cells, json.dumps(["number", 5])))
        ledger.settle(batch, {item: code for item, code in (failed or {}).items() if item in batch.items})
    return document


REDO = ("as another set", "as the same set", "by undoing the undo")


@pytest.mark.parametrize("how", REDO)
def test_what_was_written_again_can_be_undone_again(command, client, written, ledger, how):
    """Only those cells; and twice again is not doubled."""
    written("one", {1: {POINTS: 5}, 2: {POINTS: 5}}, {1: ["number", 0], 2: ["number", 0]})
    assert put_back_all(command, ledger)["undo_set"] == "undo-one"
    shown = " ".join(command("undo", "one", "--dry-run").stdout.split())
    assert "It was undone before, as undo-one (2: 2 succeeded): what was enqueued then is not enqueued again." in shown
    what = {
        "work_item_ids": [1],
        "field_key": POINTS,
        "update_mode": "UPDATE",
        "after_field_value": 5,
        "keep_before": True,
    }
    if how == "by undoing the undo":
        command("undo", "undo-one", "--yes")
    else:
        client.enqueue(**PLACE, **what, change_set="two" if how == "as another set" else "one")
    ledger.do_all()
    cells = {1, 2} if how == "by undoing the undo" else {1}
    again = command("undo", "one", "--dry-run")
    assert f"{len(cells)} value{'s' if len(cells) > 1 else ''} of these cells were written again since" in again.stdout
    done = put_back_all(command, ledger)
    assert (done["undo_set"], done["undone_before"], done["values"]) == ("undo2-one", "undo-one", len(cells))
    assert command.json("show", "--set", "undo2-one")["counts"]["succeeded"] == len(cells)
    third = command.json("undo", "one", "--yes")
    assert (third["undo_set"], third["undone_before"], third["values"]) == ("undo2-one", "undo2-one", len(cells))
    assert ledger.in_inbox() == []


def test_a_changed_cell_is_skipped_and_not_an_error_to_retry(command, written, ledger):
    written("one", {1: {POINTS: 5}, 2: {POINTS: 5}}, {1: ["number", 0], 2: ["number", 0]})
    put_back_all(command, ledger, failed={1: "changed_meanwhile"})
    shown = command("undo", "one", "--dry-run").stdout
    assert "1 value skipped: changed since. The newer value stays" in shown
    assert "not read: the credentials are not set here" in shown
    [one] = command.json("undo", "one", "--dry-run")["changed_meanwhile"]
    assert (one["item"], one["not_put_back"], one["holds_now"]) == (1, 0, None)
    listed = command("failures", "--set", "undo-one").stdout
    assert "1 change skipped: changed since" in listed
    assert "retry" not in listed
    result = command("retry", "--set", "undo-one", "--yes")
    assert result.exit_code == 0
    assert "1 item skipped: changed since" in result.stdout
    assert ledger.in_inbox() == []
    asked_for = command.json("retry", "--set", "undo-one", "--reason", "changed_meanwhile", "--dry-run")
    assert asked_for["items"] == 1


def test_waiting_says_where_the_reasons_of_failures_are(command, written, ledger):
    written("one", {1: {POINTS: 5}, 2: {POINTS: 5}}, {1: ["number", 0], 2: ["number", 0]})
    put_back_all(command, ledger, failed={1: "condition_unknown"})
    shown = command("undo", "one", "--wait", "--yes").stdout
    assert "1 succeeded, 1 failed" in shown
    assert "feishu-batch failures --set undo-one" in shown


def test_waiting_names_no_failures_where_cells_were_changed_since(command, written, ledger):
    written("one", {1: {POINTS: 5}, 2: {POINTS: 5}}, {1: ["number", 0], 2: ["number", 0]})
    put_back_all(command, ledger, failed={1: "changed_meanwhile"})
    shown = command("undo", "one", "--wait", "--yes").stdout
    assert "1 succeeded, 1 skipped" in shown
    assert "feishu-batch failures" not in shown
