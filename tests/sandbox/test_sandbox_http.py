"""The sandbox as it is used: a process of its own, over HTTP."""

import signal
import subprocess
import sys
import time

import httpx
import pytest

from sandbox.app import ENDPOINTS
from sandbox.faults import NAMES
from sandbox.process import SandboxProcess
from tests.support.waiting import PATIENCE

PROJECT = "5f0c1a2b3c4d5e6f70818283"
WINDOW = 0.05


@pytest.fixture(scope="module")
def shared():
    with SandboxProcess(window=WINDOW, job_median=0.05, job_sigma=0.1, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared):
    shared.clear_faults()
    shared.reset()
    return shared


@pytest.fixture
def api(sandbox):
    with httpx.Client(base_url=f"{sandbox.base_url}/open_api", timeout=5) as client:
        log_in(client)
        yield client


def log_in(client, plugin="plugin"):
    asked = {"plugin_id": plugin, "plugin_secret": "secret", "type": 0}
    told = client.post("/authen/plugin_token", json=asked).json()
    assert told["error"] == {"code": 0, "msg": "success"}
    client.headers["X-PLUGIN-TOKEN"] = told["data"]["token"]
    client.headers["X-USER-KEY"] = "7300000000000000001"


def body(ids=(1001,), value="hello"):
    return {
        "project_key": PROJECT,
        "work_item_ids": list(ids),
        "work_item_type_key": "story",
        "update_mode": "UPDATE",
        "field_key": "field_a1b2c3",
        "after_field_value": value,
    }


def submit(api, **more):
    return api.post("/work_item/batch_update", json=body(), **more)


def finished(api, task_id):
    while True:
        time.sleep(WINDOW * 1.2)
        told = api.get("/task_result", params={"task_id": task_id}).json()["data"]
        if told["task_status"] not in ("IDLE", "RUNNING"):
            return told


def test_a_change_goes_in_and_comes_back(sandbox, api):
    answer = api.post("/work_item/batch_update", json=body([1001, 1002, 1013]), headers={"X-IDEM-UUID": "u-1"})
    assert answer.headers["X-Tt-Logid"]
    assert answer.json()["err_code"] == 0
    task_id = answer.json()["data"]["task_id"]
    told = finished(api, task_id)
    assert sorted(told["success_sub_task_list"]) == ["1001", "1002"]
    assert told["error_scenes"] == ["WorkItemTerminated"]
    assert sandbox.values() == {1001: {"field_a1b2c3": "hello"}, 1002: {"field_a1b2c3": "hello"}}
    [batch] = sandbox.report()["batches"]
    assert (batch["task_id"], batch["n_items"], batch["idem"]) == (task_id, 3, "u-1")
    assert batch["finished_at"] > batch["arrived_at"]
    assert sandbox.cells(PROJECT, 1013)[0]["history"][0]["reason"] == "WorkItemTerminated"
    assert sandbox.violations()["total"] == 0


def test_the_limits_hold_even_with_another_token():
    with SandboxProcess(window=60) as sandbox, httpx.Client(base_url=f"{sandbox.base_url}/open_api") as api:
        log_in(api)
        first_token = api.headers["X-PLUGIN-TOKEN"]
        log_in(api)
        assert submit(api).status_code == 200
        rejected = submit(api, headers={"X-PLUGIN-TOKEN": first_token})
        assert (rejected.status_code, rejected.json()["err_code"]) == (429, 10429)
        reads = [api.get("/demo/work_item/all-types").status_code for _ in range(16)]
        assert reads == [200] * 15 + [429]
        seen = {e["endpoint"]: e for e in sandbox.report()["endpoints"]}
        assert [len(seen["batch_update"][key]) for key in ("arrivals", "accepted", "rejected")] == [2, 1, 1]
        assert len(sandbox.violations()["too_fast"]) == 2


def test_a_request_after_the_window_is_accepted(sandbox, api):
    submit(api)
    time.sleep(WINDOW)
    assert submit(api).status_code == 200
    seen = next(e for e in sandbox.report()["endpoints"] if e["endpoint"] == "batch_update")
    assert seen["minimal_gap"] >= WINDOW


