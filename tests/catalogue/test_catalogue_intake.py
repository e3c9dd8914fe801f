"""Intake with the gate before it: real ledger, real sandbox, no workers."""

import json
import time

import pytest
from celery import Celery

from config.celery_options import celery_options
from feishu_batch import FeishuBatch
from feishu_batch.intents import group_spec
from tests.catalogue.wish import SPACE, wish
from worker.catalogue.models import RETRY, Code, Refusal
from worker.catalogue.queries import PAUSED_FOR
from worker.ledger.record_calls import RECORD_CHUNK, record_calls
from worker.runtime import build_runtime

OPS = "6a1d2b3c4d5e6f7081928374"


@pytest.fixture
def runtime_of(settings_of, redis, prefix):
    def make(**more):
        settings = settings_of(**more)
        app = Celery("feishu_batch", set_as_current=False)
        app.conf.update(celery_options(settings))
        app.conf.broker_url = "memory://"  # nobody listens to the hints
        return build_runtime(settings, app)

    return make


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix, broker_url="memory://", timeout=5) as client:
        yield client


@pytest.fixture
def two_lanes(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_LANE", "secret")
    credential = 'plugin_id = "plugin"\nplugin_secret = {env = "SECRET_OF_LANE"}\n'
    file = tmp_path / "lanes.toml"
    file.write_text(f'[lanes.first]\n{credential}[lanes.second]\n{credential}project_keys = ["{OPS}"]\n')
    return file


def specs(redis, prefix, lane="default"):
    keys = redis.scan_iter(f"{prefix}:{{{lane}}}:group:*")
    return [json.loads(redis.hget(key, "spec")) for key in keys]


def test_a_refused_intent_is_answered_and_its_neighbours_continue(runtime_of, client, redis, prefix):
    wishes = [
        wish("Priority", "P0"),
        wish("Nothing", 1, work_item_ids=[7, 8]),
        wish("tags", "backend", project_key="demo"),
    ]
    handles = client.enqueue_many(wishes)
    assert runtime_of().intake.drain() == 3
    result = handles[1].wait(1)
    assert result.state == "failed"
    assert result.counts == {"succeeded": 0, "failed": 2}
    assert {why["code"] for why in result.failed.values()} == {"unknown_field"}
    sent = {(s["project_key"], s["field_key"]): s["after_field_value"] for s in specs(redis, prefix)}
    assert sent == {(SPACE, "priority"): {"value": "option_0"}, (SPACE, "tags"): [{"value": "n8d2k5j1h"}]}


def test_a_name_and_a_key_are_the_same_cell_and_the_same_change(runtime_of, client, redis, prefix):
    """Else the order of a cell, superseding and sharing would not see that they are one."""
    client.enqueue_many(
        [wish("Priority", "P0"), wish("priority", {"value": "option_0"}), wish("PRIORITY", "p0", project_key="demo")]
    )
    runtime = runtime_of()
    runtime.intake.drain()
    assert len(specs(redis, prefix)) == 1
    assert redis.hgetall(f"{prefix}:{{default}}:cells") == {"1:1001": "1"}
    assert redis.hgetall(f"{prefix}:{{default}}:shared") == {"1:1:1001": "2,3"}


def test_without_permission_for_the_catalogue_what_is_surely_a_key_passes(runtime_of, client, redis, prefix, sandbox):
    sandbox.set_faults("field_all:refuse=1.0,code=10301")
    handles = client.enqueue_many(
        [wish("priority", {"value": "option_0"}), wish("field_0a1b2c", 1), wish("stage", 1), wish("priority", "P0")]
    )
    assert runtime_of().intake.drain() == 4
    assert sorted(s["field_key"] for s in specs(redis, prefix)) == ["field_0a1b2c", "priority"]
    for handle in handles[2:]:
        assert handle.wait(1).failed["1001"]["code"] == "cannot_resolve"


def test_a_look_up_that_is_refused_for_the_lanes_own_user_pauses_the_lane(runtime_of, client):
    """As a submit would: else `status` and `doctor` call a lane well in which every name fails."""
    handles = client.enqueue_many([wish("Priority", "P0", project_key="demo", work_item_ids=[n]) for n in (1, 2)])
    runtime = runtime_of(user_key="abc")
    assert runtime.intake.drain() == 2
    pause = runtime.lanes["default"].lane.paused()
    assert "User Not Exist" in pause["reason"]
    assert "set FEISHU_BATCH_USER_KEY" in pause["reason"]
    reasons = {why["reason"] for handle in handles for why in handle.wait(1).failed.values()}
    [reason] = reasons  # one trouble, one text
    assert "the lane is paused: User Not Exist" in reason
    assert "The acting user" not in reason  # that stands in `status`, at its full length
    assert reason.endswith(f"fix the lane (`feishu-batch status` says how), then run: {RETRY}")
    assert "give its key" not in reason


@pytest.mark.parametrize(
    "faults",
    ["projects_detail:refuse=1.0,code=10404", "field_all:refuse=1.0,code=10301", "user_query:refuse=1.0,code=10023"],
    ids=["access to a space", "access to a type", "a person who is asked for"],
)
def test_a_look_up_that_may_mean_one_space_or_one_person_pauses_nothing(runtime_of, client, sandbox, faults):
    sandbox.set_faults(faults)
    client.enqueue_many([wish("owner", "lilei@example.com", project_key="demo"), wish("owner", "lilei@example.com")])
    runtime = runtime_of()
    assert runtime.intake.drain() == 2
    assert runtime.lanes["default"].lane.paused() is None
    assert sandbox.report()["answers"]  # somebody was asked


def test_after_a_resume_names_are_looked_up_again_soon(runtime_of, client, sandbox):
    sandbox.set_faults("projects_detail:refuse=1.0,code=10302")
    runtime = runtime_of(catalogue_retry_seconds=600)
    client.enqueue_many([wish("Priority", "P0", project_key="demo", work_item_ids=[1])])
    runtime.intake.drain()
    sandbox.clear_faults()
    assert runtime.lanes["default"].lane.resume()
    time.sleep(PAUSED_FOR + 0.1)
    [handle] = client.enqueue_many([wish("Priority", "P0", project_key="demo", work_item_ids=[2])])
    runtime.intake.drain()
    assert handle.view().state == "open"


def test_switched_off_nobody_is_asked_and_names_are_refused(runtime_of, client, redis, prefix, asked):
    before = asked("field_all") + asked("projects_detail")
    handles = client.enqueue_many(
        [wish("priority", "P0"), wish("Release note", "x"), wish("priority", "P0", project_key="demo")]
    )
    assert runtime_of(catalogue="off").intake.drain() == 3
    assert [s["after_field_value"] for s in specs(redis, prefix)] == ["P0"]
    for handle in handles[1:]:
        assert handle.wait(1).failed["1001"]["code"] == "cannot_resolve"
    assert asked("field_all") + asked("projects_detail") == before


# --- the same entry taken in twice, and the catalogue changed between ----------------------------------------------------


class Between:
    """Takes the entries in twice: the first process dies right before it leaves the inbox."""

    def __init__(self, runtime_of, monkeypatch):
        self.first, self.second = runtime_of(), runtime_of()
        self._monkeypatch = monkeypatch

    def run(self, first_check, second_check):
        for runtime, check in ((self.first, first_check), (self.second, second_check)):
            self._monkeypatch.setattr(runtime.intake, "_check", check)
        with self._monkeypatch.context() as patch:
            patch.setattr(self.first.inbox, "hand_over", self._die)
            with pytest.raises(SystemExit):
                self.first.intake.drain()
        self.second.redis.delete(self.second.inbox.keys.lock)  # its time is over
        return self.second.intake.drain()

    def _die(self, _lane_of):
        raise SystemExit


def refuse(_intent):
    return Refusal(Code.UNKNOWN_FIELD, "there is none")


def as_field(key):
    return lambda intent: intent.model_copy(update={"field_key": key})


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [(refuse, as_field("a"), "failed"), (as_field("a"), refuse, "open"), (as_field("a"), as_field("b"), "open")],
    ids=["refused, then taken", "taken, then refused", "taken as another"],
)
def test_what_the_first_attempt_decided_stands(runtime_of, client, redis, prefix, monkeypatch, first, second, state):
    [handle] = client.enqueue_many([wish("Name", "x")])
    assert Between(runtime_of, monkeypatch).run(first, second) == 1
    assert handle.view().state == state
    assert [s["field_key"] for s in specs(redis, prefix)] == ([] if state == "failed" else ["a"])


