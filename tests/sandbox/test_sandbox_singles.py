"""The endpoint for one item as it is used, over HTTP: each thing that the vendor does not document has a switch."""

import concurrent.futures
import contextlib
import time
from collections import Counter

import httpx
import pytest

from sandbox.process import SandboxProcess
from tests.sandbox.test_sandbox_http import PROJECT, body, finished, log_in
from tests.support.waiting import PATIENCE, wait_until

WINDOW = 0.3
NOTE, POINTS, REMARKS, PRIORITY = "field_a1b2c3", "field_3f6a90", "field_0c9d1e", "priority"
RULES = {
    "bad_field": "refuse",
    "window": "sliding",
    "uuid": "rejected",
    "access": "allowed",
    "writes": "fields",
    "limit": 15,
    "seconds": 0.0,
}


@pytest.fixture(scope="module")
def shared():
    with SandboxProcess(window=WINDOW, job_median=0.05, job_sigma=0.1, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared):
    shared.clear_faults()
    shared.set_single_rules(**RULES)
    shared.reset()
    return shared


@pytest.fixture
def api(sandbox):
    with connected(sandbox) as client:
        yield client


@contextlib.contextmanager
def connected(sandbox):
    with httpx.Client(base_url=f"{sandbox.base_url}/open_api", timeout=5) as client:
        log_in(client)
        yield client


def put(api, item=1001, fields=None, *, space=PROJECT, kind="story", **more):
    fields = {NOTE: "hello", POINTS: 5} if fields is None else fields
    rows = [{"field_key": key, "field_value": value} for key, value in fields.items()]
    return api.put(f"/{space}/work_item/{kind}/{item}", json={"update_fields": rows}, **more)


def code(answer):
    return answer.status_code, answer.json()["err_code"]


def singles(sandbox, *, with_items=False):
    return sandbox.report(with_items=with_items)["single_updates"]


def test_an_item_gets_several_fields_before_the_answer(sandbox, api):
    answer = put(api, space="demo", headers={"X-IDEM-UUID": "u-1"})
    assert answer.json() == {"err": {}, "err_code": 0, "err_msg": "", "data": {}}
    assert answer.headers["X-Tt-Logid"]
    assert sandbox.values() == {1001: {NOTE: "hello", POINTS: 5}}
    told = singles(sandbox, with_items=True)
    assert (told["accepted"], told["fields"], told["lost_values"]) == (1, {"2": 1}, [])
    [update] = told["updates"]
    assert (update["item_id"], update["fields"], update["idem"]) == (1001, [NOTE, POINTS], "u-1")
    [endpoint] = [one for one in sandbox.report()["endpoints"] if one["endpoint"] == "update_item"]
    assert (endpoint["requests"], endpoint["limit"], endpoint["window"]) == (1, 15, "sliding")


def test_a_field_may_be_named_by_its_alias_and_null_clears_it(sandbox, api):
    for value in (7, None):
        rows = [{"field_alias": "story_points", "field_value": value}]
        assert code(api.put("/demo/work_item/story/1001", json={"update_fields": rows})) == (200, 0)
        assert sandbox.values() == {1001: {POINTS: value}}


@pytest.mark.parametrize(
    ("asked", "code_of_it"),
    [
        ({"space": "nowhere"}, 1000052062),
        ({"kind": "epic"}, 30014),
        ({"item": 999999}, 30005),
        ({"item": "abc"}, 30005),
        ({"item": 5001}, 30005),
        ({"item": 1013}, 20007),
        ({"item": 1042}, 10001),
        ({"fields": {}}, 20006),
        ({"fields": {POINTS: "five"}}, 20006),
        ({"fields": {PRIORITY: {"value": "option_9"}}}, 20050),
        ({"fields": {PRIORITY: {"value": "option_3"}}}, 20050),
        ({"fields": {"field_nobody": 1}}, 30009),
        ({"fields": {"field_8b9a0c": 1}}, 20090),
        ({"fields": {"field_1e2f3a": None}}, 20029),
    ],
    ids=str,
)
def test_what_is_wrong_has_the_code_of_this_endpoint_and_changes_nothing(sandbox, api, asked, code_of_it):
    answer = put(api, **asked)
    assert (answer.json()["err_code"], answer.status_code >= 400) == (code_of_it, True)
    assert sandbox.values() == {}


