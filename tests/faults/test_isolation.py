"""One bad item, intent, user or space spoils nobody else's work; what concerns the lane pauses it and loses nothing."""

from tests.support.fault_stack import CLOSED, STRANGER, USER
from tests.support.model import OTHER_PROJECT, intent
from tests.support.stack import WORKERS
from tests.support.waiting import PATIENCE, wait_until

NEIGHBOURS = range(1201, 1211)


def enqueue(stack, *intents):
    return stack.client.enqueue_many(intents)


def refusals(stack, code):
    return stack.answers().get(f"batch_update:{code}", 0)


def failed(handle, timeout=PATIENCE):
    """{item: reason} of an intent that ends with failures."""
    return {int(item): why for item, why in handle.wait(timeout).failed.items()}


# --- one item ------------------------------------------------------------------------------------------------------


def test_the_item_for_which_a_batch_is_refused_is_found_and_its_neighbours_go_through(stack):
    bad, other = enqueue(stack, intent([*range(1300, 1349), 1510]), intent(range(1100, 1140), "other"))
    result = bad.wait(PATIENCE)
    assert result.counts == {"succeeded": 49, "failed": 1}
    assert failed(bad)[1510]["code"] == "20014"
    assert "Refused As Asked For" in failed(bad)[1510]["reason"]
    assert other.wait(PATIENCE).ok
    assert refusals(stack, 20014) <= 7  # 50, 25, 13, 7, 4, 2, 1: what a binary search takes
    stack.assert_rules_kept()


def test_two_bad_items_side_by_side_are_both_found(stack):
    [handle] = enqueue(stack, intent(range(1505, 1535)))
    assert sorted(failed(handle)) == [1510, 1520, 1530, 1531]
    assert handle.wait(1).counts["succeeded"] == 26


# --- one intent ----------------------------------------------------------------------------------------------------


REFUSED = {
    "30009": {"field_key": "field_nowhere"},
    "20050": {"field_key": "tags", "value": [{"value": "no-such-option"}]},
    "20006": {"field_key": "field_3f6a90", "value": "no number"},
    "1000052062": {"project_key": "0" * 24},
    "30014": {"work_item_type_key": "sprint"},
    "10302": {"user_key": STRANGER, "field_key": "owner", "value": USER},
}


def test_what_is_refused_of_an_intent_fails_that_intent_only_with_the_words_of_the_remote(stack):
    bad = enqueue(stack, *(intent([1211, 1212], **change) for change in REFUSED.values()))
    [good] = enqueue(stack, intent(NEIGHBOURS, "good"))
    for handle, code in zip(bad, REFUSED, strict=True):
        reasons = failed(handle)
        assert {why["code"] for why in reasons.values()} == {code}
        assert len(reasons) == 2
    assert good.wait(PATIENCE).ok
    assert stack.lane.paused() is None


def test_a_user_that_an_intent_names_and_that_has_left_is_reported_and_does_not_stop_the_lane(stack):
    stack.change(backoff_max_seconds=30)  # for as long a refusal is remembered, however late the next batch is composed
    stack.restart("submit")
    others = [intent([item], f"as {item}", user_key=STRANGER) for item in range(1401, 1405)]
    stack.lane.pause("until all of them are recorded", polling=True)
    bad = enqueue(stack, *others)
    wait_until(lambda: stack.inbox.length() == 0, PATIENCE, "the intents are recorded")
    stack.lane.resume()
    [reason] = {why["reason"] for handle in bad for why in failed(handle).values()}
    assert STRANGER in reason
    assert "Give an active user" in reason
    assert "resume" not in reason
    assert refusals(stack, 10302) == 1  # the others fail without a request of their own
    assert enqueue(stack, intent([1401]))[0].wait(PATIENCE).ok


# --- one space -----------------------------------------------------------------------------------------------------


def test_a_space_without_access_fails_its_intents_once_the_lane_was_accepted_elsewhere(stack):
    closed, good, other = enqueue(
        stack, intent(NEIGHBOURS, project_key=CLOSED), intent(NEIGHBOURS), intent([9001], project_key=OTHER_PROJECT)
    )
    assert good.wait(PATIENCE).ok
    assert other.wait(PATIENCE).ok
    [reason] = {why["reason"] for why in failed(closed).values()}
    assert CLOSED in reason
    assert USER in reason
    assert stack.lane.paused() is None


def test_a_lane_with_nothing_else_to_do_fails_such_a_space_by_itself_and_continues(stack):
    assert enqueue(stack, intent([1001]))[0].wait(PATIENCE).ok
    [closed] = enqueue(stack, intent([1001], project_key=CLOSED))
    [why] = failed(closed).values()
    assert (why["code"], CLOSED in why["reason"]) == ("10404", True)
    assert refusals(stack, 10404) == 5
    assert stack.lane.paused() is None
    assert enqueue(stack, intent(NEIGHBOURS))[0].wait(PATIENCE).ok


def test_a_lane_that_was_never_accepted_fails_a_space_that_it_does_not_see(stack):
    stack.redis.delete(stack.lane.keys.named("accepted"))
    [closed] = enqueue(stack, intent([1001], project_key=CLOSED))
    assert failed(closed)[1001]["code"] == "10404"
    assert stack.lane.paused() is None


# --- the lane ------------------------------------------------------------------------------------------------------


def paused_with_work(stack, handle):
    """What `status` says once the lane is paused, while the intent is kept."""
    wait_until(stack.lane.paused, 30, "the lane is paused")
    assert handle.view().state == "open"
    return stack.status()["paused"]["reason"]


def test_a_spent_quota_pauses_the_lane_and_resume_continues(stack):
    stack.sandbox.set_faults("batch_update:refuse=1x,code=99991403")
    [handle] = enqueue(stack, intent(NEIGHBOURS))
    assert "quota" in paused_with_work(stack, handle)
    assert stack.answers()["batch_update:99991403"] == 1
    stack.lane.resume()
    assert handle.wait(PATIENCE).ok


RIGHT = {"plugin_id": "plugin", "plugin_secret": "secret", "user_key": USER}
WRONG = [
    ({"plugin_secret": "mistyped"}, "check the plugin id and the plugin secret"),
    ({"plugin_id": "powerless"}, "work item instances"),
    ({"user_key": STRANGER}, "The acting user has left the company"),
]


def test_a_lane_without_rights_pauses_keeps_everything_and_continues_when_they_are_given(stack):
    stack.kill(*WORKERS)  # all, because a lane's workers have one plugin
    handles = enqueue(stack, intent(NEIGHBOURS), intent([9001], project_key=OTHER_PROJECT))
    for wrong, words in WRONG:
        stack.change(**{**RIGHT, **wrong})
        stack.start()
        assert words in paused_with_work(stack, handles[0])
        stack.kill(*WORKERS)
        stack.lane.resume()
    stack.change(**RIGHT)
    stack.start()
    assert all(result.ok for result in stack.wait_all(handles))
