"""The decision after a read-back of the cells."""

import pytest

from tests.decisions.factory import after_seconds, by_item, make_batch, make_policy
from worker.decisions import FOLLOW_UP_FIELDS, after_read_back, after_read_back_failed
from worker.ledger.records import BatchState, Outcome
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, RateLimited, SpaceRefused, TokenRejected

POLICY = make_policy()
EARLY, OVER = after_seconds(30), after_seconds(81)  # 81 s: the time to read back and the grace time are over
NOT_SERVED = NotExecuted("the answer is not an API answer", http_status=404)
VERDICT = Outcome.failed("20001", "bad").detail()


def look(shown, **batch):
    made = make_batch(**{"stray": 1, "now": EARLY, **batch})
    return after_read_back(made, made.by_cell(shown), POLICY)


def failed_look(error, **batch):
    return after_read_back_failed(make_batch(**{"stray": 1, "now": EARLY, **batch}), error, POLICY)


def codes(step):
    return {item: outcome.code for item, outcome in by_item(step.settled).items()}


def test_a_cell_that_shows_the_change_has_it():
    step = look({1: True, 2: False, 3: None})
    assert (codes(step), step.then) == ({1: None}, BatchState.CHECK)


def test_an_early_look_that_shows_the_old_value_proves_nothing():
    step = look({}, looks=3)
    assert (step.then, step.fields["looks"], step.delay) == (BatchState.CHECK, 4, 4)


def test_what_never_shows_is_sent_as_a_new_batch_that_starts_afresh():
    step = look({1: True}, now=OVER, reasks=3, task="job-1")
    assert (step.then, codes(step)) == (BatchState.RESEND, {1: None})
    assert set(step.fields) == set(FOLLOW_UP_FIELDS)
    assert set(step.fields.values()) == {""}


def test_nothing_of_unknown_outcome_is_sent_again_within_the_grace_time():
    for seconds in range(80):
        assert look({}, now=after_seconds(seconds)).then is BatchState.CHECK
    impatient = make_policy(read_back=0)
    batch = make_batch(stray=1, now=after_seconds(19.9))
    assert after_read_back(batch, {}, impatient).then is BatchState.CHECK


def test_what_never_shows_after_all_attempts_has_failed():
    assert set(codes(look({}, now=OVER, tries=3)).values()) == {"outcome_unknown"}


def test_what_never_shows_and_was_refused_has_failed_for_that_reason():
    assert codes(look({2: True}, now=OVER, verdict=VERDICT)) == {1: "20001", 2: None, 3: "20001"}


# --- verifying what a job reported


def verify(shown, **batch):
    return look(shown, **{"stray": "", "verifying": 1, "unproven": "3", **batch})


def test_what_a_job_reported_and_no_comparison_contradicts_has_succeeded():
    assert codes(verify({1: True, 2: None, 3: None})) == {1: None, 2: None}


def test_what_a_job_reported_but_the_item_never_shows_was_not_stored():
    assert codes(verify({1: False, 2: True}, now=after_seconds(61))) == {1: "not_stored", 2: None}
    assert verify({1: False, 2: True}, now=after_seconds(61)).then is BatchState.RESEND  # of the unproven third


def test_an_item_that_is_gone_contradicts_the_report():
    assert codes(verify({2: True}, now=after_seconds(61)))[1] == "not_stored"


# --- when it goes wrong


@pytest.mark.parametrize("error", [BatchRefused("may not read", code=20001), SpaceRefused("wrong", code=30001)])
def test_a_refused_read_back_contradicts_no_report(error):
    step = failed_look(error, stray="", verifying=1, unproven="3", now=after_seconds(61))
    assert codes(step) == {1: None, 2: None}
    assert step.then is BatchState.RESEND


def test_a_refused_read_back_proves_nothing():
    step = failed_look(BatchRefused("may not read", code=20001))
    assert (step.then, step.settled) == (BatchState.CHECK, {})
    assert failed_look(BatchRefused("may not read", code=20001), now=OVER).then is BatchState.RESEND


def test_a_stopped_lane_keeps_the_question():
    step = failed_look(LaneStopped("quota", code=99991403), now=OVER)
    assert (step.then, step.settled) == (BatchState.CHECK, {})
    assert step.pause


def test_a_rejected_token_is_renewed_once_and_costs_no_attempt():
    step = failed_look(TokenRejected("expired", code=10022))
    assert (step.then, step.renew_token) == (BatchState.CHECK, True)
    assert "tries" not in step.fields
    assert look({}, token_rejections=1).fields["token_rejections"] == 0


def test_a_failing_read_back_backs_off_and_an_outage_is_waited_out():
    assert [failed_look(NotExecuted("busy", code=50005), read_failures=n).delay for n in (0, 1)] == [0.5, 1]
    late = after_seconds(10**5)
    assert failed_look(NotExecuted("no route"), now=late).then is BatchState.CHECK
    assert failed_look(NotExecuted("bad gateway", http_status=502), now=late).then is BatchState.CHECK
    assert failed_look(NotExecuted("busy", code=50005), now=late).then is BatchState.RESEND


def test_a_read_back_that_is_not_served_proves_nothing_and_is_not_waited_for_while_other_calls_work():
    """As a deployment has it that does not offer this endpoint; or a gateway that is wrong for everything, which is waited out."""
    batch = make_batch(stray=1, now=OVER)
    assert after_read_back_failed(batch, NOT_SERVED, POLICY, others_work=True).then is BatchState.RESEND
    assert after_read_back_failed(batch, NOT_SERVED, POLICY).then is BatchState.CHECK
    assert failed_look(NOT_SERVED, now=after_seconds(10**5)).then is BatchState.RESEND
    early = make_batch(stray=1, now=EARLY)
    assert after_read_back_failed(early, NOT_SERVED, POLICY, others_work=True).then is BatchState.CHECK


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_gateway_that_asks_for_patience_is_no_server_without_the_call(status):
    """At the last attempt, the change would fail although the next look may prove it."""
    busy = RateLimited("the answer is not an API answer", http_status=status)
    last = make_batch(stray=1, now=OVER, tries=POLICY.max_attempts)
    assert after_read_back_failed(last, busy, POLICY, others_work=True).then is BatchState.CHECK
    assert failed_look(busy, now=after_seconds(10**5)).then is BatchState.CHECK
