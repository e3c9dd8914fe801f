"""A lane that stops for its credentials says so once and leaves the remote system alone; a user's fault is none of the lane."""

import time

import pytest
from structlog.testing import capture_logs

from tests.support.model import PROJECT, intent
from tests.support.pipeline import Pipeline
from tests.support.scripted_remote import StandIn, accepted, job, ok, refused
from tests.support.waiting import PATIENCE
from worker.ledger.reads.lane_health import read_lane_health

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
STRANGER = "7300000000000000404"


@pytest.fixture
def remote():
    with StandIn() as remote:
        remote.says("batch_update", accepted("job-1"))
        remote.says("task_result", job("SUCCESS", [1], []))
        yield remote


@pytest.fixture
def pipeline(remote, redis_url, prefix):
    return Pipeline(redis_url, prefix, remote.base_url, catalogue="off")


def test_refused_credentials_are_tried_once_until_an_operator_resumes(remote, pipeline):
    remote.says("plugin_token", (401, {"error": {"code": 10204, "msg": "Plugin Id Or Secret Is Wrong"}}))
    [handle] = pipeline.client.enqueue_many([intent([1])])
    pipeline.turn()
    since = pipeline.lane.lane.paused()["since"]
    with capture_logs() as lines:
        for _ in range(5):  # as the sweep hints at the work that waits
            pipeline.turn()
    assert lines == []
    assert len(remote.requests("plugin_token")) == 1
    assert pipeline.lane.lane.paused()["since"] == since
    assert handle.state == "open"

    del remote.script["plugin_token"]
    pipeline.lane.lane.resume()
    assert pipeline.finish(handle)[0].ok


def test_a_user_who_may_not_is_no_trouble_with_the_remote_system(remote, pipeline):
    remote.says("batch_update", refused(10302, "Check User Error"))
    [handle] = pipeline.client.enqueue_many([intent([1], user_key=STRANGER)])
    assert pipeline.finish(handle)[0].failed["1"]["code"] == "10302"
    assert read_lane_health(pipeline.runtime.redis, pipeline.lane.lane.keys).last_errors == ()


# --- one space, one user, or the lane ------------------------------------------------------------------------------

OTHER_SPACE = "1" * 24


def answer_by(is_refused, code):
    return lambda body: refused(code, "no") if is_refused(body) else accepted("job-1")


def spaces(*keys):
    return ok({key: {"project_key": key, "simple_name": "", "name": ""} for key in keys})


def settled(pipeline, handle):
    """Run until the intent has ended or the lane is paused."""
    deadline = time.monotonic() + PATIENCE
    while handle.result() is None and pipeline.lane.lane.paused() is None:
        assert time.monotonic() < deadline
        pipeline.turn()
    return handle.result()


@pytest.mark.parametrize("code", [10404, 10301])
@pytest.mark.parametrize("told", ["not there", "there", "no answer"])
def test_a_space_that_the_plugin_may_not_use_does_not_stop_an_idle_lane_that_was_accepted_before(
    remote, pipeline, code, told
):
    assert pipeline.finish(*pipeline.client.enqueue_many([intent([1])]))[0].ok
    remote.says("batch_update", answer_by(lambda body: body["project_key"] == OTHER_SPACE, code))
    answers = {"not there": spaces(PROJECT), "there": spaces(PROJECT, OTHER_SPACE), "no answer": (502, b"")}
    remote.says("projects/detail", answers[told])
    [bad] = pipeline.client.enqueue_many([intent([1], project_key=OTHER_SPACE)])
    result = settled(pipeline, bad)
    assert result.failed["1"]["code"] == str(code)
    assert OTHER_SPACE in result.failed["1"]["reason"]
    assert pipeline.lane.lane.paused() is None
    assert len(remote.requests("batch_update")) == 1 + 5
    assert pipeline.finish(*pipeline.client.enqueue_many([intent([1], "later")]))[0].ok


@pytest.mark.parametrize("code", [10404, 10301])
@pytest.mark.parametrize("told", [refused(10301), spaces(), (502, b""), spaces("of another plugin")], ids=str)
@pytest.mark.parametrize("where", [(1,), (1, 2)])
def test_a_permission_that_is_withdrawn_from_everything_pauses_the_lane_and_keeps_the_work(
    remote, pipeline, code, told, where
):
    keys = [PROJECT, OTHER_SPACE][: len(where)]
    assert all(
        one.ok for one in pipeline.finish(*pipeline.client.enqueue_many([intent([1], project_key=key) for key in keys]))
    )
    remote.says("batch_update", refused(code))
    remote.says("projects/detail", told)
    [handle] = pipeline.client.enqueue_many([intent([1], "after it was withdrawn")])
    assert settled(pipeline, handle) is None
    assert "cancel" in pipeline.lane.lane.paused()["reason"]
    assert len(remote.requests("batch_update")) <= len(where) + 5
    remote.says("batch_update", accepted("job-1"))
    pipeline.lane.lane.resume()
    assert pipeline.finish(handle)[0].ok


@pytest.mark.parametrize("code", [10211, 10021, 10022])
def test_a_user_key_that_is_answered_like_a_bad_token_fails_its_own_intent_only(remote, pipeline, code):
    remote.says("user/query", ok([]))
    remote.says(
        "batch_update",
        lambda _: refused(code, "Token Info Is Invalid") if is_unknown_key(remote) else accepted("job-1"),
    )
    [bad] = pipeline.client.enqueue_many([intent([1], user_key=STRANGER)])
    result = settled(pipeline, bad)
    assert result.failed["1"]["code"] == str(code)
    assert STRANGER in result.failed["1"]["reason"]
    assert pipeline.lane.lane.paused() is None
    assert len(remote.requests("batch_update")) == 2
    assert pipeline.finish(*pipeline.client.enqueue_many([intent([1], "later")]))[0].ok


def test_a_token_that_nobody_is_answered_with_pauses_the_lane_whoever_is_named(remote, pipeline):
    remote.says("user/query", refused(10022))
    remote.says("batch_update", refused(10022))
    [handle] = pipeline.client.enqueue_many([intent([1], user_key=STRANGER)])
    assert settled(pipeline, handle) is None
    assert "fresh tokens" in pipeline.lane.lane.paused()["reason"]


def is_unknown_key(remote):
    return remote.requests("batch_update")[-1].headers["x-user-key"] == STRANGER
