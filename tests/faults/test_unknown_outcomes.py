"""Every way in which the outcome of a request can be unknown, from the request to the result, on a scripted remote system."""

import threading
import time
from itertools import pairwise

import pytest

from sandbox.process import SandboxProcess
from tests.support.model import intent
from tests.support.pipeline import SHORT, Pipeline
from tests.support.scripted_remote import DROP, StandIn, accepted, items, job, ok, refused
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
GRACE = SHORT["grace_seconds"]
CLASH = refused(10430, "API Request Idempotent Limit")
OLD, NEW = items({1: "old"}), items({1: "new"})


@pytest.fixture(autouse=True)
def _short_jobs(monkeypatch):
    monkeypatch.setattr("worker.decisions.polling.FIRST_GUESS", 0.05)


@pytest.fixture
def remote():
    with StandIn() as remote:
        remote.says("batch_update", accepted("job-1"))
        remote.says("task_result", job("SUCCESS", [1], []))
        remote.says("query", NEW)
        yield remote


@pytest.fixture
def pipeline(remote, redis_url, prefix):
    return Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url)


def run(pipeline, ids=(1,), value="new"):
    [handle] = pipeline.client.enqueue_many([intent(list(ids), value)])
    return pipeline.finish(handle)[0]


def uuids(remote):
    return [one.headers["x-idem-uuid"] for one in remote.requests("batch_update")]


def first_read_after_last_submit(remote):
    return remote.requests("query")[0].at - remote.requests("batch_update")[-1].at


# --- an answer that was lost ---------------------------------------------------------------------------------------


def test_a_clash_proves_that_the_first_request_arrived_and_the_cell_tells_the_rest(remote, pipeline):
    remote.says("batch_update", DROP, CLASH)
    first, second = pipeline.client.enqueue_many(
        [intent([1], "new", keep_every_change=True), intent([1], "later", keep_every_change=True)]
    )
    [result] = pipeline.finish(first)
    assert result.ok
    assert len(set(uuids(remote))) == 1
    assert len(uuids(remote)) == 2
    assert first_read_after_last_submit(remote) >= GRACE - 0.05
    assert {one.body["after_field_value"] for one in remote.requests("batch_update")} == {"new"}  # the cell was closed
    remote.says("batch_update", accepted("job-2"))
    assert pipeline.finish(second)[0].ok


def test_a_repeat_that_is_accepted_is_followed_and_the_cell_stays_closed_for_a_stray_first_job(remote, pipeline):
    remote.says("batch_update", DROP, accepted("job-of-the-repeat"))
    assert run(pipeline).ok
    assert remote.requests("task_result")[0].body == {"task_id": ["job-of-the-repeat"]}
    assert first_read_after_last_submit(remote) >= GRACE - 0.05


@pytest.mark.parametrize("answer", [b"<html>502</html>", b"{", b'{"err_code": 0, "data": {}}'])
def test_an_answer_that_cannot_be_read_is_no_answer(remote, pipeline, answer):
    remote.says("batch_update", (502 if b"html" in answer else 200, answer), CLASH)
    assert run(pipeline).ok
    assert len(set(uuids(remote))) == 1


NOT_EXECUTED = {
    "504, busy": (504, 50007, "busy"),
    "503, busy": (503, 50005, "busy"),
    "502, no token": (502, 10022, "Check Token Failed"),
    "504, too fast": (504, 10429, "API Request Frequency Limit"),
    "500, later": (500, 50006, "please try again later"),
    "200, database": (200, 50006, "fail to read/write db"),
    "400, database": (400, 50006, "RPC Call Error, read/write DB"),
    "408, bad request": (408, 20006, "Invalid Param"),
    "499, no access": (499, 10301, "Check Token Perm Failed"),
    "502, no such space": (502, 1000052062, "Project Key Is Wrong"),
    "307, no body": (307, None, ""),
    "303, busy": (303, 50007, "busy"),
}


