"""Real beats, real workers, a real server and the sandbox; every entry is due every second or two."""

import signal
import time

from tests.support.waiting import wait_until
from worker.scheduling.records import RunState, record_of
from worker.scheduling.store import Schedules


def record(stack, name):
    return record_of(Schedules(stack.redis, stack.settings.key_prefix).read([name]).get(name))


def newest(stack, name):
    found = record(stack, name)
    return found.run if found else None


def leaves_out(found):
    return found if found.run.state is RunState.OPEN and (found.skipped or 0) > found.run.due else None


def lets_wait(found):
    return found if found.run.state is RunState.OPEN and found.waits else None


def await_end(stack, name, after=0.0, timeout=30.0):
    """The first run that was seen ended among those due after that moment; its end lasts only until the next one starts."""

    def ended():
        run = newest(stack, name)
        return run if run and run.state is RunState.ENDED and run.due > after else None

    return wait_until(ended, timeout, f"a run of {name} has ended")


def await_a_later_run(stack, name, after, timeout=30.0):
    """A run starts when the one before it has ended, so the second after that moment shows that the first one did."""

    def first():
        run = newest(stack, name)
        return run if run and run.due > after else None

    def later():
        run = newest(stack, name)
        return run if run and (run.due > began.due or run.state is RunState.ENDED) else None

    began = wait_until(first, timeout, f"a run of {name} has started")
    return wait_until(later, timeout, f"a run of {name} has ended")


def who_ticks(stack, *beats):
    return [beat for beat in beats if "beat.ticks" in stack.log_of(beat)]


def start_second_beat(stack):
    """It leaves the ticking to the first."""
    (stack.directory / "beat-twin.log").write_text("")
    stack.start_twin("beat")
    wait_until(lambda: "beat.stands_by" in stack.log_of("beat-twin"), 30, "the second beat stands by")
    assert not who_ticks(stack, "beat-twin")


def ticks_of(stack):
    key = f"{stack.settings.key_prefix}:{{front}}:beat:sweep"
    return int(stack.redis.hget(key, "meta").partition('"total_run_count": ')[2].partition("}")[0])


def test_an_entry_runs_at_its_times_and_its_intents_end(scheduled):
    run = await_end(scheduled, "skipping")
    assert (run.due % 1, run.intents, run.failed, run.attempt) == (0, 1, 0, 1)
    assert run.started_at - run.due < 0.9
    assert scheduled.batches()


def test_a_command_prints_intents_and_they_are_enqueued(scheduled):
    run = await_end(scheduled, "printing")
    assert (run.intents, run.failed, run.reason) == (2, 0, "")


def test_while_a_run_is_open_one_entry_leaves_the_next_out_and_the_other_lets_one_wait(scheduled):
    scheduled.lane.pause("a test", polling=True)
    try:
        skipping = wait_until(lambda: leaves_out(record(scheduled, "skipping")), 30, "a run is left out")
        queueing = wait_until(lambda: lets_wait(record(scheduled, "queueing")), 30, "a run waits")
        assert "has not ended: 1 of its 1 intents are open" in skipping.reason
        assert queueing.skipped is None
    finally:
        scheduled.lane.resume()
    resumed_at = time.time()
    assert await_a_later_run(scheduled, "queueing", after=queueing.run.due).attempt == 1
    assert await_a_later_run(scheduled, "skipping", after=skipping.run.due).due > resumed_at - 1


def test_of_two_beats_one_ticks_and_the_other_takes_over_when_it_is_frozen_or_killed(scheduled):
    start_second_beat(scheduled)
    scheduled.signal("beat", signal.SIGSTOP)
    wait_until(lambda: who_ticks(scheduled, "beat-twin"), 30, "the second beat ticks")
    scheduled.signal("beat", signal.SIGCONT)
    wait_until(lambda: "beat.stands_by" in scheduled.log_of("beat"), 30, "the first one sees that it is late")
    before, began_at = ticks_of(scheduled), time.monotonic()
    time.sleep(1.2)
    ticked, passed = ticks_of(scheduled) - before, time.monotonic() - began_at
    assert 0.3 * passed / 0.3 <= ticked <= passed / 0.3 + 1

    scheduled.kill("beat-twin")
    killed_at = time.time()
    wait_until(lambda: scheduled.log_of("beat").count("beat.ticks") > 1, 30, "the first beat ticks again")
    assert time.time() - killed_at < 8  # a lock of one second and a look; a busy machine adds to it
    assert await_end(scheduled, "skipping", after=killed_at + 1).attempt == 1


def test_the_times_continue_after_the_server_was_killed(scheduled):
    scheduled.server.kill()
    time.sleep(1)
    scheduled.server.start()
    came_back_at = time.time()

    def goes_on():
        scheduled.revive()  # as `up` does: kombu ends a worker whose connection breaks while it holds messages
        run = newest(scheduled, "skipping")
        return run and run.state is RunState.ENDED and run.due > came_back_at

    assert wait_until(
        goes_on, 30, "a run that was due after the restart has ended"
    )  # one that was cut off is held a while
