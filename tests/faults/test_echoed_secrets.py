"""A remote system that puts what it was sent into the texts of its answers: no secret of it may be kept, shown or logged, and no
value of a field told by a step.
"""

import json

import pytest

from tests.support.model import intent
from tests.support.pipeline import SHORT, Pipeline
from tests.support.scripted_remote import StandIn, job, ok, refused

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
TOKENS = ("p-first-token-0123456789", "p-second-token-0123456789")
SECRETS = (*TOKENS, SHORT["plugin_secret"])


@pytest.fixture
def remote():
    with StandIn() as remote:
        given = [{"error": {"code": 0}, "data": {"token": token, "expire_time": 7200}} for token in TOKENS]
        remote.says("plugin_token", *given)
        yield remote


@pytest.fixture
def pipeline(remote, redis_url, prefix):
    return Pipeline(redis_url.replace("/0", "/3"), prefix, remote.base_url)


def echo(remote):
    """Of this request and of all before it: the first token may still be valid."""
    headers = [value for one in remote.seen for value in one.headers.values()]
    return " ".join([*headers, SHORT["plugin_secret"]])


def everything_kept(redis, prefix):
    """All that Redis holds, but for the place in which the token is shared."""
    kept = []
    keys = [key for key in [*redis.keys(f"{prefix}*"), *redis.keys("celery-task-meta-*")] if ":token:" not in key]
    for key in keys:
        kind = redis.type(key)
        read = {"hash": redis.hgetall, "string": redis.get, "list": lambda key: redis.lrange(key, 0, -1)}
        kept.append(f"{key} {read[kind](key) if kind in read else ''}")
    return "\n".join(kept)


def test_what_a_remote_system_echoes_is_masked_wherever_it_says_it(remote, pipeline, capsys, prefix):
    expired = 400, {"err_code": 10022, "err_msg": "expired", "err": {"code": 10022}}

    def refuse(_body):
        said = echo(remote)
        return 400, {"err_code": 20001, "err_msg": said, "err": {"code": 20001, "msg": said, "log_id": said}}

    remote.says("batch_update", expired, lambda _: ok({"task_id": f"job {echo(remote)}"}), refuse)
    remote.says("task_result", lambda _: job("FAILED", [], [1], error_scenes=[echo(remote)]))
    first, second = pipeline.client.enqueue_many([intent([1], "a"), intent([2], "b")])
    results = pipeline.finish(first, second)
    reasons = json.dumps([result.failed for result in results])
    assert "**********" in reasons
    seen = {
        "results": reasons,
        "redis": everything_kept(pipeline.runtime.redis, prefix),
        "log": capsys.readouterr().out,
    }
    assert "job.ended" in seen["log"]
    assert f"{prefix}:{{default}}:intent" in seen["redis"]
    for where, text in seen.items():
        assert [secret for secret in SECRETS if secret in text] == [], where


def test_what_a_step_tells_flower_repeats_no_value_of_a_field(remote, pipeline):
    remote.says("batch_update", refused(20001, "字段没有隐秘的值这个选项"))
    [handle] = pipeline.client.enqueue_many([intent([1], "隐秘的值")])
    pipeline.runtime.intake.drain()
    told = pipeline.lane.remote.submitter.run()
    assert "字段没有…这个选项" in told["error"]
    assert "字段没有隐秘的值这个选项" in handle.result().failed["1"]["reason"]