@pytest.mark.parametrize("repeat", ["is new", "clashes"])
@pytest.mark.parametrize("answer", NOT_EXECUTED.values(), ids=NOT_EXECUTED)
def test_a_write_that_is_carried_out_late_never_ends_over_a_newer_value(remote, pipeline, answer, repeat):
    status, code, message = answer
    body = b"" if code is None else {"err": {"code": code, "msg": message}, "err_code": code, "err_msg": message}
    written = []
    late = threading.Timer(0.6 * GRACE, lambda: written.append("old"))
    later = []

    def first(body_):
        assert body_["after_field_value"] == "old"
        later.extend(pipeline.client.enqueue_many([intent([1], "new")]))
        late.start()
        remote.says("batch_update", CLASH if repeat == "clashes" else write)
        return status, body

    def write(body_):
        if not late.is_alive() or body_["after_field_value"] == "old":
            remote.says("batch_update", write)
        written.append(body_["after_field_value"])
        return accepted("job")

    def shown(_):
        remote.says("batch_update", write)
        return items({1: written[-1] if written else "before"})

    remote.says("batch_update", first)
    remote.says("query", shown)
    [older] = pipeline.client.enqueue_many([intent([1], "old")])
    deadline = time.monotonic() + PATIENCE
    while not later or later[0].result() is None:
        assert time.monotonic() < deadline, (later and later[0].view(), written)
        pipeline.turn()
        if pipeline.lane.lane.paused():
            assert status < 400  # redirected: somebody has to look
            pipeline.lane.lane.resume()
    late.join()
    assert later[0].result().ok
    assert older.result() is not None
    assert written[-1] == "new"


def test_a_token_that_is_refused_in_between_makes_a_repeat_worthless(remote, pipeline):
    remote.says("batch_update", DROP, refused(10021, "Token Not Exist"))
    assert run(pipeline).ok
    assert len(uuids(remote)) == 2
    assert len(remote.requests("plugin_token")) == 2


def test_after_a_renewed_token_the_cell_is_asked_and_not_the_remote(remote, pipeline):
    remote.says("batch_update", lambda _: _forget_token(pipeline))
    assert run(pipeline).ok
    assert len(uuids(remote)) == 1
    assert first_read_after_last_submit(remote) >= GRACE - 0.05


def _forget_token(pipeline):
    redis = pipeline.runtime.redis
    redis.delete(*redis.keys(f"{pipeline.lane.lane.prefix}token*"))
    return DROP


# --- what the cell shows -------------------------------------------------------------------------------------------


def test_a_change_that_shows_only_later_is_not_sent_again(remote, pipeline):
    remote.says("batch_update", DROP, CLASH)
    remote.says("query", OLD, OLD, OLD, NEW)
    assert run(pipeline).ok
    assert len(uuids(remote)) == 2
    assert len(remote.requests("query")) == 4


@pytest.mark.parametrize("shown", [OLD, items({1: "somebody's edit"}), items({})])
def test_a_change_that_never_shows_is_sent_again_as_a_new_request(remote, pipeline, shown):
    remote.says("batch_update", DROP, CLASH, accepted("job-2"))
    remote.says("query", shown)
    assert run(pipeline).ok
    first, repeat, fresh = uuids(remote)
    assert first == repeat != fresh


def test_a_change_that_never_shows_however_often_it_is_sent_ends_as_unknown(remote, pipeline):
    remote.says("batch_update", DROP)
    remote.says("query", OLD)
    result = run(pipeline)
    assert result.failed["1"]["code"] == "outcome_unknown"
    assert "sent 2 times" in result.failed["1"]["reason"]
    assert [len(set(uuids(remote))), len(uuids(remote))] == [2, 2 * 4]
    moments = [one.at for one in remote.requests("batch_update")]
    assert min(later - earlier for earlier, later in pairwise(moments)) >= SHORT["slot_seconds"]


def test_a_refusal_of_the_repeat_is_the_answer_if_the_cell_never_shows_the_change(remote, pipeline):
    remote.says("batch_update", DROP, refused(20050, "Field Option Is Not Found"))
    remote.says("query", OLD)
    assert run(pipeline).failed["1"]["code"] == "20050"


def test_a_read_back_that_is_refused_proves_nothing(remote, pipeline):
    remote.says("batch_update", DROP, CLASH)
    remote.says("query", refused(20006, "Invalid Param"))
    assert run(pipeline).failed["1"]["code"] == "outcome_unknown"


def test_a_user_who_is_refused_when_the_cell_is_read_back_does_not_stop_the_lane(remote, pipeline):
    remote.says("batch_update", DROP, CLASH, refused(10302, "Check User Error"))
    remote.says("query", refused(10302, "Check User Error"))
    [handle] = pipeline.client.enqueue_many([intent([1], "new", user_key="7300000000000000009")])
    assert pipeline.finish(handle)[0].failed["1"]["code"] == "10302"
    assert pipeline.lane.lane.paused() is None


