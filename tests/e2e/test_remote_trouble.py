"""The remote system misbehaves, refuses or stops us: every intent ends, and the rest goes on."""

import json
import time
from pathlib import Path

import pytest

import sandbox
from tests.e2e.stand_in import StandIn
from tests.support.model import OTHER_PROJECT, PROJECT, Model, intent, random_intents
from tests.support.stack import WORKERS, Stack
from tests.support.waiting import PATIENCE, wait_until
from worker.ledger.reads.lane_health import read_lane_health

FAULTS = (
    "batch_update:drop_before=0.06",
    "batch_update:drop_after=0.06",
    "batch_update:hang_after=0.03,seconds=1.5",
    "error_before=0.04",
    "error_after=0.04",
    "garbage_before=0.02",
    "garbage_after=0.03",
    "token_loss=0.02",
    "spurious_429=0.05",
    "try_later=0.05",
    "task_result:not_exist=0.1",
    "omit_item=0.06",
    "lose_job=0.05",
    "void_job=0.04",
)


def test_under_every_kind_of_fault_all_intents_end_and_all_cells_are_right(stack):
    stack.sandbox.set_faults(*FAULTS)
    intents = random_intents("faults", 12, list(range(1101, 1121)))
    handles = stack.client.enqueue_many(intents)

    def all_have_ended():
        stack.lane.resume()  # two fresh tokens lost in a row look like wrong credentials, and rightly pause the lane
        return all(handle.view().state.is_final for handle in handles)

    wait_until(all_have_ended, 70, "every intent has ended")
    results = stack.wait_all(handles, 1)
    stack.sandbox.clear_faults()
    model = Model()
    for result, one in zip(results, intents, strict=True):
        assert sum(result.counts.values()) == len(one.work_item_ids)
        # A REPLACE that found nothing to replace leaves no trace by which a lost answer could be made up for.
        assert not result.failed or one.update_mode == "REPLACE", result.failed
        model.apply(one)
    stack.wait_until_idle()
    model.assert_matches(stack.sandbox.values())
    stack.assert_rules_kept()
    assert len(stack.sandbox.report()["faults"]) >= 5


@pytest.mark.parametrize("fault", ["batch_update:drop_after=1x", "batch_update:error_after=2x"])
def test_an_answer_that_was_lost_does_not_double_the_request(stack, fault):
    stack.sandbox.set_faults(fault)
    [handle] = stack.client.enqueue_many([intent([1121, 1122], "first")])
    wait_until(stack.batches, 30, "the request arrived")
    [later] = stack.client.enqueue_many([intent([1121], "later")])
    assert handle.wait(PATIENCE).counts == {"succeeded": 2, "failed": 0}
    assert later.wait(PATIENCE).ok
    [cell] = stack.sandbox.cells(item=1121)
    assert [touch["value"] for touch in cell["history"]] == ["first", "later"]


@pytest.mark.parametrize("answer", ["status=504,code=50007", "status=502,code=10429", "status=503"])
def test_what_a_gateway_says_was_not_executed_and_is_carried_out_late_ends_under_the_newer_value(stack, answer):
    late = 0.7 * stack.settings.grace_seconds
    stack.sandbox.set_faults(f"batch_update:error_late=1x,{answer},seconds={late}")
    stack.client.enqueue_many([intent([1129], "older")])
    wait_until(lambda: stack.sandbox.report()["faults"], 30, "the request arrived")
    [newer] = stack.client.enqueue_many([intent([1129], "newer")])
    assert newer.wait(PATIENCE).ok
    stack.wait_until_idle()
    time.sleep(late)
    [cell] = stack.sandbox.cells(item=1129)
    values = [touch["value"] for touch in cell["history"]]
    assert (values.count("older"), values[-1]) == (2, "newer")


def troubles(stack):
    return read_lane_health(stack.redis, stack.lane.keys).last_errors


