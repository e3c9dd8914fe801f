"""What follows from each class of answer to a submit, fresh and repeated."""

import pytest

from tests.decisions.factory import accepted, after_seconds, by_item, make_batch, make_policy
from worker.decisions import after_submit
from worker.decisions.after_submit import MAX_REASKS
from worker.ledger.records import BatchState, Outcome
from worker.remote.codes import REDIRECT_ADVICE, classify
from worker.remote.envelope import Envelope
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    SpaceRefused,
    TokenRejected,
)

POLICY = make_policy()
MAYBE_EXECUTED = [OutcomeUnknown("time-out"), IdempotencyClash("clash", code=10430), RemoteError("something new")]


def after_send(error, **batch):
    return after_submit(make_batch(**batch), error, POLICY, first_poll=7)


def after_reask(error, **batch):
    return after_submit(make_batch(kind="reask", **batch), error, POLICY, first_poll=7)


@pytest.mark.parametrize("kind", ["new", "resend", "reask"])
def test_an_accepted_batch_has_an_open_job(kind):
    step = after_submit(make_batch(kind=kind, token_rejections=1), accepted("job-9"), POLICY, first_poll=7)
    assert (step.then, step.delay, step.fields["task"], step.settled) == (BatchState.OPEN, 7, "job-9", {})
    assert step.fields["token_rejections"] == 0


# --- a fresh send


def test_a_rate_limit_is_no_attempt():
    step = after_send(RateLimited("slow down", code=10429), tries=2)
    assert (step.then, step.delay, step.fields["tries"]) == (BatchState.RESEND, 0, 1)


def test_a_rejected_token_is_renewed_once_and_then_pauses_the_lane():
    first = after_send(TokenRejected("expired", code=10022))
    assert (first.then, first.renew_token, first.pause) == (BatchState.RESEND, True, None)
    second = after_send(TokenRejected("expired", code=10022), **first.fields)
    assert (second.then, second.renew_token) == (BatchState.RESEND, False)
    assert "PLUGIN_SECRET" in second.pause
    assert second.fields["token_rejections"] == 0  # after `resume` it starts anew


def test_the_same_token_rejected_again_says_nothing_of_the_credentials_but_not_for_ever():
    """Its renewal failed, or was not stored: a worker that was started since knows the old one only."""

    def rejected(fingerprint, **fields):
        error = TokenRejected("expired", code=10022)
        error.fingerprint = fingerprint
        return after_send(error, **fields)

    again = rejected("old", **rejected("old").fields)
    assert (again.renew_token, again.pause) == (True, None)
    assert rejected("new", **again.fields).pause
    for _ in range(5):
        again = rejected("old", **again.fields)
        assert not again.pause
    assert rejected("old", **again.fields).pause


def test_a_stopped_lane_keeps_the_batch_and_says_what_to_do():
    step = after_send(LaneStopped("no permission", code=10301, advice="Grant it."))
    assert (step.then, step.settled, step.pause) == (BatchState.RESEND, {}, "no permission (code 10301). Grant it.")


def test_a_refused_space_fails_the_batch_and_is_remembered():
    step = after_send(SpaceRefused("Project Key Is Wrong", code=1000052062))
    assert set(by_item(step.settled)) == {1, 2, 3}
    assert step.refuse_space == by_item(step.settled)[1]
    assert step.refuse_space.code == "1000052062"
    assert step.pause is None


def test_a_bad_request_fails_the_batch():
    step = after_send(BatchRefused("bad value", code=20001))
    assert {outcome.code for outcome in step.settled.values()} == {"20001"}


def test_what_may_be_one_items_fault_is_split_until_the_item_is_alone():
    error = BatchRefused("an item is bad", code=20014, splittable=True)
    assert after_send(error).split
    assert not after_send(error).settled
    alone = after_send(error, items=(5,))
    assert not alone.split
    assert by_item(alone.settled)[5].code == "20014"


def test_a_passing_trouble_backs_off_and_tries_again():
    delays = [after_send(NotExecuted("busy", code=50005), tries=tries).delay for tries in (1, 2, 3, 20)]
    assert delays == [0.5, 1, 2, 60]


def test_a_passing_trouble_that_does_not_pass_fails_the_batch_in_the_end():
    error = NotExecuted("busy", code=50005)
    assert after_send(error, tries=3).then is BatchState.RESEND
    assert not after_send(error, tries=3).settled
    assert set(by_item(after_send(error, tries=3, now=after_seconds(3600)).settled)) == {1, 2, 3}


