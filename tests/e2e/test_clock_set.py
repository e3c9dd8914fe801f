"""Somebody sets the clock of Redis, of the workers' machine, or of both: work goes on, at its pace, and what lasts, lasts."""

import time
from itertools import pairwise

import pytest

from tests.support.clock_stack import WHOSE, ClockStack
from tests.support.model import intent
from tests.support.stack import SLOT
from tests.support.waiting import Slowness, wait_until

STEPS = {"minus 2 min": -120, "minus 1 h": -3600, "plus 1 h": 3600}  # seconds
GOES_ON = 10.0  # seconds
START = 10.0  # seconds that the start of four processes may take on a busy machine
GRACE = 4.0
REQUESTS = 30  # 20 of them wait when the clock is set; a pause shows as a gap between two of them


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with ClockStack(
        tmp_path_factory.mktemp("clocks"), grace_seconds=GRACE, lease_seconds=1.5, job_timeout_seconds=60
    ) as stack:
        yield stack


@pytest.fixture
def quiet(stack):
    yield stack
    stack.sandbox.clear_faults()
    stack.revive()
    stack.wait_until_idle()
    stack.sandbox.reset()


def arrivals(stack):
    [writes] = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"] or [None]
    return writes["arrivals"] if writes else []


def work(stack, requests):
    return stack.client.enqueue_many(
        [intent([1100 + n % 50], f"value {n}", keep_every_change=True) for n in range(requests)]
    )


def await_arrivals(stack, count):
    wait_until(lambda: len(arrivals(stack)) >= count, 30, f"{count} requests arrived")


@pytest.mark.parametrize("whose", [*((one,) for one in WHOSE), WHOSE], ids=[*WHOSE, "both"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_work_continues_at_its_pace(quiet, step, whose):
    """All requests are there before the clock is set, so that any that is missing afterwards was held up by it."""
    stack, slowness = quiet, Slowness()
    before = len(arrivals(stack))
    handles = work(stack, REQUESTS)
    await_arrivals(stack, before + 10)
    stack.clocks.step(step, *whose)
    set_at = stack.sandbox.report()["now"]
    results = stack.wait_all(handles)
    assert {result.state for result in results} == {"succeeded"}
    assert sum(result.requests for result in results) == REQUESTS  # no running job was given up, none was sent again
    seen = arrivals(stack)[before:]
    gaps = [later - earlier for earlier, later in pairwise([at for at in seen if at >= set_at - SLOT])]
    print(f"longest pause {max(gaps):.2f} s, shortest gap {min(gaps):.3f} s")
    assert max(gaps) < GOES_ON * slowness()
    assert min(gaps) >= SLOT
    stack.assert_rules_kept()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_cells_stay_closed_until_the_real_grace_time_is_over(quiet, step):
    stack, slowness = quiet, Slowness()
    [first] = stack.client.enqueue_many([intent([1001], "first", keep_every_change=True)])
    stack.sandbox.set_faults("batch_update:drop_after=1x")
    [second] = stack.client.enqueue_many([intent([1001], "second", keep_every_change=True)])
    wait_until(lambda: stack.sandbox.report()["faults"], 20, "an answer was lost")
    stack.clocks.step(step)
    assert {one.state for one in stack.wait_all([first, second])} == {"succeeded"}
    *of_first, of_second = [batch["arrived_at"] for batch in stack.batches() if batch["item_ids"] == [1001]]
    waited = of_second - max(of_first)
    assert GRACE <= waited < GRACE + GOES_ON * slowness()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_sender_and_a_beat_that_die_as_the_clock_is_set_are_replaced(quiet, step):
    stack, slowness = quiet, Slowness()
    before = len(arrivals(stack))
    handles = work(stack, 40)
    await_arrivals(stack, before + 5)
    stack.kill("submit", "beat", "intake", "poll")
    stack.clocks.step(step)
    time.sleep(1)
    stack.start("submit", "beat", "intake", "poll")
    started = stack.sandbox.report()["now"]
    assert {result.state for result in stack.wait_all(handles)} == {"succeeded"}
    after = [at for at in arrivals(stack) if at >= started]
    print(f"goes on {after[0] - started:.1f} s after the start of the workers")
    assert after[0] - started < (START + GOES_ON) * slowness()
    stack.assert_rules_kept()
