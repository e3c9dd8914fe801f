"""`status`, `show` and `failures`: what the ledger looks like while work is under way."""

import re

import pytest


def states(command, intent):
    return {item["item"]: item["state"] for item in command.json("show", intent)["items"]}


def test_an_empty_ledger_has_nothing_to_do(command):
    document = command.json("status")
    assert document["inbox"] == {"intents": 0, "oldest_wait": None}
    [lane] = document["lanes"]
    assert (lane["lane"], lane["paused"], lane["requests_left"], lane["recent"]) == ("default", None, 0, [])
    assert "nothing to do" in command("status").stdout


def test_status_counts_what_waits_and_what_is_in_progress(command, ledger):
    command.enqueue(*range(1, 121))
    command.enqueue(*range(1, 4), field="owner", after="x")
    assert command.json("status")["inbox"]["intents"] == 2
    assert "unknown until the inbox has been recorded" in command("status").stdout
    ledger.take_in()
    [lane] = command.json("status")["lanes"]
    assert (lane["ready_changes"], lane["ready_groups"], lane["requests_left"]) == (123, 2, 4)
    ledger.accept(ledger.claim())
    ledger.settle(ledger.claim(), {70: "WorkItemTerminated"})
    [lane] = command.json("status")["lanes"]
    assert (lane["open_jobs"], lane["ready_changes"], lane["owned_cells"], lane["seconds_left"]) == (1, 23, 73, 2.0)
    assert (lane["recent"][0]["size"], lane["recent"][0]["failed"]) == (50, 1)
    text = command("status").stdout
    assert "23 changes in 2 groups" in text
    assert "at least 2 s" in text


def test_status_says_why_a_lane_is_stalled(command):
    command("pause", "--reason", "the quota is used up")
    [lane] = command.json("status")["lanes"]
    assert lane["paused"]["reason"] == "the quota is used up"
    assert "PAUSED" in command("status").stdout
    assert "feishu-batch resume" in command("status").stdout


def test_a_lane_that_does_not_exist_is_2(command):
    result = command("status", "--lane", "nowhere")
    assert result.exit_code == 2
    assert "there are: default" in result.stderr


def test_show_follows_an_item_from_the_inbox_to_its_end(command, ledger):
    intent = command.enqueue(1, 2)
    assert states(command, intent) == {1: "queued", 2: "queued"}
    ledger.take_in()
    assert states(command, intent) == {1: "pending", 2: "pending"}
    batch = ledger.claim()
    assert states(command, intent) == {1: "in flight", 2: "in flight"}
    ledger.settle(batch, {2: "NoPermissionToModify"})
    document = command.json("show", intent)
    assert document["state"] == "partial"
    assert document["items"][0] == {
        "item": 1,
        "state": "succeeded",
        "batch": None,
        "job": None,
        "code": None,
        "reason": None,
    }
    assert document["items"][1]["reason"] == "the remote said NoPermissionToModify"
    assert document["group"]["field_key"] == "priority"
    assert document["completed_at"] > document["enqueued_at"]


def test_show_names_batch_and_job(command, ledger):
    intent = command.enqueue(1)
    ledger.take_in()
    batch = ledger.accept(ledger.claim())
    [item] = command.json("show", intent)["items"]
    assert (item["batch"], item["job"]) == (batch.number, "JOB-1")
    assert f"batch {batch.number}, job JOB-1" in command("show", intent).stdout


def test_show_tells_who_waits_behind_whom(command, ledger):
    first = command.enqueue(1, 2)
    ledger.take_in()
    batch = ledger.claim()
    second = command.enqueue(1, after='{"value": "option_2"}')
    ledger.take_in()
    assert states(command, second) == {1: "behind"}
    ledger.settle(batch)
    assert states(command, first) == {1: "succeeded", 2: "succeeded"}
    assert states(command, second) == {1: "pending"}


def test_show_tells_the_place_of_a_shared_change(command, ledger):
    first, second = command.enqueue(1, 2), command.enqueue(2, 3)
    ledger.take_in()
    assert states(command, second) == {2: "pending", 3: "pending"}
    batch = ledger.claim()
    assert states(command, second) == {2: "in flight", 3: "in flight"}
    ledger.settle(batch)
    assert states(command, first) == {1: "succeeded", 2: "succeeded"}
    assert states(command, second) == {2: "succeeded", 3: "succeeded"}


def test_show_tells_superseded_and_canceled_items(command, ledger):
    old, sharer = command.enqueue(1, 2), command.enqueue(1)
    new = command.enqueue(1, after='{"value": "option_2"}')
    canceled = command.enqueue(1, after='{"value": "option_3"}')
    ledger.take_in()
    assert states(command, old) == {1: "giving way", 2: "pending"}
    assert states(command, sharer) == states(command, new) == {1: "giving way"}
    command("cancel", canceled)
    assert states(command, canceled) == {1: "canceled"}
    assert states(command, new) == {1: "pending"}
    while ledger.lane.has_ready():
        ledger.settle(ledger.claim())
    assert states(command, old) == {1: "superseded", 2: "succeeded"}
    assert (states(command, sharer), states(command, new)) == ({1: "superseded"}, {1: "succeeded"})


def test_show_lists_what_is_asked_for(command, ledger):
    intent = command.enqueue(*range(1, 61))
    ledger.take_in()
    ledger.settle(ledger.claim(), {10: "WorkItemTerminated"})
    assert [item["item"] for item in command.json("show", intent, "--items", "failed")["items"]] == [10]
    assert len(command.json("show", intent, "--items", "open")["items"]) == 10
    assert len(command.json("show", intent)["items"]) == 60
    assert "WorkItemTerminated" in command("show", intent).stdout