def test_an_unreachable_remote_system_costs_no_attempts():
    step = after_send(NotExecuted("connection refused"), tries=3, now=after_seconds(10**6))
    assert (step.settled, step.fields["tries"]) == ({}, 2)


@pytest.mark.parametrize("error", MAYBE_EXECUTED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("ask", [after_send, after_reask])
def test_what_may_have_been_executed_is_never_simply_sent_again(error, ask):
    step = ask(error)
    assert step.then in {BatchState.REASK, BatchState.CHECK}
    assert not step.settled


def test_an_unknown_outcome_is_asked_again_with_the_same_uuid_a_few_times():
    step = after_send(OutcomeUnknown("time-out"))
    for asked in range(1, MAX_REASKS + 1):
        assert (step.then, step.fields["reasks"]) == (BatchState.REASK, asked)
        step = after_reask(OutcomeUnknown("time-out"), reasks=asked)
    assert step.then is BatchState.CHECK


@pytest.mark.parametrize("ask", [after_send, after_reask])
def test_a_redirected_write_may_have_been_done_and_pauses_the_lane_with_the_address_to_put_right(ask):
    step = ask(classify(Envelope(None, "no API answer"), 302, write=True))
    assert (step.then, step.fields["stray"], step.settled) == (BatchState.CHECK, 1, {})
    assert REDIRECT_ADVICE in step.pause


# --- a repeat


@pytest.mark.parametrize("ask", [after_send, after_reask])
def test_a_clash_proves_that_the_first_request_arrived_so_the_cells_tell_after_the_grace_time(ask):
    step = ask(IdempotencyClash("repeat", code=10430))
    assert (step.then, step.fields["stray"]) == (BatchState.CHECK, 1)
    assert step.delay == POLICY.grace - 1


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow down", code=10429),
        TokenRejected("expired", code=10022),
        LaneStopped("quota", code=99991403),
        SpaceRefused("wrong space", code=30001),
        BatchRefused("bad", code=20001),
        BatchRefused("an item is bad", code=20014, splittable=True),
        NotExecuted("busy", code=50005),
        NotExecuted("connection refused"),
        *MAYBE_EXECUTED,
    ],
    ids=lambda error: f"{type(error).__name__}-{error.code}",
)
def test_no_answer_to_a_repeat_says_that_the_first_request_did_not_arrive(error):
    for reasks in range(6):
        step = after_reask(error, reasks=reasks)
        assert step.then in {BatchState.REASK, BatchState.CHECK}
        assert not step.settled
        assert not step.split


def test_a_repeat_that_is_refused_for_all_is_not_sent_again_if_the_cells_do_not_show_it():
    for error in (SpaceRefused("wrong space", code=30001), BatchRefused("bad", code=20001)):
        step = after_reask(error)
        assert step.then is BatchState.CHECK
        assert Outcome.from_detail(step.fields["verdict"]).code == str(error.code)
    assert after_reask(SpaceRefused("wrong space", code=30001)).refuse_space.code == "30001"


def test_a_repeat_that_is_refused_for_one_item_does_not_sink_its_neighbours():
    error = BatchRefused("an item is bad", code=20014, splittable=True)
    assert "verdict" not in after_reask(error).fields
    assert "verdict" in after_reask(error, items=(5,)).fields


def test_a_repeat_under_a_renewed_token_would_be_a_second_request():
    step = after_reask(TokenRejected("expired", code=10022))
    assert (step.then, step.renew_token) == (BatchState.CHECK, True)


def test_a_repeat_that_meets_a_passing_trouble_again_and_again_leaves_it_to_the_cells():
    busy = NotExecuted("busy", code=50005)
    assert after_reask(busy, reasks=MAX_REASKS - 1).then is BatchState.REASK
    assert after_reask(busy, reasks=MAX_REASKS).then is BatchState.CHECK
    assert after_reask(NotExecuted("connection refused"), reasks=100).then is BatchState.REASK


def test_the_cells_stay_closed_until_the_grace_time_after_the_last_send_is_over():
    step = after_reask(IdempotencyClash("repeat"), sent=after_seconds(50), now=after_seconds(55))
    assert step.delay == POLICY.grace - 5