def test_a_field_named_twice_and_one_without_its_value_are_refused(sandbox, api):
    twice = [{"field_key": POINTS, "field_value": 1}, {"field_alias": "story_points", "field_value": 2}]
    assert api.put("/demo/work_item/story/1001", json={"update_fields": twice}).json()["err_code"] == 20083
    bare = [{"field_key": POINTS}]
    assert api.put("/demo/work_item/story/1001", json={"update_fields": bare}).json()["err_code"] == 20006


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({PRIORITY: {"option_id": "option_0"}}, {}),
        ({"field_7f8e9d": 1002}, {"field_7f8e9d": None}),
        ({"field_9e8d7c": {"start_time": 1}}, {}),
    ],
    ids=["an option without its value", "a relation to a wrong type", "half of a date range"],
)
def test_some_values_are_dropped_although_the_answer_is_success(sandbox, api, fields, stored):
    assert code(put(api, fields={NOTE: "hello", **fields})) == (200, 0)
    assert sandbox.values() == {1001: {NOTE: "hello", **stored}}


# --- one bad field of several ---------------------------------------------------------------------------------------

ONE_IS_BAD = {NOTE: "first", PRIORITY: {"value": "option_9"}, POINTS: 7}


@pytest.mark.parametrize(
    ("rule", "answered", "held"),
    [
        ("refuse", (400, 20050), {}),
        ("prefix", (400, 20050), {1001: {NOTE: "first"}}),
        ("drop", (200, 0), {1001: {NOTE: "first", POINTS: 7}}),
    ],
)
def test_one_bad_field_of_several_has_a_switch(sandbox, api, rule, answered, held):
    sandbox.set_single_rules(bad_field=rule)
    assert code(put(api, fields=ONE_IS_BAD)) == answered
    assert sandbox.values() == held
    assert code(put(api, fields={PRIORITY: {"value": "option_9"}})) == (400, 20050)


# --- the limit ------------------------------------------------------------------------------------------------------


def at_once(sandbox, count):
    with connected(sandbox) as api, concurrent.futures.ThreadPoolExecutor(count) as pool:
        answers = pool.map(lambda item: put(api, item).status_code, range(1101, 1101 + count))
        return Counter(answers)


@pytest.mark.parametrize("limit", [2, 5, 15])
def test_the_limit_has_a_switch_and_what_exceeds_it_is_counted(sandbox, limit):
    sandbox.set_single_rules(limit=limit)
    start_of_a_window()
    assert at_once(sandbox, 18) == {200: limit, 429: 18 - limit}
    assert len(sandbox.violations()["too_fast"]) == 18 - limit
    assert {one["endpoint"] for one in sandbox.violations()["too_fast"]} == {"update_item"}


def start_of_a_window():
    time.sleep(WINDOW - time.monotonic() % WINDOW + 0.01)


def accepted_pairs(api, gap):
    """Of pairs that are so far apart and start near a window's end, how many second ones were accepted."""
    accepted = 0
    for _ in range(3):
        start_of_a_window()
        time.sleep(WINDOW * 0.8)
        started = time.monotonic()
        assert put(api).status_code == 200
        time.sleep(max(0.0, started + gap - time.monotonic()))
        accepted += put(api).status_code == 200
        time.sleep(WINDOW * 1.1)
    return accepted


@pytest.mark.parametrize(("window", "accepted"), [("sliding", 0), ("fixed", 3)])
def test_a_fixed_window_opens_with_the_next_one(sandbox, api, window, accepted):
    sandbox.set_single_rules(limit=1, window=window)
    assert accepted_pairs(api, WINDOW * 0.6) == accepted


def test_a_smoothing_limiter_wants_equal_distances(sandbox, api):
    sandbox.set_single_rules(limit=3, window="smooth")
    assert [put(api).status_code for _ in range(2)] == [200, 429]
    time.sleep(WINDOW / 3)
    assert put(api).status_code == 200


