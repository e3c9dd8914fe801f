"""A lane that stops for its credentials says so once and leaves the remote system alone; a user's fault is none of the lane."""

import pytest
from model import intent
from pipeline import Pipeline
from scripted_remote import StandIn, accepted, job, refused
from structlog.testing import capture_logs

from worker.ledger.vitals import vitals

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


def test_refused_credentials_are_tried_once_until_somebody_says_resume(remote, pipeline):
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
    assert vitals(pipeline.runtime.redis, pipeline.lane.lane.prefix).troubles == ()
