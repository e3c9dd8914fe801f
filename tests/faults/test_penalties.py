"""A limiter that begins its penalty anew with each request that it refuses, on the sandbox: it is left, and soon forgotten."""

import time
from itertools import pairwise

import pytest

from sandbox.process import SandboxProcess
from tests.support.model import intent
from tests.support.pipeline import Pipeline
from tests.support.waiting import PATIENCE, Slowness

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
SLOT = 0.1
PENALTY = 8 * SLOT


@pytest.mark.parametrize(
    ("retry_after", "most_refused", "longest"), [("no", 4, 3.2), ("seconds", 0, 1.6), ("date", 0, 2.8)]
)
def test_a_penalty_that_each_refused_request_prolongs_is_left(redis_url, prefix, retry_after, most_refused, longest):
    slowness = Slowness()
    with SandboxProcess(window=SLOT, job_median=0.05, penalty=PENALTY, retry_after=retry_after) as sandbox:
        pace = {"slot_seconds": SLOT, "poll_slot_seconds": SLOT, "backoff_max_seconds": 60}
        pipeline = Pipeline(redis_url.replace("/0", "/3"), prefix, sandbox.base_url, catalogue="off", **pace)
        pipeline.finish(*pipeline.client.enqueue_many([intent([1101], "before")]))
        sandbox.set_faults("batch_update:spurious_429=1x")
        handles = pipeline.client.enqueue_many([intent([item], f"value {item}") for item in range(1101, 1121)])
        pipeline.runtime.intake.drain()
        deadline = time.monotonic() + PATIENCE
        while pipeline.lane.remote.submitter.run()["state"] != "idle":
            assert time.monotonic() < deadline
        assert all(result.ok for result in pipeline.finish(*handles))
        visits = next(one for one in sandbox.report()["endpoints"] if one["endpoint"] == "batch_update")
    accepted = visits["accepted"]
    assert len(visits["rejected"]) <= most_refused  # the first, which was refused for no reason, is not among them
    assert max(later - earlier for earlier, later in pairwise(accepted[1:])) <= longest * slowness()
    assert accepted[-1] - accepted[-16] <= 15 * 1.5 * SLOT * slowness()  # at the old pace again


# With a lease as long as this, intake waits for a look-up, on a busy machine, too.
SINGLES = {
    "slot_seconds": SLOT,
    "poll_slot_seconds": SLOT,
    "single_updates_per_second": 13,
    "lease_seconds": 6.0,
    "heartbeat_seconds": 1.5,
    "grace_seconds": 6.0,
}


def test_a_long_pause_of_single_updates_does_not_stop_what_batches_can_carry(redis_url, prefix):
    """Longer than a change should wait where another endpoint is free."""
    with SandboxProcess(window=SLOT, job_median=0.05, penalty=120, retry_after="seconds") as sandbox:
        pipeline = Pipeline(redis_url.replace("/0", "/3"), prefix, sandbox.base_url, **SINGLES)
        pipeline.lane.lane.singles.configure(13, alone=True)
        sandbox.set_faults("update_item:spurious_429=1x")
        handles = pipeline.client.enqueue_many([intent([item], f"value {item}") for item in range(1101, 1106)])
        pipeline.runtime.intake.drain()
        time.sleep(0.4)  # until the groups are quiet
        pipeline.lane.remote.singles.run()
        state = pipeline.lane.lane.singles.state()
        assert 100 < state.off_for <= 120
        assert "pause" in state.why
        assert all(result.ok for result in pipeline.finish(*handles, timeout=20))


def test_a_lane_heeds_the_pause_of_single_updates_that_another_process_was_told(redis_url, prefix):
    """Another lane of the plugin as well: they share the slot, and only one of them got the answer."""
    with SandboxProcess(window=SLOT, job_median=0.05) as sandbox:
        told, pipeline = (
            Pipeline(redis_url.replace("/0", "/3"), prefix, sandbox.base_url, **SINGLES) for _ in range(2)
        )
        pipeline.lane.lane.singles.configure(13, alone=True)
        slots = told.lane.remote.singles._slots
        slots.hold_off(slots.take(ahead=1.0), 120)
        handle = pipeline.client.enqueue_many([intent([1101], "value")])[0]
        pipeline.runtime.intake.drain()
        pipeline.lane.remote.singles.run()
        assert 100 < pipeline.lane.lane.singles.state().off_for <= 120
        assert pipeline.finish(handle, timeout=20)[0].ok