def test_the_limit_is_independent_of_the_other_endpoints(sandbox, api):
    sandbox.set_single_rules(limit=1)
    assert put(api).status_code == 200
    assert api.post("/work_item/batch_update", json=body()).status_code == 200
    assert api.post(f"/{PROJECT}/work_item/story/query", json={"work_item_ids": [1001]}).status_code == 200
    assert put(api).status_code == 429


# --- lost answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "held"),
    [
        ("drop_before", {}),
        ("drop_after", {1001: {NOTE: "hello", POINTS: 5}}),
        ("error_before", {}),
        ("error_after", {1001: {NOTE: "hello", POINTS: 5}}),
    ],
)
def test_an_answer_can_be_lost_before_and_after_the_effect(sandbox, api, fault, held):
    sandbox.set_faults(f"update_item:{fault}=1x")
    try:
        assert put(api).status_code >= 500
    except httpx.RemoteProtocolError:
        assert fault.startswith("drop")
    assert sandbox.values() == held


def test_a_request_can_be_executed_after_a_later_one(sandbox, api):
    sandbox.set_faults("update_item:error_late=1x,seconds=0.2")
    assert put(api, fields={NOTE: "early"}, headers={"X-IDEM-UUID": "u-1"}).status_code >= 500
    assert code(put(api, fields={NOTE: "later"}, headers={"X-IDEM-UUID": "u-1"})) == (200, 0)
    wait_until(lambda: sandbox.values() == {1001: {NOTE: "early"}}, 10, "the early request is executed")


# --- a repeated UUID ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("treatment", "answered", "held"),
    [("rejected", (429, 10430), "second"), ("replayed", (200, 0), "second"), ("ignored", (200, 0), "first")],
)
def test_a_repeated_uuid_has_a_switch(sandbox, api, treatment, answered, held):
    sandbox.set_single_rules(uuid=treatment)
    repeat = {"fields": {NOTE: "first"}, "headers": {"X-IDEM-UUID": "u-1"}}
    assert code(put(api, **repeat)) == (200, 0)
    assert code(put(api, fields={NOTE: "second"}, headers={"X-IDEM-UUID": "u-2"})) == (200, 0)
    assert code(put(api, **repeat)) == answered
    assert sandbox.values() == {1001: {NOTE: held}}


@pytest.mark.parametrize(("treatment", "jobs"), [("rejected", 1), ("replayed", 1), ("ignored", 2)])
def test_so_has_that_of_a_batch_and_a_uuid_can_be_forgotten(treatment, jobs):
    with SandboxProcess(window=0.01, batch_uuid=treatment, uuid_seconds=0.3) as sandbox, connected(sandbox) as api:
        headers = {"X-IDEM-UUID": "u-1"}
        answers = []
        for pause in (0.02, 0.4, 0.02):
            answers.append(api.post("/work_item/batch_update", json=body(), headers=headers))
            time.sleep(pause)
        assert answers[1].json()["err_code"] == (10430 if treatment == "rejected" else 0)
        assert answers[2].json()["err_code"] == 0
        assert len(sandbox.report()["batches"]) == jobs + 1


# --- reads, rights, the whole item ----------------------------------------------------------------------------------


def test_reads_that_are_behind_do_not_show_a_single_update_yet(sandbox, api):
    sandbox.set_faults("work_item_query:stale_read=1.0,seconds=1")
    put(api)
    assert NOTE not in shown(api)
    wait_until(lambda: shown(api).get(NOTE) == "hello", PATIENCE, "the read shows it")


def row(api):
    asked = {"work_item_ids": [1001], "fields": [NOTE, POINTS, PRIORITY]}
    return api.post(f"/{PROJECT}/work_item/story/query", json=asked).json()["data"][0]


def shown(api):
    return {cell["field_key"]: cell["field_value"] for cell in row(api)["fields"]}


