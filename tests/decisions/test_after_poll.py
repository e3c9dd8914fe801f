"""The decision after the answer to a poll."""

import pytest

from tests.decisions.factory import after_seconds, by_item, make_batch, make_policy, report
from worker.decisions import after_poll
from worker.ledger.records import SUCCEEDED, BatchState, Outcome
from worker.remote.errors import (
    BatchRefused,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    SpaceRefused,
    TokenRejected,
)

POLICY = make_policy()


def poll(answer, verify=False, **batch):
    return after_poll(make_batch(**batch), answer, POLICY, next_poll=7, verify=verify)


def letters(step):
    return {item: outcome.kind.value for item, outcome in by_item(step.settled).items()}


# --- while it runs


@pytest.mark.parametrize("word", ["RUNNING", "IDLE", "", "SOMETHING_NEW", "running"])
def test_a_job_that_is_not_known_to_have_ended_is_looked_at_again(word):
    step = poll(report(word, succeeded=[1, 2, 3]))
    assert (step.then, step.delay, step.settled) == (BatchState.OPEN, 7, {})


def test_a_job_that_was_seen_counts_neither_as_missing_nor_as_failing_any_more():
    step = poll(report("RUNNING"), missing_since=5, missing_looks=2, poll_failures=4, token_rejections=1)
    assert not any(
        step.fields[name] for name in ("missing_since", "missing_looks", "poll_failures", "token_rejections")
    )


def test_a_job_that_never_ends_is_given_up_and_may_still_write_for_the_whole_grace_time():
    assert poll(report("RUNNING"), now=after_seconds(3600)).then is BatchState.OPEN
    step = poll(report("RUNNING"), now=after_seconds(3601))
    assert (step.then, step.delay, step.fields["stray"]) == (BatchState.CHECK, POLICY.grace, 1)


# --- when it does not exist


def missing(looks, seconds):
    now = after_seconds(100 + seconds)
    known = {"missing_since": after_seconds(100), "missing_looks": looks - 1} if looks > 1 else {}
    return poll(report("NOT_EXIST"), now=now, **known)


def test_one_look_at_a_job_that_does_not_exist_proves_nothing():
    step = missing(looks=1, seconds=500)
    assert (step.then, step.fields["missing_looks"]) == (BatchState.OPEN, 1)


def test_a_missing_job_is_believed_after_enough_looks_and_enough_time():
    assert missing(looks=3, seconds=29).then is BatchState.OPEN
    assert missing(looks=2, seconds=31).then is BatchState.OPEN
    assert missing(looks=3, seconds=30).then is BatchState.CHECK


@pytest.mark.parametrize("error", [BatchRefused("no such task", code=20001), SpaceRefused("no such space", code=30001)])
def test_a_refused_poll_counts_as_a_job_that_does_not_exist(error):
    step = poll(error)
    assert (step.then, step.fields["missing_looks"]) == (BatchState.OPEN, 1)


# --- when it has ended


def test_each_item_gets_the_outcome_of_its_list():
    step = poll(report("SUCCESS", succeeded=[1, 3], failed=[2], scenes=["WorkItemTerminated"]))
    assert letters(step) == {1: "o", 2: "f", 3: "o"}
    assert by_item(step.settled)[2].code == "WorkItemTerminated"


@pytest.mark.parametrize("word", ["SUCCESS", "FAILED", "CANCELED"])
def test_the_lists_count_not_the_word(word):
    assert letters(poll(report(word, succeeded=[1, 2], failed=[3]))) == {1: "o", 2: "o", 3: "f"}


def test_an_item_in_neither_list_is_read_back():
    step = poll(report("SUCCESS", succeeded=[1, 2], failed=[], success_total=2, total=3))
    assert (letters(step), step.then, step.fields["unproven"]) == ({1: "o", 2: "o"}, BatchState.CHECK, "3")


@pytest.mark.parametrize("word", ["success", "Success", " SUCCESS ", "Failed", "canceled"])
def test_a_final_word_ends_a_job_however_it_is_written(word):
    assert letters(poll(report(word, succeeded=[1, 2], failed=[3]))) == {1: "o", 2: "o", 3: "f"}


