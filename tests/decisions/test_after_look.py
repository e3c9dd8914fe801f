"""What follows from a look before a request: a condition that was not checked is never taken as true."""

from dataclasses import replace

import pytest

from feishu_batch.explained import FailureCode
from tests.decisions.factory import SPEC, make_batch, make_policy
from worker.decisions.after_look import MOST_FAILURES, after_failed_look, not_seen, seen
from worker.ledger.fields import BatchField
from worker.ledger.records import BatchState
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, OutcomeUnknown, RateLimited, TokenRejected
from worker.remote.models import WorkItem

TEXT = {"field_a": "text"}


def of(value, item=1):
    return {item: WorkItem(item, {"field_a": value}, TEXT)}


def conditional(expected="old", **fields):
    made = make_batch()
    return replace(made, spec=replace(SPEC, expected=[expected]), fields={**made.fields, **fields})


def codes(cells):
    return {outcome.code for outcome in cells.failed.values()}


def test_an_item_that_the_answer_does_not_show_is_not_written_on_a_condition():
    one = conditional()
    assert set(seen(one, {}).failed) == set(one.cells)
    assert codes(seen(one, {})) == {FailureCode.CONDITION_UNKNOWN}
    assert seen(replace(one, spec=replace(SPEC, keep_before=True)), {}).failed == {}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"field_a": "old"}, None),
        ({"field_a": "other"}, FailureCode.CHANGED_MEANWHILE),
        ({}, FailureCode.CONDITION_UNKNOWN),
    ],
)
def test_a_condition_holds_only_if_it_is_proven(found, code):
    one = conditional()
    items = {item: WorkItem(item, found, TEXT) for item in one.items}
    assert codes(seen(one, items)) == ({code} if code else set())


def test_a_cell_that_an_earlier_request_may_have_written_is_not_called_changed():
    one = conditional()
    items = {item: WorkItem(item, {"field_a": "x"}, TEXT) for item in one.items}
    told = seen(one, items, one.cells[:1]).failed
    assert told[one.cells[0]].code == FailureCode.OUTCOME_UNKNOWN
    assert {told[cell].code for cell in one.cells[1:]} == {FailureCode.CHANGED_MEANWHILE}


def test_trouble_of_the_lane_pauses_it_and_fails_nothing():
    step = after_failed_look(conditional(), LaneStopped("the quota is used up", code=1000051942), make_policy())
    assert (step.then, step.settled, bool(step.pause)) == (BatchState.RESEND, {}, True)
    rejected = after_failed_look(conditional(), TokenRejected("no"), make_policy())
    assert (rejected.then, rejected.settled, rejected.renew_token) == (BatchState.RESEND, {}, True)


@pytest.mark.parametrize("error", [LaneStopped("no right", code=10301), BatchRefused("no", code=20006)])
def test_what_cannot_be_read_fails_the_condition_and_nothing_else(error):
    assert after_failed_look(conditional(), error, make_policy()) is None
    assert codes(not_seen(conditional(), "why")) == {FailureCode.CONDITION_UNKNOWN}
    assert not_seen(make_batch(), "why").failed == {}


@pytest.mark.parametrize("error", [RateLimited("slow", retry_after=7), NotExecuted("503"), OutcomeUnknown("timeout")])
def test_passing_trouble_is_waited_for_a_few_times(error):
    one = conditional()
    step = after_failed_look(one, error, make_policy())
    assert (step.then, step.settled, step.fields[BatchField.LOOK_FAILURES]) == (BatchState.RESEND, {}, 1)
    assert step.delay >= (error.retry_after or 0)
    tired = conditional(**{BatchField.LOOK_FAILURES: str(MOST_FAILURES - 1)})
    assert after_failed_look(tired, error, make_policy()) is None