@pytest.mark.parametrize(("access", "status"), [("10301", 403), ("10404", 404), ("404", 404), ("405", 405)])
def test_a_plugin_may_have_the_permission_for_batches_only(sandbox, api, access, status):
    sandbox.set_single_rules(access=access)
    answer = put(api)
    assert answer.status_code == status
    if len(access) > 3:
        assert answer.json()["err_code"] == int(access)
    else:
        assert answer.headers["content-type"].startswith("text/plain")
    assert sandbox.values() == {}
    accepted = api.post("/work_item/batch_update", json=body())
    assert finished(api, accepted.json()["data"]["task_id"])["task_status"] == "SUCCESS"
    assert shown(api)[NOTE] == "hello"


@pytest.mark.parametrize("neighbour", ["a batch", "another single update"])
@pytest.mark.parametrize(("writes", "lost"), [("fields", 0), ("item", 1)])
def test_a_write_of_the_whole_item_loses_what_a_neighbour_wrote_meanwhile(sandbox, api, neighbour, writes, lost):
    sandbox.set_single_rules(writes=writes, seconds=0.4)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(put, api, fields={POINTS: 5})
        time.sleep(0.1)
        if neighbour == "a batch":
            accepted = api.post("/work_item/batch_update", json=body([1001], "theirs"))
            assert finished(api, accepted.json()["data"]["task_id"])["task_status"] == "SUCCESS"
        else:
            sandbox.set_single_rules(writes="fields", seconds=0.0)
            assert code(put(api, fields={NOTE: "theirs"})) == (200, 0)
        assert sandbox.values() == {1001: {NOTE: "theirs"}}
        assert slow.result().json()["err_code"] == 0
    assert sandbox.values() == {1001: {POINTS: 5, NOTE: None if lost else "theirs"}}
    values = [(one["cell"]["field_key"], one["value"]) for one in singles(sandbox)["lost_values"]]
    assert values == [(NOTE, "theirs")] * lost


def test_a_cell_that_a_job_holds_is_overlapped_by_a_single_update(sandbox, api):
    sandbox.set_single_rules(seconds=0.3)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(put, api, fields={NOTE: "mine"})
        time.sleep(0.1)
        accepted = api.post("/work_item/batch_update", json=body([1001, 1002], "theirs"))
        assert slow.result().status_code == accepted.status_code == 200
    [pair] = sandbox.violations()["overlaps"]
    assert (pair["cell"]["item_id"], pair["orders"], pair["first"]) == (1001, [1, 2], "SINGLE-1")


@pytest.mark.parametrize(("same_value", "moves"), [("updates", True), ("nothing", False)])
def test_the_present_value_may_move_the_time_of_the_update(same_value, moves):
    with SandboxProcess(window=0.01, same_value=same_value) as sandbox, connected(sandbox) as api:
        never = row(api)["updated_at"]
        put(api)
        first = row(api)["updated_at"]
        assert abs(first / 1000 - time.time()) < 5
        assert first > never
        time.sleep(0.02)
        put(api)
        assert (row(api)["updated_at"] > first) is moves


@pytest.mark.parametrize(("literals", "answers"), [("null,text,list", [0, 0, 0]), ("null", [0, 20006, 20006])])
def test_the_empty_values_that_clear_a_field_can_be_chosen(literals, answers):
    with SandboxProcess(window=0.01, clears_with=literals) as sandbox, connected(sandbox) as api:
        assert [put(api, fields={NOTE: empty}).json()["err_code"] for empty in (None, "", [])] == answers


@pytest.mark.parametrize(("present", "held"), [("nothing", 1), ("doubles", 2)])
def test_an_append_of_a_present_member_can_double_it(present, held):
    with SandboxProcess(window=0.01, job_median=0.01, append_present=present) as sandbox, connected(sandbox) as api:
        asked = {**body(), "field_key": "tags", "update_mode": "APPEND", "after_field_value": [{"value": "n8d2k5j1h"}]}
        finished(api, api.post("/work_item/batch_update", json=asked).json()["data"]["task_id"])
        assert len(sandbox.values()[1001]["tags"]) == held


def test_a_rule_that_does_not_exist_is_named(sandbox):
    with pytest.raises(ValueError, match="There is no rule 'colour'"):
        sandbox.set_single_rules(colour="red")
    with pytest.raises(ValueError, match="bad_field is one of refuse, prefix, drop"):
        sandbox.set_single_rules(bad_field="explode")
