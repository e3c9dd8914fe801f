"""The rules of the remote API, without HTTP: the time is an argument."""

import json

import pytest

from sandbox import errors, reads, report, writes
from sandbox.core import LoggedCall, Sandbox, SandboxSettings
from sandbox.errors import ApiError
from sandbox.faults import FaultError, FaultRule, parse_rule
from sandbox.limits import Limiter
from sandbox.world import Plugin, World, load_world

PROJECT = "5f0c1a2b3c4d5e6f70818283"
LATER = 1000.0


def a_sandbox(*faults, **settings):
    return Sandbox(load_world(), SandboxSettings(faults=faults, **settings))


def call(body=None, at=0.0, *, token="p-1", idem="", query=None, path=None):
    headers = {"x-plugin-token": token, "x-user-key": "7300000000000000001", "x-idem-uuid": idem}
    return LoggedCall(at, headers, path or {}, query or {}, json.dumps(body).encode(), "plugin")


def update(ids, field="field_3f6a90", value=5, mode="UPDATE", **more):
    return {
        "project_key": PROJECT,
        "work_item_ids": ids,
        "work_item_type_key": "story",
        "update_mode": mode,
        "field_key": field,
        "after_field_value": value,
        **more,
    }


def submit(sandbox, body, at=0.0, **more):
    return writes.batch_update(sandbox, call(body, at, **more))["task_id"]


def result(sandbox, task_id, at=LATER):
    sandbox.agenda.advance(at)
    return writes.task_result(sandbox, call(at=at, query={"task_id": task_id}))


def present(sandbox, item, field):
    project = sandbox.world.projects[PROJECT]
    return sandbox.present(project, project.item(item), field)


def refusal(sandbox, body):
    with pytest.raises(ApiError) as caught:
        submit(sandbox, body)
    return caught.value.reason


def test_a_job_changes_its_items_and_names_those_that_refuse():
    sandbox = a_sandbox()
    told = result(sandbox, submit(sandbox, update([1001, 1013, 1042, 999999])))
    assert told["task_status"] == "SUCCESS"
    assert told["success_sub_task_list"] == ["1001"]
    assert sorted(told["fail_sub_task_list"]) == ["1013", "1042", "999999"]
    assert told["error_scenes"] == ["NoPermissionToModify", "WorkItemNotFound", "WorkItemTerminated"]
    assert (told["total"], told["success_total"], told["error_total"]) == (4, 1, 3)
    assert present(sandbox, 1001, "field_3f6a90") == 5


def test_a_job_of_which_nothing_works_has_failed():
    sandbox = a_sandbox()
    assert result(sandbox, submit(sandbox, update([1013])))["task_status"] == "FAILED"


def test_an_item_of_another_type_is_not_found():
    sandbox = a_sandbox()
    assert result(sandbox, submit(sandbox, update([5001])))["error_scenes"] == ["WorkItemNotFound"]


def test_a_job_idles_runs_and_ends():
    sandbox = a_sandbox()
    task_id = submit(sandbox, update([1001, 1002, 1003]))
    course = sandbox.jobs.jobs[task_id].course
    assert result(sandbox, task_id, at=0.0)["task_status"] == "IDLE"
    halfway = result(sandbox, task_id, at=course.landings[0][0])
    assert halfway["task_status"] == "RUNNING"
    assert halfway["success_total"] == 1
    assert result(sandbox, task_id, at=course.ends_at)["task_status"] == "SUCCESS"


def test_a_job_that_nobody_started_does_not_exist():
    assert result(a_sandbox(), "nonsense")["task_status"] == "NOT_EXIST"


