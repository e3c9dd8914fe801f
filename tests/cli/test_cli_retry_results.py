"""What is told of failures that were retried."""

import json
import time

import pytest

from feishu_batch import FeishuBatch
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.recent_failures import LOOK_AT_RETRIES, RecentFailures


@pytest.fixture
def failed(command, ledger):
    """An intent of three items, two of which failed for two reasons."""
    intent = command.enqueue(1, 2, 3)
    ledger.do_all({2: "Terminated", 3: "NoPermission"})
    return intent


def retried(command, *args):
    result = command("retry", *args, "--yes", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_show_says_as_which_intent_it_was_retried_and_how_that_stands(command, ledger, failed):
    [told] = retried(command, "--intent", failed)["intents"]
    assert command.json("show", failed)["retried_as"] == [{"intent_id": told["intent_id"], "state": "queued"}]
    ledger.do_all()
    assert f"retried as {told['intent_id']}: succeeded" in command("show", failed).stdout


def test_what_succeeded_by_a_retry_is_no_open_failure(command, ledger, failed):
    def counts():
        [lane] = command.json("failures")["lanes"]
        return lane["failed"], lane["succeeded_on_retry"]

    assert counts() == (2, 0)
    retried(command, "--intent", failed)
    assert counts() == (2, 0)
    ledger.do_all({2: "Terminated"})
    assert counts() == (2, 1), "item 2 failed in both"
    retried(command, "--all")
    ledger.do_all()
    assert counts() == (0, 3), "a retry of a retry mends both"
    assert "no unresolved failures; 3 failed items" in command("failures").stdout


def left(command, *args):
    [lane] = command.json("failures", *args)["lanes"]
    items = sorted(one["item"] for group in lane["groups"] for one in group["items"])
    return items, lane["corrected"]


def test_what_a_later_intent_has_written_is_no_open_failure(command, ledger, failed):
    assert left(command) == ([2, 3], 0)
    command.enqueue(2, 9, after='{"value": "option_2"}')
    assert left(command) == ([2, 3], 0), "it waits"
    ledger.do_all({9: "Terminated"})
    assert left(command) == ([3, 9], 1)
    told = command("failures").stdout
    assert "Not listed: 1 failed item has been written by a later intent." in told
    assert json.loads(command("retry", "--all", "--dry-run", "--json").stdout)["skipped"] == {"overtaken": 1}
    command.enqueue(3, 9)
    ledger.do_all()
    assert command("failures").stdout == "no unresolved failures; 3 failed items have been written by a later intent\n"


@pytest.mark.parametrize("why", ["another field", "another item", "it failed too", "it was canceled"])
def test_what_no_later_intent_has_written_is_still_a_failure(command, ledger, failed, why):
    other = {"another field": {"field": "field_x"}}.get(why, {})
    later = command.enqueue(4 if why == "another item" else 2, **other)
    if why == "it was canceled":
        command("cancel", later, "--yes")
    ledger.do_all({2: "Terminated"} if why == "it failed too" else {})
    items, corrected = left(command)
    assert (set(items), corrected) == ({2, 3}, 0)


def test_an_earlier_success_corrects_nothing(command, ledger):
    command.enqueue(1)
    ledger.do_all()
    command.enqueue(1, after='{"value": "option_2"}')
    ledger.do_all({1: "Terminated"})
    assert left(command) == ([1], 0)


def test_the_library_and_the_command_leave_out_what_a_retry_has_made_of_a_set(command, ledger, redis_url, prefix):
    items = command.enqueue(1, 2, 3, change_set="s")
    ledger.do_all({2: "Terminated", 3: "NoPermission"})
    retried(command, "--intent", items)
    ledger.do_all({3: "NoPermission"})
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5) as client:
        by_library = {one.item for one in client.change_set("s").failures()}
    by_command = {one["item"] for one in command.json("failures", "--set", "s")["failures"]}
    assert by_library == by_command == {3}


def test_a_set_has_no_failure_that_another_set_has_corrected(command, ledger, redis_url, prefix):
    command.enqueue(1, 2, change_set="s")
    ledger.do_all({1: "Terminated", 2: "Terminated"})
    command.enqueue(1, change_set="corrected")
    ledger.do_all()
    assert [one["item"] for one in command.json("failures", "--set", "s")["failures"]] == [2]


def test_a_forgotten_intent_does_not_come_back_by_a_retry(ledger, redis):
    ledger.lane.note_retry(4711, "retry-x")
    assert not redis.exists(ledger.lane.keys.named("intent:4711"))


def test_the_page_lists_no_failure_of_which_a_retry_succeeded(command, ledger, failed, redis, prefix):
    recent = RecentFailures(LedgerReads(redis, prefix))
    now = time.time()

    def seen(after):
        return sum(group.count for group in recent.look("default", now + after).groups)

    assert seen(0) == 2
    retried(command, "--intent", failed)
    ledger.do_all()
    assert seen(1) == 2, "it is not looked at every time"
    assert seen(LOOK_AT_RETRIES) == 0


def test_retry_names_the_new_intents_and_waits_for_them(command, ledger, failed):
    [told] = json.loads(command("retry", "--all", "--dry-run", "--json").stdout)["intents"]
    late = command("retry", "--all", "--yes", "--wait", "--timeout", "0.1")
    assert late.exit_code == 1
    assert f"The new intent: {told['intent_id']}" in late.stdout
    assert "2 open; not all ended in time" in late.stdout


def test_retry_with_wait_says_the_results_of_the_items(command, ledger, failed):
    enqueue = command("retry", "--reason", "Terminated", "--yes")
    assert enqueue.exit_code == 0
    ledger.do_all()
    worker = ledger.do_all_when_it_comes()
    result = command("retry", "--all", "--yes", "--wait", "--timeout", "20")
    worker.join()
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 succeeded")


def test_a_retry_that_fails_again_is_1_with_wait(command, ledger, failed):
    worker = ledger.do_all_when_it_comes({3: "NoPermission"})
    result = command("retry", "--all", "--yes", "--wait", "--json")
    worker.join()
    assert result.exit_code == 1
    counts = json.loads(result.stdout)["counts"]
    assert (counts["succeeded"], counts["failed"], counts["open"]) == (1, 1, 0)