def test_without_a_token_nothing_spins(stack):
    stack.client.enqueue_many([intent([1123])])[0].wait(PATIENCE)  # there is a token now
    stack.sandbox.set_faults("token_loss=1x", "plugin_token:error_before=1.0")
    [handle] = stack.client.enqueue_many([intent([1124])])
    time.sleep(2)
    tries = stack.sandbox.report()["faults"].get("plugin_token:error_before", 0)
    assert 1 <= tries <= 30
    told = {trouble.what: trouble.error for trouble, _age in troubles(stack)}  # other work wants a token, too
    assert "HTTP 50" in told["submit"]
    stack.sandbox.clear_faults()
    assert handle.wait(PATIENCE).ok
    wait_until(stack.lane.last_errors.none, 30, lambda: f"the note of the trouble is gone: {troubles(stack)}")


def test_a_space_that_is_refused_fails_its_own_intents_only(stack):
    unknown = "0123456789abcdef01234567"
    refused, wrong_type, other, good = stack.client.enqueue_many(
        [
            intent([1125], project_key=unknown),
            intent([1128], work_item_type_key="epic"),
            intent([9001], project_key=OTHER_PROJECT),
            intent([1125]),
        ]
    )
    assert refused.wait(PATIENCE).failed["1125"]["code"] == "1000052062"
    # By intake, if it may look the type up just now, else by the remote system.
    assert wrong_type.wait(PATIENCE).failed["1128"]["code"] in {"unknown_type", "30014"}
    assert other.wait(PATIENCE).ok
    assert good.wait(PATIENCE).ok
    [again] = stack.client.enqueue_many([intent([1126], project_key=unknown)])
    result = again.wait(PATIENCE)
    assert "Project Key Is Wrong" in result.failed["1126"]["reason"]


def test_a_request_that_is_refused_for_its_value_fails_its_intent_only(stack):
    bad, good = stack.client.enqueue_many(
        [intent([1127], {"value": "no such option"}, "priority"), intent([1127], {"value": "option_0"}, "priority")]
    )
    results = [bad.wait(PATIENCE), good.wait(PATIENCE)]
    assert results[1].ok
    assert results[0].counts.get("superseded") or results[0].failed["1127"]["code"] == "unknown_option"


def test_one_bad_item_is_found_by_halving_and_its_49_neighbours_go_through(tmp_path):
    with StandIn(bad_item=1033) as remote, Stack(tmp_path, base_url=remote.url) as stack:
        [handle] = stack.client.enqueue_many([intent(range(1001, 1051))])
        result = handle.wait(PATIENCE)
    assert result.counts == {"succeeded": 49, "failed": 1}
    assert result.failed["1033"]["code"] == "20014"
    assert len(remote.batches) <= 13
    accepted = [item for batch in remote.batches if 1033 not in batch for item in batch]
    assert sorted(accepted) == [item for item in range(1001, 1051) if item != 1033]


def test_a_lane_that_is_stopped_keeps_its_intents_says_what_to_do_and_continues_when_fixed(tmp_path):
    world = json.loads((Path(sandbox.__file__).parent / "worlds" / "demo.json").read_text())
    world["plugins"] = {"plugin": {"secret": "right", "lacks_permission": True}, "granted": "right"}
    (tmp_path / "world.json").write_text(json.dumps(world))
    with Stack(tmp_path, sandbox={"world": tmp_path / "world.json"}, plugin_secret="wrong") as stack:
        handles = stack.client.enqueue_many([intent([item]) for item in (1001, 1002)])
        paused = wait_until(stack.lane.paused, 30, "the lane pauses")
        assert "check the plugin id and the plugin secret" in paused["reason"]

        stack.kill("submit", "poll")
        stack.change(plugin_secret="right")
        stack.start("submit", "poll")
        stack.lane.resume()
        paused = wait_until(stack.lane.paused, 30, "the lane pauses again")
        assert "Grant the plugin 'work item instances'" in paused["reason"]
        time.sleep(0.5)
        assert {handle.state for handle in handles} == {"open"}
        assert stack.batches() == []

        stack.kill(*WORKERS)  # a lane's workers have one plugin
        stack.change(plugin_id="granted")
        stack.start()
        stack.lane.resume()
        assert all(result.ok for result in stack.wait_all(handles))
        stack.assert_rules_kept()
        assert {batch["project_key"] for batch in stack.batches()} == {PROJECT}