def test_jobs_may_finish_out_of_order():
    sandbox = a_sandbox(job_sigma=1.5)
    ends = [sandbox.jobs.jobs[submit(sandbox, update([1001 + n]), at=n)].course.ends_at for n in range(20)]
    assert ends != sorted(ends)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"project_key": "demo"}, errors.PROJECT_KEY_WRONG),
        ({"work_item_ids": []}, errors.INVALID_PARAM),
        ({"work_item_ids": ["1001"]}, errors.INVALID_PARAM),
        ({"work_item_ids": [True]}, errors.INVALID_PARAM),
        ({"work_item_ids": [1001.0]}, errors.INVALID_PARAM),
        ({"work_item_ids": list(range(1001, 1052))}, errors.TOO_MANY_ITEMS),
        ({"work_item_type_key": "epic"}, errors.TYPE_NOT_FOUND),
        ({"update_mode": "MERGE"}, errors.INVALID_PARAM),
        ({"update_mode": "APPEND"}, errors.FIELD_NOT_WRITABLE),
        ({"field_key": ["field_3f6a90"]}, errors.INVALID_PARAM),
        ({"field_key": "field_nobody"}, errors.FIELD_NOT_FOUND),
        ({"field_key": "field_8b9a0c"}, errors.FIELD_NOT_WRITABLE),
        ({"field_key": "field_1e2f3a"}, errors.FIELD_NOT_WRITABLE),
        ({"after_field_value": "five"}, errors.INVALID_PARAM),
        ({"field_key": "priority", "after_field_value": {"value": "option_9"}}, errors.OPTION_UNKNOWN),
        ({"field_key": "priority", "update_mode": "REPLACE", "after_field_value": None}, errors.INVALID_PARAM),
    ],
)
def test_a_bad_request_is_refused_as_a_whole(changed, reason):
    sandbox = a_sandbox()
    assert refusal(sandbox, {**update([1001]), **changed}) == reason
    assert not sandbox.jobs.jobs


def test_the_target_value_must_be_there_even_to_clear():
    body = update([1001])
    del body["after_field_value"]
    assert refusal(a_sandbox(), body) == errors.INVALID_PARAM


def test_a_disabled_option_fails_item_by_item():
    sandbox = a_sandbox()
    told = result(sandbox, submit(sandbox, update([1001], "priority", {"value": "option_3"})))
    assert told["error_scenes"] == ["OptionDisabled"]


def test_an_option_of_the_wrong_shape_succeeds_and_stores_nothing():
    sandbox = a_sandbox()
    told = result(sandbox, submit(sandbox, update([1001], "priority", {"option_id": "option_0"})))
    assert told["success_sub_task_list"] == ["1001"]
    assert present(sandbox, 1001, "priority") == {"value": "option_2"}


def test_a_relation_to_an_item_of_the_wrong_type_succeeds_and_stores_null():
    sandbox = a_sandbox()
    told = result(sandbox, submit(sandbox, update([1001], "field_7f8e9d", 1002)))
    assert told["success_total"] == 1
    assert present(sandbox, 1001, "field_7f8e9d") is None
    result(sandbox, submit(sandbox, update([1001], "field_7f8e9d", 5001)), at=LATER)
    assert present(sandbox, 1001, "field_7f8e9d") == 5001


def test_a_replace_that_does_not_match_succeeds_and_the_history_says_so():
    sandbox = a_sandbox()
    body = update([1001], "priority", {"value": "option_1"}, "REPLACE", before_field_value={"value": "option_0"})
    assert result(sandbox, submit(sandbox, body))["success_total"] == 1
    [cell] = sandbox.cells.matching(PROJECT, 1001, "priority")
    assert cell["history"][0]["applied"] is False
    assert present(sandbox, 1001, "priority") == {"value": "option_2"}


def test_an_idempotency_key_clashes_within_a_token_only():
    sandbox = a_sandbox()
    submit(sandbox, update([1001]), idem="u")
    with pytest.raises(ApiError) as caught:
        submit(sandbox, update([1001]), idem="u")
    assert caught.value.reason == errors.IDEMPOTENCY_CLASH
    submit(sandbox, update([1001]), idem="u", token="p-2")
    assert len(sandbox.jobs.jobs) == 2


def test_a_refused_request_does_not_use_up_its_idempotency_key():
    sandbox = a_sandbox()
    with pytest.raises(ApiError):
        submit(sandbox, update(["1001"]), idem="u")
    submit(sandbox, update([1001]), idem="u")


def test_open_jobs_that_share_a_cell_are_a_violation():
    sandbox = a_sandbox()
    submit(sandbox, update([1001, 1002], value=1))
    submit(sandbox, update([1002, 1003], value=2))
    submit(sandbox, update([1002], "description", "another field"))
    told = report.violations(sandbox)
    [pair] = told["overlaps"]
    assert pair["orders"] == [1, 2]
    assert pair["cell"]["item_id"] == 1002
    assert told["total"] == 1