@pytest.mark.parametrize("word", ["not_exist", "Not-Exist", "NOT EXIST"])
def test_a_job_is_missing_however_that_is_written(word):
    assert poll(report(word)).fields["missing_looks"] == 1


# What contradicts itself, and why: nothing of it is believed, and every item is read back.
CONTRADICTIONS = {
    "FAILED, all by the counter, in no list": {
        "word": "FAILED", "succeeded": [], "failed": [], "success_total": 3, "total": 3,
    },
    "FAILED, all by the counter, without lists": {"word": "FAILED", "success_total": 3},
    "FAILED, all in the success list": {"word": "FAILED", "succeeded": [1, 2, 3], "failed": []},
    "SUCCESS, all errors by the counter, all in the success list": {
        "succeeded": [1, 2, 3], "failed": [], "success_total": 0, "error_total": 3,
    },
    "SUCCESS, all errors by the counter": {"succeeded": [1, 2, 3], "error_total": 3},
    "SUCCESS, all in the fail list": {"succeeded": [], "failed": [1, 2, 3], "error_total": 3},
    "foreign ids in the fail list": {"word": "FAILED", "failed": [101, 102, 103], "error_total": 3},
    "foreign ids beside ours": {"succeeded": [1, 2, 3, 99], "failed": []},
    "a foreign failure": {"succeeded": [1, 2, 3], "failed": [98]},
    "an item in both lists": {"succeeded": [1, 2], "failed": [2, 3]},
    "an item twice": {"succeeded": [1, 2, 3, 3], "failed": []},
    "the counter counts an item twice": {"succeeded": [1, 1, 2], "failed": [], "success_total": 3},
    "success_total is more than listed": {"succeeded": [1, 2], "failed": [], "success_total": 3},
    "success_total is less than listed": {"succeeded": [1, 2, 3], "failed": [], "success_total": 2},
    "error_total is more than listed": {"succeeded": [1, 2, 3], "failed": [], "error_total": 1},
    "empty lists and a counter": {"succeeded": [], "failed": [], "success_total": 3},
    "total of another batch": {"succeeded": [1, 2, 3], "failed": [], "total": 50},
    "more than were sent": {"success_total": 3, "error_total": 3},
    "a negative counter": {"succeeded": [1, 2, 3], "failed": [], "error_total": -1},
    "a negative counter alone": {"success_total": 3, "error_total": -3},
    "what cannot be read": {"succeeded": [1, 2, 3], "failed": None, "garbled": True},
}  # fmt: skip


@pytest.mark.parametrize("told", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_an_answer_that_contradicts_itself_proves_nothing_and_every_item_is_read_back(told):
    step = poll(report(**{"word": "SUCCESS", **told}))
    assert (step.settled, step.then, step.delay) == ({}, BatchState.CHECK, 0)
    assert step.fields["unproven"] == "1,2,3"


def test_items_missing_beside_failures_are_not_sent_again_if_the_cells_do_not_show_it():
    for told in ({"word": "SUCCESS", "failed": [1, 2, 3]}, {"word": "FAILED", "failed": [101], "error_total": 1}):
        assert Outcome.from_detail(poll(report(**told)).fields["verdict"]).code == "remote_refused"
    assert "verdict" not in poll(report("SUCCESS", succeeded=[1, 2, 3], error_total=3)).fields


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"success_total": 3}, "ooo"),
        ({"success_total": 3, "error_total": 0}, "ooo"),
        ({"success_total": 2, "error_total": 1}, ""),
        ({"success_total": 50}, ""),
        ({}, ""),
        ({"failed": [3], "success_total": 2, "error_total": 1}, "oof"),
        ({"succeeded": [1, 2], "success_total": 2, "error_total": 1}, "oof"),
        ({"failed": [3], "success_total": 2}, "oof"),
        ({"failed": [3], "success_total": 2, "error_total": 2}, ""),
        ({"failed": [3], "success_total": 1, "error_total": 1}, "  f"),
    ],
    ids=str,
)
def test_counters_speak_for_missing_lists_where_they_leave_one_way_to_add_up(told, expected):
    right = {item: letter for item, letter in zip((1, 2, 3), expected, strict=False) if letter != " "}
    assert letters(poll(report("SUCCESS", **told))) == right