def test_a_used_idempotency_key_is_429_with_a_code_of_its_own(sandbox, api):
    submit(api, headers={"X-IDEM-UUID": "same"})
    time.sleep(WINDOW)
    clash = submit(api, headers={"X-IDEM-UUID": "same"})
    assert (clash.status_code, clash.json()["err_code"]) == (429, 10430)
    assert len(sandbox.report()["batches"]) == 1


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("X-PLUGIN-TOKEN", "p-nobody", 10021),
        ("X-PLUGIN-TOKEN", "", 10021),
        ("X-USER-KEY", "", 10211),
        ("X-USER-KEY", "7300000000000000777", 10023),
        ("X-USER-KEY", "7300000000000000009", 10302),
    ],
)
def test_every_call_needs_its_headers(api, header, value, code):
    assert submit(api, headers={header: value}).json()["err_code"] == code


def test_a_lost_token_is_renewed_by_logging_in(sandbox, api):
    sandbox.set_faults("token_loss=1x")
    assert submit(api).json()["err_code"] == 10022
    log_in(api)
    time.sleep(WINDOW)
    assert submit(api).json()["err_code"] == 0


@pytest.mark.parametrize(("fault", "batches"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_can_be_cut_before_and_after_the_effect(sandbox, api, fault, batches):
    sandbox.set_faults(f"batch_update:{fault}=1x")
    with pytest.raises(httpx.RemoteProtocolError):
        submit(api)
    assert len(sandbox.report()["batches"]) == batches
    assert sandbox.report()["faults"] == {f"batch_update:{fault}": 1}
    time.sleep(WINDOW)
    assert submit(api).status_code == 200


def test_an_answer_can_hang(sandbox, api):
    sandbox.set_faults({"name": "hang_after", "count": 1, "seconds": 0.2})
    before = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        submit(api)
    assert time.monotonic() - before >= 0.2


def test_gateway_errors_garbage_and_false_limits_can_be_ordered(sandbox, api):
    sandbox.set_faults({"name": "error_after", "count": 1, "status": 503})
    assert submit(api).status_code == 503
    time.sleep(WINDOW)
    sandbox.set_faults("garbage_before=1x")
    with pytest.raises(ValueError):
        submit(api).json()
    time.sleep(WINDOW)
    sandbox.set_faults("spurious_429=1x", "try_later=1x")
    assert submit(api).json()["err_code"] == 10429
    later = submit(api)
    assert (later.status_code, later.json()["err_msg"]) == (400, "please try again later")
    assert len(sandbox.report()["batches"]) == 1
    assert sandbox.violations()["total"] == 0


def test_an_unknown_fault_is_explained(sandbox):
    with pytest.raises(ValueError, match="There is no fault 'nonsense'"):
        sandbox.set_faults("nonsense=1x")


def test_the_reading_endpoints_tell_the_world(api):
    fields = api.post("/demo/field/all", json={"work_item_type_key": "story"}).json()["data"]
    told = {f["field_key"]: f for f in fields}
    assert told["field_8b9a0c"]["value_generate_mode"] == "Calculate"
    assert told["field_1e2f3a"]["is_obsoleted"] is True
    form = {f["field_key"]: f for f in api.get(f"/{PROJECT}/work_item/story/meta").json()["data"]}
    assert "field_c3d2e1" not in form
    assert form["field_7f8e9d"]["work_item_relation"] == {"work_item_type_key": "issue"}
    types = api.get("/demo/work_item/all-types").json()["data"]
    assert [t["type_key"] for t in types] == ["story", "issue"]
    people = api.post("/user/query", json={"emails": ["lilei@example.com"]}).json()["data"]
    assert people[0]["user_key"] == "7300000000000000002"
    projects = api.post("/projects/detail", json={"simple_names": ["demo"]}).json()["data"]
    assert list(projects) == [PROJECT]


def test_an_unknown_path_is_answered_in_the_envelope(api):
    answer = api.get("/nothing/here")
    assert (answer.status_code, answer.json()["err_code"]) == (404, 10404)


def test_the_front_page_says_what_this_is(sandbox):
    assert "simulator" in sandbox.about()["about"]


def test_latency_is_added_before_the_limit_and_after_it():
    with SandboxProcess(latency=(0.1, 0.1), job_median=0) as sandbox, httpx.Client(timeout=5) as client:
        client.base_url = f"{sandbox.base_url}/open_api"
        before = time.monotonic()
        log_in(client)
        assert time.monotonic() - before >= 0.2
        [seen] = sandbox.report()["endpoints"]
        assert seen["accepted"][0] - before >= 0.1


def test_it_ends_quietly_and_at_once_on_a_signal_even_while_an_answer_hangs():
    command = [sys.executable, "-m", "sandbox", "--fault", "hang_before=1x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    base_url = process.stdout.readline().split()[-1]
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{base_url}/open_api/authen/plugin_token", json={}, timeout=0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_named(sandbox):
    port = sandbox.base_url.rpartition(":")[2]
    command = [sys.executable, "-m", "sandbox", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_it_ends_when_its_parent_has_gone():
    program = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'sandbox', '--exit-with-parent'], stdout=subprocess.PIPE, text=True)\n"
        "print(p.stdout.readline(), flush=True)\n"
    )
    base_url = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx.get(base_url, timeout=1)
        except httpx.TransportError:
            return
        time.sleep(0.05)
    pytest.fail("the sandbox outlived its parent")


def test_help_lists_every_fault_with_its_syntax_and_every_endpoint():
    shown = subprocess.run([sys.executable, "-m", "sandbox", "--help"], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in shown.stdout for name in NAMES)
    assert all(option in shown.stdout for option in (",code=", ",status=", ",seconds=", ",skip="))
    assert all(endpoint.name in shown.stdout for endpoint in ENDPOINTS)


def test_a_fault_at_an_endpoint_that_does_not_exist_is_refused():
    command = [sys.executable, "-m", "sandbox", "--fault", "batch_updat:drop_after=1x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2
    assert "There is no endpoint 'batch_updat'; there are: plugin_token, batch_update" in done.stderr


def test_the_people_are_reported_by_name_and_address(sandbox):
    people = {one["user_key"]: one for one in sandbox.about()["users"]}
    assert people["7300000000000000002"]["name_cn"] == "李雷"
    assert people["7300000000000000002"]["email"] == "lilei@example.com"


def test_a_person_edits_a_cell(sandbox, api):
    sandbox.edit(2101, "field_3f6a90", 7)
    sandbox.edit(2101, "priority", {"value": "option_1", "label": "P1"}, project="demo")
    sandbox.edit(2102, "priority", None)
    assert sandbox.values() == {
        2101: {"field_3f6a90": 7, "priority": {"value": "option_1"}},
        2102: {"priority": None},
    }
    [points] = sandbox.cells(item=2101, field="field_3f6a90")
    assert [(touch["value"], touch["task_id"], touch["applied"]) for touch in points["history"]] == [
        (7, "a person", True)
    ]
    shown = api.post(f"/{PROJECT}/work_item/story/query", json={"work_item_ids": [2101], "fields": ["field_3f6a90"]})
    assert shown.json()["data"][0]["fields"][0]["field_value"] == 7


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"item": 1}, "no work item"),
        ({"item": "2101"}, "no work item"),
        ({"field": "fancy"}, "no field"),
        ({"value": "seven"}, "field_3f6a90"),
        ({"field": "priority", "value": {"value": "option_9"}}, "no such option"),
        ({"project": "nowhere"}, "no space"),
    ],
    ids=str,
)
def test_an_edit_that_no_person_could_make_changes_nothing(sandbox, wrong, why):
    with pytest.raises(ValueError, match=why):
        sandbox.edit(**{"item": 2101, "field": "field_3f6a90", "value": 7, **wrong})
    assert sandbox.values() == {}