def test_jobs_one_after_the_other_are_no_violation():
    sandbox = a_sandbox()
    submit(sandbox, update([1001], value=1))
    submit(sandbox, update([1001], value=2), at=LATER)
    assert report.violations(sandbox)["total"] == 0


def test_the_same_change_twice_is_listed_but_not_counted():
    sandbox = a_sandbox()
    submit(sandbox, update([1001]))
    submit(sandbox, update([1001]))
    told = report.violations(sandbox)
    assert len(told["repeats"]) == 1
    assert told["total"] == 0


def test_too_many_items_and_too_early_requests_are_violations():
    sandbox = a_sandbox()
    sandbox.limiter.admit("batch_update", "plugin", 0.0)
    sandbox.limiter.admit("batch_update", "plugin", 0.75)
    refusal(sandbox, update(list(range(1001, 1052))))
    told = report.violations(sandbox)
    assert told["too_fast"] == [{"endpoint": "batch_update", "plugin": "plugin", "at": 0.75, "gap": 0.75}]
    assert told["too_many_items"] == [{"arrived_at": 0.0, "n_items": 51}]


@pytest.mark.parametrize("name", ["lose_job", "void_job"])
def test_a_job_can_be_lost_with_and_without_effect(name):
    sandbox = a_sandbox(FaultRule(name, count=1))
    assert result(sandbox, submit(sandbox, update([1001])))["task_status"] == "NOT_EXIST"
    assert present(sandbox, 1001, "field_3f6a90") == (5 if name == "lose_job" else None)


def test_a_job_can_run_for_ever_with_half_of_its_items():
    sandbox = a_sandbox(FaultRule("endless_job", count=1))
    told = result(sandbox, submit(sandbox, update([1001, 1002, 1003, 1004])))
    assert told["task_status"] == "RUNNING"
    assert told["success_total"] == 2


def test_an_item_can_end_in_neither_list():
    sandbox = a_sandbox(FaultRule("omit_item", count=1))
    told = result(sandbox, submit(sandbox, update([1001, 1002, 1003])))
    assert told["task_status"] == "SUCCESS"
    assert told["total"] == 3
    assert len(told["success_sub_task_list"]) == 2


def test_one_poll_can_miss_a_job_that_is_there():
    sandbox = a_sandbox(FaultRule("not_exist", count=1))
    task_id = submit(sandbox, update([1001]))
    assert [result(sandbox, task_id)["task_status"] for _ in range(2)] == ["NOT_EXIST", "SUCCESS"]


def test_a_token_ends_with_its_time():
    sandbox = a_sandbox(expire_time=60)
    token, lifetime = sandbox.tokens.issue("plugin", "secret", 0, now=0.0)
    assert lifetime == 60
    sandbox.tokens.check(token, 59.9)
    with pytest.raises(ApiError) as caught:
        sandbox.tokens.check(token, 60)
    assert caught.value.reason == errors.TOKEN_CHECK_FAILED
    assert sandbox.tokens.owner(token) == "plugin"


def test_a_listed_plugin_needs_its_secret_and_its_permission():
    demo = load_world()
    world = World(demo.projects, demo.users, {"good": Plugin("s"), "poor": Plugin("s", lacks_permission=True)})
    tokens = Sandbox(world, SandboxSettings()).tokens
    for plugin_id, secret in [("good", "wrong"), ("stranger", "s")]:
        with pytest.raises(ApiError) as caught:
            tokens.issue(plugin_id, secret, 0, 0.0)
        assert caught.value.reason == errors.PLUGIN_SECRET_WRONG
    with pytest.raises(ApiError) as caught:
        tokens.check(tokens.issue("poor", "s", 0, 0.0)[0], 0.0)
    assert caught.value.reason == errors.NO_PERMISSION


def test_a_query_shows_values_with_labels_and_leaves_out_what_is_missing():
    sandbox = a_sandbox()
    result(sandbox, submit(sandbox, update([1001], "field_3f6a90", None)))
    asked = {"work_item_ids": [1001, 999999], "fields": ["priority", "field_3f6a90", "field_a1b2c3"]}
    [told] = reads.query_items(sandbox, call(asked, path={"project_key": "demo", "type_key": "story"}))
    shown = {f["field_key"]: f["field_value"] for f in told["fields"]}
    assert shown == {"priority": {"value": "option_2", "label": "P2"}, "field_3f6a90": None}


