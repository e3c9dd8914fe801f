"""FEISHU_BATCH_VERIFY in real processes: what was accepted and not stored is found, and looking costs no slot."""

from itertools import pairwise

from tests.support.fault_stack import SHORT_SLOT
from tests.support.model import RELATION, SELECT, intent
from tests.support.waiting import PATIENCE, Slowness

STORY = 1001  # no issue: a relation to it is accepted and stored as nothing
COUNT = 20


def test_all_finds_what_was_not_stored_and_slows_nothing_down(stack):
    slowness = Slowness()
    stack.change(verify="all")
    stack.restart("poll")
    traps = [
        intent([1301], {"option_id": "option_0"}, field_key=SELECT),
        intent([1302], "option_0", field_key=SELECT),
        intent([1303], STORY, field_key=RELATION),
    ]
    good = [intent([1310 + number], f"value {number}") for number in range(COUNT)]
    try:
        trapped = stack.client.enqueue_many(traps)
        handles = stack.client.enqueue_many(good)
        assert all(result.ok for result in stack.wait_all(handles))
        for handle in trapped:
            [why] = handle.wait(PATIENCE).failed.values()
            assert why["code"] == "not_stored", why
    finally:
        stack.change(verify="unknown")
        stack.restart("poll")
    report = {one["endpoint"]: one for one in stack.sandbox.report()["endpoints"]}
    moments = report["batch_update"]["accepted"]
    assert len(moments) == len(traps) + COUNT
    gaps = sorted(later - earlier for earlier, later in pairwise(moments))
    assert gaps[len(gaps) // 2] < 1.5 * SHORT_SLOT * slowness()
    assert len(report["work_item_query"]["accepted"]) >= COUNT
    stack.assert_rules_kept()