# --- jobs ----------------------------------------------------------------------------------------------------------


def test_a_job_that_is_not_known_for_a_while_is_looked_for_again(remote, pipeline):
    remote.says("task_result", job("NOT_EXIST"), job("NOT_EXIST"), job("SUCCESS", [1], []))
    assert run(pipeline).ok
    assert len(uuids(remote)) == 1
    assert not remote.requests("query")


@pytest.mark.parametrize(
    "answer",
    [
        *(job(word) for word in ("NOT_EXIST", "not_exist", "RUNNING", "A_WORD_THAT_NOBODY_KNOWS", "")),
        *(refused(20006), refused(10429), (502, b"gateway")),
        *((200, b"<html>"), (200, b""), (404, b"no such page"), (429, b"slow down"), (500, b"oops")),
        *(ok(None), ok([]), ok({}), ok("done"), ok({"task_id": "of another batch", "task_status": "SUCCESS"})),
        {"error": {"code": 0, "msg": "success"}, "data": {"token": "p-9"}},
        {"code": 0, "message": "ok"},
    ],
    ids=str,
)
def test_a_job_that_is_never_known_or_never_ends_is_given_up_and_the_cell_tells(remote, pipeline, answer):
    remote.says("task_result", answer)
    if isinstance(answer, tuple) and answer[0] == 502:
        remote.says("task_result", *[answer] * 5, job("SUCCESS", [1], []))  # a gateway in trouble is waited for
    assert run(pipeline).ok
    assert len(uuids(remote)) == 1


CONTRADICTIONS = [
    job("FAILED", [], [], success_total=2, error_total=0, total=2),
    job("SUCCESS", [1, 2], [], success_total=0, error_total=2),
    job("FAILED", [], [101, 102], error_total=2),
    job("SUCCESS", [1, 2, 3], []),
    job("SUCCESS", [1, 1], [], success_total=2),
]


@pytest.mark.parametrize("answer", CONTRADICTIONS, ids=str)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_job_whose_answer_contradicts_itself_proves_nothing_and_the_cells_tell(remote, pipeline, answer, is_there):
    remote.says("task_result", answer)
    remote.says("query", items(dict.fromkeys((1, 2), "new" if is_there else "old")))
    result = run(pipeline, [1, 2])
    assert result.counts == ({"succeeded": 2, "failed": 0} if is_there else {"succeeded": 0, "failed": 2})
    assert remote.requests("query")


@pytest.mark.parametrize(
    "answer",
    [
        job("SUCCESS", [1, 2], [], success_total=2, error_total=0, total=2),
        job("success", [1, 2], [], success_total="2", error_total="0", total="2"),
        job("Success", [1, 2]),
        job("SUCCESS", success_total=2),
    ],
    ids=str,
)
def test_a_job_whose_answer_agrees_costs_no_look_at_its_items(remote, pipeline, answer):
    remote.says("task_result", answer)
    assert run(pipeline, [1, 2]).ok
    assert not remote.requests("query")
    assert len(remote.requests("task_result")) == 1


def test_a_job_that_vanished_without_a_trace_is_replaced(remote, pipeline):
    remote.says("batch_update", accepted("lost"), accepted("found"))
    remote.says(
        "task_result", lambda body: job("SUCCESS", [1], []) if body["task_id"] == ["found"] else job("NOT_EXIST")
    )
    remote.says("query", OLD)
    assert run(pipeline).ok
    assert len(set(uuids(remote))) == 2


def test_items_in_neither_list_are_read_back_and_only_what_does_not_show_is_sent_again(remote, pipeline):
    remote.says("batch_update", accepted("first"), accepted("second"))
    remote.says(
        "task_result",
        lambda body: job("SUCCESS", [3], []) if body["task_id"] == ["second"] else job("SUCCESS", [1], [], total=3),
    )
    remote.says("query", items({2: "new", 3: "old"}))
    assert run(pipeline, [1, 2, 3]).counts == {"succeeded": 3, "failed": 0}
    assert [one.body["work_item_ids"] for one in remote.requests("batch_update")] == [[1, 2, 3], [3]]


# --- a field that the answer leaves out ---------------------------------------------------------------------------

LEFT_OUT = {"err_code": 0, "data": [{"id": 1, "fields": []}]}
EMPTY = items({1: None})