def test_a_counter_of_failures_speaks_for_a_missing_list_as_well():
    assert letters(poll(report("FAILED", success_total=0, error_total=3))) == {1: "f", 2: "f", 3: "f"}


def test_counters_of_a_batch_that_was_sent_again_in_part_are_those_of_the_part():
    assert letters(poll(report("SUCCESS", success_total=3), size=50)) == {1: "o", 2: "o", 3: "o"}


def test_several_reasons_are_reported_as_such():
    step = poll(report("FAILED", failed=[1, 2, 3], scenes=["A", "B", "A"]))
    assert by_item(step.settled)[1] == Outcome.failed("remote_refused", "the remote job refused the item; one of: A, B")
    assert by_item(poll(report("FAILED", failed=[1, 2, 3])).settled)[1].code == "remote_refused"


def test_what_a_failed_job_did_not_name_gets_its_reason_unless_the_cells_show_it():
    step = poll(report("FAILED", succeeded=[1], failed=[2], scenes=["NoPermissionToModify"]))
    assert Outcome.from_detail(step.fields["verdict"]).code == "NoPermissionToModify"
    assert "verdict" not in poll(report("CANCELED", succeeded=[1], failed=[2])).fields


def test_verifying_reads_back_what_the_job_says_it_did():
    step = poll(report("SUCCESS", succeeded=[1, 2], failed=[3]), verify=True)
    assert (letters(step), step.then, step.fields["unproven"]) == ({3: "f"}, BatchState.CHECK, "")


def test_the_job_of_a_repeat_settles_nothing_before_a_stray_first_job_is_impossible():
    step = poll(report("SUCCESS", succeeded=[1, 2, 3]), kind="reask", now=after_seconds(5))
    assert (step.then, step.settled, step.delay, step.fields["stray"]) == (BatchState.CHECK, {}, 15, 1)


def test_success_is_the_known_outcome():
    assert by_item(poll(report("SUCCESS", succeeded=[1, 2, 3])).settled) == dict.fromkeys((1, 2, 3), SUCCEEDED)


# --- when the poll goes wrong


def test_a_rate_limited_poll_is_repeated():
    step = poll(RateLimited("slow down", code=10429))
    assert (step.then, step.fields) == (BatchState.OPEN, {})


def test_a_stopped_lane_keeps_the_job():
    step = poll(LaneStopped("quota", code=99991403, advice="Buy more."))
    assert (step.then, step.pause) == (BatchState.OPEN, "quota (code 99991403). Buy more.")


def test_a_poll_with_a_rejected_token_costs_no_attempt_of_the_batch():
    step = poll(TokenRejected("expired", code=10022), tries=2)
    assert (step.then, step.renew_token) == (BatchState.OPEN, True)
    assert "tries" not in step.fields
    assert poll(TokenRejected("expired", code=10022), token_rejections=1).pause


@pytest.mark.parametrize("error", [NotExecuted("busy", code=50005), OutcomeUnknown("?"), NotExecuted("no route")])
def test_a_failing_poll_backs_off(error):
    assert [poll(error, poll_failures=n).delay for n in (0, 1, 2)] == [0.5, 1, 2]


def test_polls_that_the_api_refuses_for_too_long_are_given_up_but_an_outage_is_waited_out():
    late = after_seconds(3601)
    assert poll(NotExecuted("busy", code=50005), now=late).then is BatchState.CHECK
    assert poll(NotExecuted("no route"), now=late).then is BatchState.OPEN
    for status in (200, 404, 429, 500, 502):
        assert poll(NotExecuted("no API answer", http_status=status), now=late).then is BatchState.CHECK
    assert poll(RateLimited("slow down", code=10429), now=late).then is BatchState.CHECK