@pytest.mark.parametrize(
    "second", [refuse, as_field("b"), lambda intent: intent], ids=["refused", "as another", "unchecked"]
)
def test_a_large_intent_that_was_recorded_in_part_is_finished_as_it_began(
    runtime_of, client, redis, prefix, monkeypatch, second
):
    items = list(range(1, 2 * RECORD_CHUNK + 2))
    [handle] = client.enqueue_many([wish("Name", "x", work_item_ids=items)])
    runtime = runtime_of()
    [call, *rest] = record_calls([new_intent(runtime, wish("a", "x", work_item_ids=items))])
    assert len(rest) == 2
    runtime.lanes["default"].lane._run("record", call)
    monkeypatch.setattr(runtime.intake, "_check", second)
    assert runtime.intake.drain() == 1
    record = redis.hgetall(f"{prefix}:{{default}}:intent:1")
    assert "nx" not in record
    assert record["opn"] == str(len(items))
    assert redis.zcard(f"{prefix}:{{default}}:ready:{record['g']}") == len(items)
    assert json.loads(redis.hget(f"{prefix}:{{default}}:group:{record['g']}", "spec"))["field_key"] == "a"
    assert handle.view().progress.pending == len(items)


def new_intent(runtime, intent):
    from worker.ledger.records import InboxEntry
    from worker.pipeline.entries import new_intent

    return new_intent(InboxEntry(1, 1, intent.to_json(), "1-0"), intent)


