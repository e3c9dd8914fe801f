"""A kill at every step, each followed by a normal worker: all ends, nothing is lost, doubled, reordered or left over."""

import os

import pytest

from tests.chaos.crash_points import (
    ALL_CASES,
    ALL_SINGLE_CASES,
    CHOSEN_CASES,
    CHOSEN_SINGLE_CASES,
    Case,
    intents_for,
)
from tests.chaos.verdict import Verdict
from tests.chaos.workload import TASK, Wish
from tests.support.waiting import wait_until
from worker.ledger.fields import SingleField

CASES = ALL_CASES if os.environ.get("CHAOS_ALL_POINTS") else CHOSEN_CASES
SINGLE_CASES = ALL_SINGLE_CASES if os.environ.get("CHAOS_ALL_POINTS") else CHOSEN_SINGLE_CASES
LONGEST = 30  # seconds


def crash_and_recover(stack, case):
    stack.heal()
    stack.sandbox.reset()
    stack.clear_logs()
    stack.redis.delete(*stack.redis.keys(stack.lane.keys.named("token*")), "none")  # so that a new one is asked for
    if case.scene.singles:
        stack.redis.hdel(stack.lane.keys.singles.state, SingleField.OFF_UNTIL_MS)
    if case.scene.expiring:
        stack.lane.pause("until it has expired", polling=True)
    stack.arm({point.worker: point.at for point in case.points})
    if case.scene.faults:
        stack.sandbox.set_faults(*case.scene.faults)
    wishes = [Wish(one, "celery" if case.scene.by_celery else "library", 0) for one in intents_for(case.scene)]
    send(stack, wishes)
    wait_until(lambda: have_crashed(stack, case), LONGEST, f"every crash of {case} has happened")
    stack.lane.resume()
    stack.sleep(0.1)
    wait_until(stack.is_over, LONGEST, lambda: f"all has ended; {stack.lane.counts()}")
    return wishes


def have_crashed(stack, case):
    stack.look_after()
    return all(f"CRASH {point.at}" in stack.log_of(point.worker) for point in case.points)


def send(stack, wishes):
    app = stack.celery_app()
    for wish in wishes:
        if wish.door == "celery":
            content = wish.intent.model_dump(mode="json", exclude_defaults=True)
            app.send_task(TASK, kwargs=content, queue="feishu.intents", task_id=wish.intent.intent_id)
        else:
            stack.client.enqueue_many([wish.intent])
            wish.acknowledged = True  # a message may vanish with the worker that fetched it: that is Celery's guarantee
    app.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_workers_that_are_killed_at_a_step_do_no_harm(chaos_stack, case: Case):
    wishes = crash_and_recover(chaos_stack, case)
    verdict = Verdict()
    verdict.judge(chaos_stack, wishes)
    assert verdict.broken == []


@pytest.mark.parametrize("case", SINGLE_CASES, ids=str)
def test_workers_that_are_killed_at_a_step_of_a_single_update_do_no_harm(stack_with_singles, case: Case):
    wishes = crash_and_recover(stack_with_singles, case)
    verdict = Verdict()
    verdict.judge(stack_with_singles, wishes)
    assert verdict.broken == []
    assert verdict.figures["requests to update_item"]