@pytest.mark.parametrize("name", ["show", "cancel"])
def test_an_unknown_intent_is_2(command, name):
    result = command(name, "nothing")
    assert result.exit_code == 2
    assert "no intent nothing" in result.stderr


def test_failures_are_grouped_by_reason(command, ledger):
    first = command.enqueue(*range(1, 4))
    command.enqueue(*range(4, 7), field="owner")
    ledger.do_all({1: "A", 4: "B", 5: "B"})
    [lane] = command.json("failures")["lanes"]
    assert (lane["failed"], lane["intents"], lane["is_cut"]) == (3, 2, False)
    assert [(group["code"], group["count"]) for group in lane["groups"]] == [("B", 2), ("A", 1)]
    assert lane["groups"][1]["items"] == [{"item": 1, "intent_id": first}]
    assert "the remote said B" in command("failures").stdout


def test_failures_may_be_limited(command, ledger):
    for item in (1, 2, 3):
        command.enqueue(item, field=f"field_{item}")
    ledger.do_all({1: "A", 2: "A", 3: "A"})
    [lane] = command.json("failures", "--limit", 2)["lanes"]
    assert (lane["failed"], lane["is_cut"]) == (2, True)
    assert command.json("failures", "--since", "1h")["lanes"][0]["failed"] == 3
    assert command("failures", "--since", "yesterday").exit_code == 2


def test_no_failure_is_said(command):
    assert command("failures").stdout == "no failures\n"


def test_cancel_leaves_what_is_in_a_request(command, ledger):
    intent = command.enqueue(*range(1, 61))
    ledger.take_in()
    ledger.claim()
    result = command("cancel", intent)
    assert (result.exit_code, result.stdout) == (0, "10 items canceled; 50 already in a request and not affected\n")


def test_cancel_of_an_ended_intent_changes_nothing(command, ledger):
    intent = command.enqueue(1)
    ledger.do_all()
    assert command("cancel", intent).stdout == f"{intent} has already ended: succeeded\n"
    assert states(command, intent) == {1: "succeeded"}


def test_cancel_needs_a_worker_that_records_the_intent(command, monkeypatch):
    monkeypatch.setattr("worker.operating.canceling.RECORDED_WITHIN", 0.2)
    result = command("cancel", command.enqueue(1))
    assert result.exit_code == 3
    assert "feishu-batch up" in result.stderr


def test_resume_says_whether_there_was_a_pause(command, ledger):
    command("pause")
    assert ledger.lane.paused()["polling"] is True
    assert command("resume").stdout == "lane default continues\n"
    assert command("resume").stdout == "lane default was not paused\n"


def test_status_says_that_the_remote_system_cannot_be_reached_until_it_can(command, ledger):
    ledger.lane.last_errors.note("submit", "the connection was refused")
    ledger.lane.last_errors.note("poll", None)
    [lane] = command.json("status")["lanes"]
    [trouble] = lane["troubles"]
    assert (trouble["what"], trouble["error"]) == ("submit", "the connection was refused")
    assert 0 <= trouble["for"] < 5
    said = re.compile(r"sending failed \d s ago; nothing is left to retry: the connection was refused")
    assert said.search(command("status").stdout)
    command.enqueue(1)
    ledger.take_in()
    said = re.compile(r"sending has failed for \d s; the worker retries it: the connection was refused")
    assert said.search(command("status").stdout)
    ledger.lane.pause("the acting user does not exist", polling=False)
    paused = command("status").stdout
    said = re.compile(
        r"sending failed \d s ago; it is not retried while the lane is paused: the connection was refused"
    )
    assert said.search(paused)
    assert "tried again" not in paused + command("watch", "--once").stdout
    ledger.lane.last_errors.note("submit", None)
    assert "TROUBLE" not in command("status").stdout
    assert command.json("status")["lanes"][0]["troubles"] == []


def test_status_and_doctor_say_that_names_cannot_be_looked_up(command, ledger):
    """With a wrong base URL, every intent with a name fails at once: nothing is sent, and nothing else shows the trouble."""
    ledger.lane.last_errors.note("look_up", "the name of the host is unknown")
    shown = command("status").stdout
    assert "looking up names has failed for" in shown
    assert "the worker retries it: the name of the host is unknown" in shown
    assert (
        "looking up names fails, and is retried: the name of the host is unknown" in command("watch", "--once").stdout
    )
    ledger.lane.pause("by hand", polling=True)
    assert "the worker retries it" in command("status").stdout
    ledger.lane.pause("refused", polling=False)
    assert "it is not retried while the lane is paused" in command("status").stdout
    ledger.lane.last_errors.note("look_up", None)
    assert "TROUBLE" not in command("status").stdout


def test_trouble_is_written_only_when_it_changes(ledger, redis):
    def writes():
        return sum(redis.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hset", "hdel"))

    before = writes()
    for error in (None, None, "refused", "refused", "refused", None, None):
        ledger.lane.last_errors.note("submit", error)
    assert writes() - before == 3


def test_one_of_each_is_said_in_the_singular(command, ledger):
    command.enqueue(1)
    assert "1 intent not recorded yet" in command("status").stdout
    ledger.take_in()
    assert "1 change in 1 group" in command("status").stdout
    assert "1 request, and its job" in command("status").stdout
