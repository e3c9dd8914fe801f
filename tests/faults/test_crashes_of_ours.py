"""Intents that break our own code, or end the process that works on them, fail with the reason; nobody else notices."""

import pytest

from tests.support.model import TEXT, intent
from tests.support.waiting import PATIENCE

ITEMS = [1301, 1302]


@pytest.mark.parametrize("note", ["crash intake", "kill intake"])
def test_an_intent_that_cannot_be_recorded_fails_after_a_bounded_number_of_attempts(stack, note):
    before, bad, after = stack.client.enqueue_many(
        [intent([1303], "before"), intent(ITEMS, note=note), intent([1303], "after")]
    )
    stack.supervise_until(lambda: after.view().result, 30, "what came after it has ended")
    assert after.wait(1).ok
    assert before.wait(PATIENCE).state == "succeeded"
    result = bad.wait(PATIENCE)
    assert (result.state, set(result.failed)) == ("failed", {str(item) for item in ITEMS})
    assert "failed 3 times" in result.failed["1301"]["reason"]
    with pytest.raises(Exception, match="2 of 2 work items"):
        bad.async_result.get(timeout=PATIENCE)
    assert stack.sandbox.values()[1303][TEXT] == "after"


@pytest.mark.parametrize("value", ["crash submit", "kill submit"])
def test_a_batch_that_breaks_its_sender_ends_and_lets_the_others_pass(stack, value):
    bad, good = stack.client.enqueue_many([intent(ITEMS, value), intent([1304], "good")])
    stack.supervise_until(lambda: good.view().result, 30, "the other intent has ended")
    stack.supervise_until(lambda: bad.view().result, 40, "the bad intent has ended")
    assert good.wait(1).ok
    [why] = {tuple(why.items()) for why in bad.wait(1).failed.values()}
    assert dict(why)["code"] == "outcome_unknown"
    assert ("ZeroDivisionError" if value == "crash submit" else "workers ended") in dict(why)["reason"]


def test_a_read_back_that_breaks_proves_nothing_and_ends(stack):
    stack.sandbox.set_faults("batch_update:void_job=1x")
    [bad] = stack.client.enqueue_many([intent(ITEMS, "crash read-back")])
    [good] = stack.client.enqueue_many([intent([1305], "good")])
    assert good.wait(PATIENCE).ok
    assert bad.wait(PATIENCE).failed["1301"]["code"] == "outcome_unknown"
