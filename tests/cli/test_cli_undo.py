"""`undo`: what would be put back, and what is said before."""

import json

import pytest

from feishu_batch import FeishuBatch
from feishu_batch.outcomes import OutcomeKind
from tests.cli.test_cli_json import SHAPES, conforms
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
    assert conforms(document, SHAPES["undo"], "undo") == {"undo.changed_meanwhile"}


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
