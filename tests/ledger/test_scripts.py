"""What holds for every script: its head says what it does, and a cluster could run it."""

import re
from pathlib import Path

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.lane_kit import accept, claim, claim_and_settle, new_intent, settle
from worker.ledger.records import BatchState, Outcome

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "worker/ledger/lua").glob("*.lua"))
STEPS = [path for path in SCRIPTS if not path.name.startswith("_")]
PRODUCT = [path for folder in ("worker", "tasks", "client") for path in (ROOT / folder).rglob("*.py")]
by_name = pytest.mark.parametrize("path", STEPS, ids=lambda path: path.stem)


@by_name
def test_each_script_begins_with_what_it_does_its_keys_and_its_arguments(path):
    lines = path.read_text().splitlines()
    head = "\n".join(lines[: next(i for i, line in enumerate(lines) if not line.startswith("--"))])
    assert re.match(r"-- [A-Z]", head)
    assert "-- KEYS  1 " in head
    assert "-- ARGV  " in head
    assert "-- Returns " in head


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_names_a_key_that_is_not_built_from_its_own(path):
    text = path.read_text()
    assert re.findall(r"redis\.call\('[A-Z]+', *['\"]", text) == []
    assert set(re.findall(r"local P = (.*)", text)) <= {"KEYS[1]"}


def test_what_the_scripts_touch_has_the_lanes_hash_tag_and_nothing_else(redis, lane):
    with redis.monitor() as monitor:
        whole_life(lane)
        redis.echo("monitored-until-here")
        keys = []
        while "monitored-until-here" not in (command := monitor.next_command())["command"]:
            words = command["command"].split(" ")
            if command["client_type"] == "lua" and words[0] != "TIME":
                keys += words[1:] if words[0] in {"EXISTS", "DEL"} else words[1:2]
    assert len(keys) > 50
    assert {key for key in keys if not key.startswith(lane.prefix)} == set()


def whole_life(lane):
    lane.record([new_intent(1, [1, 2, 3]), new_intent(2, [1]), new_intent(3, [2], "later"), new_intent(4, [3], "x")])
    lane.end_pending(3, Outcome(OutcomeKind.CANCELED))
    batch = claim(lane, lease=0)
    batch = claim(lane, "B")
    accept(lane, batch)
    lane.advance(lane.pick("jobs", hold=0), state=BatchState.OPEN, settled={}, then=BatchState.RESEND)
    lane.split(claim(lane), "bad") if len(batch.items) > 1 else settle(lane, claim(lane))
    for _ in range(4):
        if hasattr(claimed := claim(lane), "items"):
            settle(lane, claimed)
    lane.refuse(5, "five", 1, [1], Outcome.failed("c", "why"))
    lane.refusals.note_refused("p u", 2, 10)
    lane.refusals.note_accepted("p u", 10)
    lane.forget([number for number, _ in lane.take_outbox(10, 1)])


def test_an_intent_that_was_settled_leaves_nothing_but_counters_and_columns(redis, lane):
    lane.record([new_intent(1, range(1, 101)), new_intent(2, range(1, 31), "w"), new_intent(3, [5], mode="APPEND")])
    while hasattr(claim_now := claim(lane), "items"):
        settle(lane, claim_now)
    lane.confirm_published([1, 2, 3])
    lane.forget([1, 2, 3])
    left = {key.removeprefix(lane.prefix) for key in redis.keys(f"{lane.prefix}*")}
    assert left <= {
        "columns",
        "columns-of:p",
        "places",
        "fence",
        "batch-sequence",
        "group-sequence",
        "recent",
        "route:batch:overdue-turn-in",
        "metrics",
        "clock",
    }


def test_numbers_beyond_a_million_millions_stay_exact(lane, record_of):
    number, item = 2**48 - 1, 2**63 - 1
    lane.record([new_intent(number, [item], priority=0)])
    assert claim_and_settle(lane).items == (item,)
    assert record_of(number)["ok"] == "1"


@pytest.mark.parametrize("word", ["countdown", "eta", "expires"])
def test_no_message_waits_in_celery(word):
    """Waiting is an entry in the ledger: a delayed message would be held by a worker that may die, and is sent twice."""
    calls = re.compile(rf"(apply_async|send_task|signature|\.set)\([^)]*\b{word}=")
    assert [path.name for path in PRODUCT if calls.search(path.read_text())] == []


def test_no_task_is_retried_by_celery():
    words = re.compile(r"self\.retry\(|autoretry_for|countdown\s*=|\beta\s*=")
    assert [path.name for path in PRODUCT if words.search(path.read_text())] == []
