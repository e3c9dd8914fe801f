import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.pipeline.blame import USER_CODES
from worker.remote.codes import DEFAULT_TABLE, ErrorClass, classify, error_table
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

UNREADABLE = Envelope(None, "no API answer")
LANE_CODES = [10204, 10301, 10302, 10404, 10023, 20039, 20042, 30006, 1000051743, 1000051942, 99991403]
BATCH_CODES = [9999, 20001, 20003, 20005, 20006, 20025, 20028, 20029, 20033, 20044, 20050, 20053, 20060, 20070, 30009]


def refusal(code, text="no", *, status=200, write=True, inner="", table=DEFAULT_TABLE):
    return classify(Envelope(code, text, inner_message=inner), status, write=write, table=table)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([10429, 99991400], RateLimited),
        ([10430], IdempotencyClash),
        ([10021, 10022, 10211], TokenRejected),
        (LANE_CODES, LaneStopped),
        ([1000052062, 1000052063, 30001, 30014, 30016], SpaceRefused),
        ([*BATCH_CODES, 20014, 30005, 10001, 20007, 20090, 424242, 30019], BatchRefused),
        ([50005, 50007], NotExecuted),
        ([50006], OutcomeUnknown),
    ],
)
def test_a_code_asks_for_its_policy_on_a_write(codes, kind):
    assert {type(refusal(code)) for code in codes} == {kind}


def test_a_clash_is_no_rate_limit_although_it_comes_with_http_429():
    assert type(refusal(10430, status=429)) is IdempotencyClash


@pytest.mark.parametrize("code", [20014, 30005, 10001, 20007, 20090, 424242, -1])
def test_what_may_be_one_items_fault_is_splittable(code):
    assert refusal(code).splittable


@pytest.mark.parametrize("code", [*BATCH_CODES, 30019])
def test_a_plainly_bad_request_is_not_splittable(code):
    assert not refusal(code).splittable


@pytest.mark.parametrize("code", LANE_CODES)
def test_every_stopped_lane_says_what_to_do_in_one_sentence(code):
    advice = refusal(code).advice
    assert advice.endswith("resume the lane.")
    if code in USER_CODES:
        assert "FEISHU_BATCH_USER_KEY" in advice
        assert "restart `up`" in advice
    assert advice.count(".") == 1


@pytest.mark.parametrize(
    ("outer", "inner", "kind"),
    [
        ("openapi system err, Please try again later", "", NotExecuted),
        ("RPC Call Error", "fail to Read/Write DB", OutcomeUnknown),
        ("ErrOAPIBatchUpdateOverLimit", "", BatchRefused),
        ("openapi system err", "ErrOAPIBatchUpdateOverLimit", BatchRefused),
        ("RPC Call Error", "", OutcomeUnknown),
        ("No right to edit", "", BatchRefused),
        ("RPC Call Error", "no right to edit field_x", BatchRefused),
        ("WorkItemValue limit exceeded", "", BatchRefused),
        ("WorkItemValue limit exceeded, please try again later", "", BatchRefused),
    ],
)
def test_the_overloaded_code_is_distinguished_by_both_texts(outer, inner, kind):
    assert type(refusal(50006, outer, inner=inner)) is kind


def test_a_read_never_has_an_unknown_outcome():
    assert type(refusal(50006, write=False)) is NotExecuted
    assert type(refusal(30019, write=False)) is NotExecuted
    assert type(classify(UNREADABLE, 502, write=False)) is NotExecuted


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, OutcomeUnknown), (404, OutcomeUnknown), (502, OutcomeUnknown), (429, RateLimited), (302, OutcomeUnknown)],
)
def test_an_unreadable_answer_to_a_write_is_judged_by_its_status(status, kind):
    assert type(classify(UNREADABLE, status, write=True)) is kind


def test_an_unheard_code_is_judged_by_its_status():
    assert type(refusal(424242, status=500)) is OutcomeUnknown
    assert type(refusal(424242, status=429)) is RateLimited
    assert type(refusal(424242, status=403)) is BatchRefused


def test_the_body_outranks_the_status_of_the_apis_own_answers():
    assert classify(Envelope(0, ""), 404, write=False) is None
    assert type(refusal(20006, status=404)) is BatchRefused
    assert type(refusal(20006, status=500, write=False)) is BatchRefused


def test_a_setting_replaces_a_row():
    table = error_table({10301: "space", 50006: "transient", 777: "lane"})
    assert type(refusal(10301, table=table)) is SpaceRefused
    assert type(refusal(50006, "anything", table=table)) is NotExecuted
    assert refusal(777, table=table).advice
    assert type(refusal(10301)) is LaneStopped


def test_a_wrong_class_name_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="use one of rate_limit, clash"):
        error_table({1: "nonsense"})


def test_outcome_unknown_is_no_kind_of_not_executed():
    assert not issubclass(OutcomeUnknown, NotExecuted)
    assert OutcomeUnknown.__bases__ == (RemoteError,)


@settings(deadline=None)
@given(st.none() | st.integers(), st.integers(100, 599), st.booleans(), st.sampled_from(ErrorClass))
def test_every_answer_is_success_or_exactly_one_policy(code, status, write, kind):
    table = error_table({} if code is None else {code: kind})
    error = classify(Envelope(code, "text"), status, write=write, table=table)
    assert code == 0 or error is not None
    assert write or not isinstance(error, OutcomeUnknown)