@pytest.mark.parametrize(("mode", "value"), [("UPDATE", None), ("APPEND", []), ("REPLACE", None)])
def test_a_lost_clear_is_sent_again_where_the_answer_leaves_the_field_out(remote, pipeline, mode, value):
    remote.says("batch_update", DROP, CLASH, accepted("job-2"))
    remote.says("query", LEFT_OUT)
    more = {"update_mode": mode, **({"before_field_value": "old"} if mode == "REPLACE" else {})}
    [handle] = pipeline.client.enqueue_many([intent([1], value, **more)])
    assert pipeline.finish(handle)[0].ok
    assert len(set(uuids(remote))) == 2, "the job of the second one has said that it is done"


def test_a_clear_that_is_lost_each_time_ends_as_unknown(remote, pipeline):
    remote.says("batch_update", DROP, CLASH, DROP, CLASH)
    remote.says("query", LEFT_OUT)
    [handle] = pipeline.client.enqueue_many([intent([1], None)])
    assert pipeline.finish(handle)[0].failed["1"]["code"] == "outcome_unknown"
    assert len(set(uuids(remote))) == SHORT["max_attempts"]


def test_a_lost_clear_is_proven_by_a_field_that_is_there_and_empty(remote, pipeline):
    remote.says("batch_update", DROP, CLASH)
    remote.says("query", EMPTY)
    [handle] = pipeline.client.enqueue_many([intent([1], None)])
    assert pipeline.finish(handle)[0].ok
    assert len(set(uuids(remote))) == 1


def test_a_lost_clear_in_a_sandbox_that_leaves_out_empty_fields_is_sent_again(redis_url, prefix):
    with SandboxProcess(
        cleared="absent", window=0.02, job_median=0.02, faults=["batch_update:drop_after=1x"]
    ) as sandbox:
        pipeline = Pipeline(
            redis_url.replace("/0", "/3"), prefix, sandbox.base_url, plugin_secret="any", catalogue="off"
        )
        [handle] = pipeline.client.enqueue_many([intent([1001], None)])
        [result] = pipeline.finish(handle)
        answers = sandbox.report()["endpoints"]
    assert result.ok
    [update] = [one for one in answers if one["endpoint"] == "batch_update"]
    assert len(update["accepted"]) == 3, "the lost one, its repeat with the same UUID, and one that was sent anew"


@pytest.mark.parametrize(
    ("content", "code"), [({"after_field_value": None}, None), ({"after_field_value": "new"}, "not_stored")]
)
def test_a_verified_clear_is_not_denied_by_a_field_that_is_left_out(remote, redis_url, prefix, content, code):
    remote.says("query", LEFT_OUT)
    verifying = Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, verify="all")
    [handle] = verifying.client.enqueue_many([intent([1], content["after_field_value"])])
    [result] = verifying.finish(handle)
    assert result.failed.get("1", {}).get("code") == code


@pytest.mark.parametrize("verify", ["unknown", "all"])
def test_a_replace_that_found_nothing_to_replace_has_succeeded_whether_it_is_verified_or_not(
    remote, redis_url, prefix, verify
):
    remote.says("query", items({1: "another"}))
    pipeline = Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, verify=verify)
    [handle] = pipeline.client.enqueue_many([intent([1], "new", update_mode="REPLACE", before_field_value="old")])
    assert pipeline.finish(handle)[0].ok


# --- verification --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "is_read"),
    [({"verify": "unknown"}, False), ({"verify": "sample", "verify_share": 1.0}, True), ({"verify": "all"}, True)],
)
def test_what_a_job_calls_done_is_read_back_as_far_as_asked_for(remote, redis_url, prefix, settings, is_read):
    remote.says("query", OLD)
    result = run(Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, **settings))
    assert result.ok is not is_read
    if is_read:
        assert result.failed["1"] == {"code": "not_stored", "reason": result.failed["1"]["reason"]}
        assert "does not show" in result.failed["1"]["reason"]
    assert len(uuids(remote)) == 1


def test_a_value_that_shows_a_little_later_is_stored(remote, redis_url, prefix):
    remote.says("query", OLD, OLD, NEW)
    assert run(Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url, verify="all")).ok


def test_where_cells_cannot_be_read_back_at_all_a_lost_answer_costs_another_request_and_no_more(remote, pipeline):
    remote.says("batch_update", DROP, CLASH, accepted("job-2"))
    remote.says("query", (404, b"404 page not found"))
    assert run(pipeline).ok
    assert len(set(uuids(remote))) == 2
    assert remote.requests("batch_update")[2].at - remote.requests("batch_update")[0].at >= GRACE
