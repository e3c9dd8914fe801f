"""Real intents through the product's own pipeline: what a scrape tells is what the sandbox saw."""

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.model import intent
from worker.ledger.records import Outcome

CANCELED = Outcome(OutcomeKind.CANCELED)
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
SLACK = 0.002  # seconds: the ledger counts in milliseconds


def enqueue(pipeline, *intents):
    return pipeline.client.enqueue_many(intents)


def test_a_lane_that_never_did_anything_tells_zeros(look):
    told = look()
    ignored = {"feishu_batch_slot_seconds"}
    assert {sample.value for sample in told.samples if sample.name not in ignored} == {0.0}
    assert told.value("time_to_applied_seconds_bucket", le="+Inf") == 0


def test_what_waits_what_is_ready_and_what_is_open(pipeline, look):
    enqueue(
        pipeline, intent(range(1101, 1171), "a"), intent([1101, 1102], "b", keep_every_change=True), intent([1103], "a")
    )
    assert look().value("inbox_intents") == 3
    assert look().value("inbox_oldest_age_seconds") > 0
    pipeline.runtime.intake.drain()
    told = look()
    assert told.value("inbox_intents") == 0
    assert told.value("recorded_changes_total") == 73
    assert (told.value("pending_changes"), told.value("ready_changes")) == (73, 70)  # two wait behind, one is shared
    assert (told.value("open_intents"), told.value("ready_groups")) == (3, 1)
    assert 0 < told.value("oldest_intent_age_seconds") < 5
    pipeline.lane.remote.submitter.run()
    told = look()
    assert (told.value("pending_changes"), told.value("open_changes")) == (
        22,
        51,
    )  # the shared one is open for two intents
    assert told.value("ready_changes") == 20
    assert told.by("state", "batches") == {"open": 1}


def test_every_figure_is_what_the_sandbox_saw(pipeline, sandbox, look):
    handles = enqueue(
        pipeline,
        intent(range(1201, 1321), "a"),  # three requests
        intent([1013], "a"),  # its job refuses it
        intent([9999], "a"),  # is not there
        intent([1401], "x"),
        intent([1401], "y"),  # supersedes it
        intent([1402], "z"),
    )
    pipeline.runtime.intake.drain()
    pipeline.lane.lane.end_pending(6, CANCELED)
    results = pipeline.finish(*handles)
    told, report = look(), sandbox.report(with_items=True)
    batches = report["batches"]

    counts = [result.counts for result in results]
    ended = told.by("outcome", "ended_changes_total")
    assert ended == {
        "succeeded": sum(one["succeeded"] for one in counts),
        "failed": 2.0,
        "superseded": 1.0,
        "canceled": 1.0,
    }
    assert sum(ended.values()) == told.value("recorded_changes_total") == 125
    assert told.by("reason", "failed_changes_total") == {"item_refused": 2.0}
    assert told.value("requests_total") == len(batches)
    assert told.by("answer", "answers_total", endpoint="submit") == {"accepted": len(batches)}
    assert told.value("batch_items_count") == len(batches)
    assert told.value("batch_items_sum") == sum(len(batch["item_ids"]) for batch in batches)
    assert told.value("batch_items_bucket", le="49.0") == sum(len(batch["item_ids"]) < 50 for batch in batches)
    polls = next(one for one in report["endpoints"] if one["endpoint"] == "task_result")["accepted"]
    assert told.by("answer", "answers_total", endpoint="poll") == {"accepted": len(polls)}
    assert (told.value("job_polls_count"), told.value("job_polls_sum")) == (len(batches), len(polls))
    assert told.value("detection_lag_seconds_count") == len(batches)
    assert told.value("time_to_applied_seconds_count") == ended["succeeded"]
    for gauge in ("pending_changes", "ready_changes", "open_changes", "open_intents", "unknown_outcomes_total"):
        assert told.value(gauge) == 0, gauge


def test_the_time_to_applied_is_that_of_the_intent(pipeline, redis, look):
    [handle] = enqueue(pipeline, intent(range(1501, 1511), "a"))
    pipeline.finish(handle)
    record = redis.hgetall(pipeline.lane.lane.keys.named("intent:1"))
    took = (int(record["end"]) - int(record["t"])) / 1000
    told = look()
    assert told.value("time_to_applied_seconds_sum") == pytest.approx(10 * took, abs=10 * SLACK)
    assert told.value("time_to_applied_seconds_bucket", le="300.0") == 10


def test_rejections_by_the_limit_and_unknown_outcomes_are_counted(pipeline, sandbox, look):
    sandbox.set_faults("batch_update:spurious_429=2x")
    [first] = enqueue(pipeline, intent([1601], "a"))
    pipeline.finish(first)
    told = look()
    assert told.by("answer", "answers_total", endpoint="submit") == {"accepted": 1.0, "rate_limited": 2.0}
    assert told.value("unknown_outcomes_total") == 0
    sandbox.set_faults("batch_update:drop_after=1x", clear=True)
    [second] = enqueue(pipeline, intent([1602], "a"))
    pipeline.finish(second)
    told = look()
    assert told.value("unknown_outcomes_total") == 1
    assert told.by("answer", "answers_total", endpoint="submit") == {
        "accepted": 1.0,
        "rate_limited": 2.0,
        "outcome_unknown": 1.0,
        "idempotency_clash": 1.0,
    }
    assert told.value("requests_total") == 5
    assert told.by("outcome", "ended_changes_total") == {"succeeded": 2.0}


def test_a_request_that_is_refused_for_one_item_is_counted_as_split(pipeline, sandbox, look):
    sandbox.set_faults("batch_update:refuse=1x,code=20014")
    [handle] = enqueue(pipeline, intent([1701, 1702], "a"))
    pipeline.finish(handle)
    told = look()
    assert told.value("split_batches_total") == 1
    assert told.value("requests_total") == 3
    assert told.by("answer", "answers_total", endpoint="submit") == {"accepted": 2.0, "batch_refused": 1.0}


def test_what_the_catalogue_refuses_costs_no_request_and_is_not_held_against_the_remote_system(pipeline, look):
    [handle] = enqueue(pipeline, intent([1801, 1802], "a", field_key="no_such_field"))
    assert pipeline.finish(handle)[0].failed["1801"]["code"] == "unknown_field"
    told = look()
    assert told.by("reason", "failed_changes_total") == {"refused_at_intake": 2.0}
    assert told.value("requests_total") == 0


def test_an_intent_without_a_lane_is_counted_where_it_is_answered(pipeline, look):
    [handle] = enqueue(pipeline, intent([1801, 1802], "a", lane="elsewhere"))
    pipeline.finish(handle)
    told = look()
    assert told.by("reason", "failed_changes_total") == {"no_lane": 2.0}
    assert told.value("recorded_changes_total") == told.value("ended_changes_total", outcome="failed") == 2
