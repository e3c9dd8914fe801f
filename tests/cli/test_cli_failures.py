"""No word about failures says more than what was looked at."""

import json
import time

import pytest

from worker.cli import watch
from worker.ledger.reads.ledger import PAGE, LedgerReads
from worker.operating import recent_failures
from worker.operating.recent_failures import RecentFailures

MANY = 3590


@pytest.fixture
def buried(command, ledger, redis, prefix):
    """One item failed, and later thousands of intents were canceled: these end by a Lua step that is too slow for a test."""
    intent = command.enqueue(1, 2)
    ledger.do_all({1: "Terminated"})
    later = {str(number): (time.time() + 1) * 1000 for number in range(100, 100 + MANY)}
    redis.zadd(ledger.lane.keys.named("ended:failed"), later)
    return intent


def test_canceled_intents_hide_no_failure(command, buried, redis, prefix):
    [lane] = command.json("failures")["lanes"]
    assert (lane["failed"], lane["intents"], lane["is_cut"]) == (1, 1, False)
    assert "Terminated" in command("failures").stdout
    assert "Terminated" in command("watch", "--once").stdout
    [line] = command("watch", "--once", "--json").stdout.splitlines()
    assert json.loads(line)["lanes"][0]["failed_last_hour"][0]["count"] == 1
    assert RecentFailures(LedgerReads(redis, prefix)).look("default", time.time()).count == 1


def test_a_retry_finds_what_canceled_intents_came_after(command, buried):
    assert command("retry", "--all", "--dry-run").exit_code == 0
    assert json.loads(command("retry", "--all", "--dry-run", "--json").stdout)["items"] == 1


def test_canceled_intents_are_no_failures(command, ledger):
    intent = command.enqueue(1)
    ledger.take_in()
    assert command("cancel", intent).exit_code == 0
    assert command("failures").stdout == "no failures\n"


def test_what_failed_of_an_intent_in_progress_is_reported(command, ledger, redis, prefix):
    intent = command.enqueue(*range(1, 61))
    ledger.take_in()
    ledger.settle(ledger.claim(), {3: "Terminated"})
    [lane] = command.json("failures", "--since", "1h")["lanes"]
    assert lane["groups"][0]["items"] == [{"item": 3, "intent_id": intent}]
    recent = RecentFailures(LedgerReads(redis, prefix))
    assert recent.look("default", time.time()).count == 1
    rest = ledger.claim()
    ledger.settle(rest, {next(iter(rest.items)): "Terminated"})
    assert recent.look("default", time.time()).count == 2, "an intent of which more failed is read again"


def test_a_refused_intent_and_a_forgotten_one(command, ledger, redis):
    command.enqueue(1)
    ledger.do_all({1: "Terminated"})
    ledger.lane.forget([1])
    assert command("failures").stdout == "no failures\n"
    assert not redis.exists(ledger.lane.keys.named("failures"))


def test_a_limit_is_reported_even_where_nothing_is_left_to_tell(command, ledger):
    command.enqueue(1, field="field_1")
    ledger.do_all({1: "A"})
    newest = command.enqueue(2, field="field_2")
    ledger.do_all({2: "A"})
    assert command("retry", "--intent", newest, "--yes").exit_code == 0
    ledger.do_all()
    told = command("failures", "--limit", "1").stdout
    assert told.startswith("No unresolved failure in the newest 1 intent with failed items")
    assert "there are more" in told


def test_the_page_says_that_it_counts_the_newest_only(command, ledger, redis, prefix, monkeypatch):
    for item in (1, 2, 3):
        command.enqueue(item, field=f"field_{item}")
    ledger.do_all({1: "A", 2: "A", 3: "A"})
    monkeypatch.setattr("worker.ledger.reads.ledger.PAGE", 2)
    seen = RecentFailures(LedgerReads(redis, prefix)).look("default", time.time())
    assert (seen.count, seen.is_cut, seen.is_whole) == (2, True, False)
    assert sum(len(page) for page in LedgerReads(redis, prefix).failed("default", 0.0)) == 3


def test_watch_counts_all_reasons_and_says_how_many_it_leaves_out(command, ledger):
    for item in range(1, 7):
        command.enqueue(item, field=f"field_{item}")
    ledger.do_all({item: f"Reason{item}" for item in range(1, 7)})
    assert f"… and {6 - watch.REASONS} more reasons" in command("watch", "--once").stdout
    [line] = command("watch", "--once", "--json").stdout.splitlines()
    [lane] = json.loads(line)["lanes"]
    assert len(lane["failed_last_hour"]) == 6
    assert lane["failed_last_hour_is_whole"]


def test_a_page_of_numbers_is_what_is_looked_at_by_the_page():
    assert recent_failures.INTENTS == PAGE


def test_what_to_do_stands_below_the_reasons_once_for_each_code(command, ledger):
    command.enqueue(1, 2)
    ledger.do_all({1: "WorkItemTerminated", 2: "NeverHeardOf"})
    assert command("failures").stdout.count("\nWorkItemTerminated: Reopen the item in Feishu Project") == 1
    [lane] = command.json("failures")["lanes"]
    advice = {group["code"]: group["advice"] for group in lane["groups"]}
    assert advice["WorkItemTerminated"].startswith("Reopen")
    assert advice["NeverHeardOf"] is None