def test_a_query_can_leave_out_what_was_cleared():
    sandbox = a_sandbox(leaves_out_empty_fields=True)
    result(sandbox, submit(sandbox, update([1001], "field_3f6a90", None)))
    asked = {"work_item_ids": [1001], "fields": ["priority", "field_3f6a90"]}
    [told] = reads.query_items(sandbox, call(asked, path={"project_key": "demo", "type_key": "story"}))
    assert [f["field_key"] for f in told["fields"]] == ["priority"]


def test_a_query_for_missing_items_can_fail_as_a_whole():
    sandbox = a_sandbox(missing_items_fail_query=True)
    asked = {"work_item_ids": [1001, 999999]}
    with pytest.raises(ApiError) as caught:
        reads.query_items(sandbox, call(asked, path={"project_key": PROJECT, "type_key": "story"}))
    assert caught.value.reason == errors.ITEM_NOT_FOUND


def test_forgetting_keeps_the_world_and_clears_everything_else():
    sandbox = a_sandbox()
    result(sandbox, submit(sandbox, update([1001]), idem="u"))
    sandbox.forget()
    assert sandbox.cells.matching(None, None, None) == []
    assert present(sandbox, 1001, "field_3f6a90") is None
    assert isinstance(sandbox.limiter, Limiter)
    submit(sandbox, update([1001]), idem="u")


# --- what a query shows ---------------------------------------------------------------------------------------------


def shown(sandbox, item=1001, at=LATER, fields=("field_3f6a90", "priority")):
    asked = call(
        {"work_item_ids": [item], "fields": list(fields)}, at, path={"project_key": "demo", "type_key": "story"}
    )
    [found] = reads.query_items(sandbox, asked)
    return {cell["field_key"]: cell["field_value"] for cell in found["fields"]}


P2 = {"value": "option_2", "label": "P2"}


def test_a_field_that_never_had_a_value_is_left_out_or_null():
    assert shown(a_sandbox()) == {"priority": P2}
    assert shown(a_sandbox(shows_unset_fields=True)) == {"priority": P2, "field_3f6a90": None}


def test_a_read_may_lag_behind_the_writes():
    sandbox = a_sandbox(FaultRule("stale_read", probability=1.0, seconds=5))
    submit(sandbox, update([1001]))
    sandbox.agenda.advance(LATER)
    [done] = [touch.at for touches in sandbox.cells.history.values() for touch in touches]
    assert "field_3f6a90" not in shown(sandbox, at=done + 4.9)
    assert shown(sandbox, at=done + 5.1)["field_3f6a90"] == 5


def test_a_field_may_be_hidden_from_the_user():
    assert shown(a_sandbox(FaultRule("hide_field", probability=1.0, field="priority"), shows_unset_fields=True)) == {
        "field_3f6a90": None
    }
    assert shown(a_sandbox(FaultRule("hide_field", count=1))) == {}


def test_only_what_hides_a_field_names_one():
    with pytest.raises(FaultError, match="hide_field"):
        parse_rule("stale_read=1.0,field=priority")
    assert parse_rule("hide_field=1.0,field=priority").field == "priority"


def page_of(sandbox, view="kPxLwq7Hg", **query):
    return reads.fix_view(sandbox, call(path={"project_key": "demo", "view_id": view}, query=query))


def test_a_view_is_read_page_by_page():
    sandbox = a_sandbox()
    first, second = page_of(sandbox), page_of(sandbox, page_num="2")
    assert [len(page["work_item_id_list"]) for page in (first, second)] == [200, 50]
    assert second["pagination"] == {"page_num": 2, "page_size": 200, "total": 250}
    assert page_of(sandbox, page_num="3")["work_item_id_list"] == []
    assert page_of(sandbox, "tR4sWn2Zd")["name"] == "Open issues"
    for view, query in (("nosuch", {}), ("kPxLwq7Hg", {"page_size": "201"}), ("kPxLwq7Hg", {"page_num": "0"})):
        with pytest.raises(ApiError):
            page_of(sandbox, view, **query)