def test_a_space_that_was_looked_up_stays_in_the_lane_that_took_it(
    runtime_of, client, redis, prefix, monkeypatch, two_lanes
):
    """Two lanes: what the first attempt put into one, the second does not put into the other."""

    def to_ops(intent):
        return intent.model_copy(update={"project_key": OPS})

    [handle] = client.enqueue_many([wish("tags", "x", project_key="ops")])
    assert Between(lambda: runtime_of(lanes_file=two_lanes), monkeypatch).run(to_ops, refuse) == 1
    assert handle.view().state == "open"
    assert handle.view().lane == "second"
    assert specs(redis, prefix, "first") == []


def test_both_lanes_are_asked_for_a_space(runtime_of, client, redis, prefix, two_lanes):
    client.enqueue_many([wish("Tags", "urgent", project_key="ops"), wish("Tags", "urgent", project_key="demo")])
    runtime_of(lanes_file=two_lanes).intake.drain()
    assert [s["project_key"] for s in specs(redis, prefix, "second")] == [OPS]
    assert [s["project_key"] for s in specs(redis, prefix, "first")] == [SPACE]


def test_the_spec_of_a_resolved_intent_is_that_of_one_written_by_key(runtime_of):
    checked = runtime_of().lanes["default"].remote.catalogue.checked(wish("Component", "Login"))
    by_key = {"value": "cmp_acc", "children": {"value": "cmp_acc_login", "children": None}}
    assert group_spec(checked) == group_spec(wish("field_b7c2d8", by_key))


def test_a_retry_after_an_outage_of_the_look_ups_puts_nothing_over_what_came_later(
    runtime_of, client, redis, prefix, sandbox
):
    from worker.ledger.reads.intent_log import IntentLog
    from worker.ledger.reads.ledger import LedgerReads
    from worker.operating.meanings import Meanings
    from worker.operating.retry.decision import SkipReason, decide
    from worker.operating.retry.reader import RetryReader

    sandbox.set_faults("field_all:error_before=1.0")
    runtime = runtime_of()
    client.enqueue_many(
        [
            wish("Priority", {"value": "option_1"}, work_item_ids=[1, 2]),
            wish("owner", "lilei@example.com", work_item_ids=[1, 2]),
            wish("priority", {"value": "option_2"}, work_item_ids=[1]),
            wish("owner", "7300000000000000003", work_item_ids=[2]),
        ]
    )
    runtime.intake.drain()
    sent = sorted((s["after_field_value"] for s in specs(redis, prefix)), key=str)
    assert sent == ["7300000000000000003", {"value": "option_2"}]
    sandbox.clear_faults()
    lane = runtime.lanes["default"].lane
    for number in range(50):  # until some intake looks the fields up
        if redis.exists(lane.keys.catalogue(f"{SPACE} story")):
            break
        time.sleep(0.2)
        client.enqueue_many([wish("Release note", str(number), work_item_ids=[1, 2])])
        runtime.intake.drain()
    meaning = Meanings(redis, {"default": lane.keys}).meaning
    reader = RetryReader(LedgerReads(redis, prefix), IntentLog(redis, prefix, ("default",)), meaning)
    failures = [failure for number in (1, 2) if (failure := reader.failure("default", number))]
    decided = [decide(one, reader.past(failures), time.time(), even_if_overtaken=False) for one in failures]
    assert [(one.items, dict(one.left)) for one in decided] == [
        ((2,), {SkipReason.OVERTAKEN: (1,)}),
        ((1,), {SkipReason.OVERTAKEN: (2,)}),
    ]
