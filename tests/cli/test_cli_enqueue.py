"""`enqueue`: one intent from options or JSON."""

import json

import pytest

from feishu_batch.intents import parse_intent
from feishu_batch.written import untagged

PROJECT = "5f0c1a2b3c4d5e6f70818283"
BASE = ("enqueue", "--project-key", PROJECT, "--type", "story", "--field", "f")


def written(ledger):
    [entry] = ledger.in_inbox()
    return parse_intent(entry.payload)


def test_all_options_reach_the_intent(command, ledger):
    result = command(
        *BASE, "--item", 1, "--item", 2, "--items", "3, 4", "--mode", "REPLACE", "--before", '{"value": "a"}',
        "--after", '{"value": "b"}', "--priority", 7, "--user-key", "u", "--lane", "default", "--note", "n",
        "--expires-at", "2030-01-31T18:00:00+08:00", "--keep-every-change", "--intent-id", "mine",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "mine\n")
    intent = written(ledger)
    assert intent.work_item_ids == (1, 2, 3, 4)
    assert untagged([intent.before_field_value, intent.after_field_value]) == ['{"value": "a"}', '{"value": "b"}']
    assert (intent.priority, intent.user_key, intent.lane, intent.note) == (7, "u", "default", "n")
    assert intent.keep_every_change
    assert intent.expires_at.isoformat() == "2030-01-31T10:00:00+00:00"


@pytest.mark.parametrize(
    ("after", "value"), [("plain", "plain"), ("5", {"$text": "5"}), ('"5"', "5"), ("", None), ("null", None)]
)
def test_the_value_travels_as_it_was_written(command, ledger, after, value):
    assert command(*BASE, "--item", 1, "--after", after).exit_code == 0
    assert written(ledger).after_field_value == value


def test_json_may_come_from_standard_input(command, ledger):
    content = {"project_key": PROJECT, "work_item_type_key": "story", "work_item_ids": [1], "field_key": "f"}
    content |= {"update_mode": "UPDATE", "after_field_value": None, "intent_id": "from-stdin"}
    result = command("enqueue", "--json", "-", input=json.dumps(content))
    assert (result.exit_code, result.stdout) == (0, "from-stdin\n")
    assert written(ledger).intent_id == "from-stdin"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ((*BASE, "--item", "1"), "--after is missing"),
        ((*BASE, "--after", "x"), "--item is missing"),
        (("enqueue", "--space", "demo"), "--type, --item, --field, --after are missing"),
        ((*BASE, "--item", "0", "--after", "x"), "--item"),
        ((*BASE, "--items", "1,x", "--after", "x"), "--items: "),
        ((*BASE, "--items", "1,120", "--after", "x"), "1120"),
        (
            (*BASE, "--items", "https://x.example/demo/issue/detail/1", "--after", "x"),
            "the link is to issue, but work_item_type_key is story",
        ),
        ((*BASE, "--item", "1", "--after", "#REF!"), "--after: '#REF!' is an error of a spreadsheet"),
        ((*BASE, "--item", "1", "--after", "None"), "--after: 'None' is a word that programs write for no value"),
        ((*BASE, "--item", "1", "--after", "x", "--mode", "OVERWRITE"), "--mode: "),
        (("enqueue", "--json", "{"), "--json: not valid JSON"),
        (("enqueue", "--json", "{}"), "project_key"),
        (("enqueue", "--json", "{}", "--field", "f"), "leave out --field-key"),
    ],
)
def test_a_wrong_intent_is_2_and_nothing_is_written(command, ledger, args, complaint):
    result = command(*args)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert ledger.inbox.length() == 0


def test_the_same_id_with_another_content_is_2(command):
    command.enqueue(1, intent_id="mine")
    result = command(*BASE, "--item", 2, "--after", "x", "--intent-id", "mine")
    assert result.exit_code == 2
    assert "intent id mine is already used by an intent with other content" in result.stderr


@pytest.mark.parametrize(("failed", "code"), [({}, 0), ({2: "NoPermissionToModify"}, 1)])
def test_wait_tells_the_end(command, ledger, failed, code):
    worker = ledger.do_all_when_it_comes(failed)
    result = command(*BASE, "--item", 1, "--item", 2, "--after", "x", "--wait", "10")
    worker.join()
    assert result.exit_code == code
    assert f"{2 - len(failed)} succeeded" in result.stdout
    assert all(reason in result.stdout for reason in failed.values())


@pytest.mark.parametrize("wait", [(), ("--wait", "1.5")], ids=["without waiting", "waiting"])
def test_a_paused_lane_is_reported_once_on_stderr(command, ledger, wait):
    ledger.lane.pause("the quota is used up", polling=False)
    told = command(*BASE, "--item", 1, "--after", "x", *wait)
    assert (
        told.stderr.count("lane default is paused: the quota is used up (after fixing it, run: feishu-batch resume)")
        == 1
    )
    assert "paused" not in told.stdout
    ledger.lane.resume()
    assert "paused" not in command(*BASE, "--item", 2, "--after", "x").stderr


def test_wait_is_bounded(command):
    result = command(*BASE, "--item", 1, "--after", "x", "--wait", "0.1")
    assert result.exit_code == 1
    assert f"feishu-batch show {result.stdout.strip()}" in result.stderr


def test_what_is_wrong_is_shown(command):
    assert "(got 99)" in command("enqueue", "--json", '{"priority": 99}').stderr
    told = command(
        "enqueue", "--project-key", PROJECT, "--type", "story", "--item=1", "--field=f", "--after=5", "--lane=A b"
    )
    assert told.exit_code == 2
    assert "--lane: " in told.stderr
    assert '(got "A b")' in told.stderr
