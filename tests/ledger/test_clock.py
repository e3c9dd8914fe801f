"""The ledger's clock goes on as before, to whatever the server's is set."""

import time

import pytest

from tests.support.clock_steps import set_server_clock
from tests.support.lane_kit import accept, claim, claim_and_settle, new_intent
from worker.ledger import scripts
from worker.ledger.lane import Lane
from worker.ledger.reads.lane_health import read_lane_health
from worker.ledger.records import BatchState, NoBatch, NoBatchReason

NOTED = 0.1  # seconds that the clock may lose when it is set back
STEPS = [-3600, -120, -5, 5, 120, 3600]  # seconds


def step(redis, lane, seconds):
    set_server_clock(redis, lane.prefix, seconds)


def see_as(monkeypatch, machine, steady):
    monkeypatch.setattr(scripts, "witness", lambda: f"{machine} {round(steady * 1e6)}")


@pytest.fixture
def working(lane):
    lane.record([new_intent(1, range(1, 101))])
    return lane


@pytest.mark.parametrize("seconds", STEPS)
def test_a_lease_holds_for_as_long_as_it_was_taken(working, redis, seconds):
    claim(working, "A", lease=0.4)
    step(redis, working, seconds)
    held = claim(working, "B")
    assert held.why is NoBatchReason.HELD
    assert 0 < held.retry_after <= 0.4 + NOTED
    time.sleep(0.45 + NOTED)
    assert claim(working, "B").kind == BatchState.REASK


@pytest.mark.parametrize("seconds", STEPS)
@pytest.mark.parametrize(("state", "where"), [(BatchState.OPEN, "jobs"), (BatchState.CHECK, "checks")])
def test_what_is_looked_at_later_is_looked_at_when_it_was_to_be(working, redis, seconds, state, where):
    working.advance(claim(working), state=BatchState.SENDING, settled={}, then=state, delay=0.4)
    step(redis, working, seconds)
    assert 0.1 < working.pick(where, hold=1) <= 0.4 + NOTED
    time.sleep(0.45 + NOTED)
    batch = working.pick(where, hold=1)
    assert 400 <= batch.number_field("now") - batch.number_field("sent") < 2000


@pytest.mark.parametrize("seconds", STEPS)
def test_a_batch_that_is_sent_again_later_waits_neither_longer_nor_shorter(lane, redis, seconds):
    lane.record([new_intent(1)])
    lane.advance(claim(lane), state=BatchState.SENDING, settled={}, then=BatchState.RESEND, delay=0.4)
    step(redis, lane, seconds)
    idle = claim(lane)
    assert isinstance(idle, NoBatch)
    assert 0 < idle.retry_after <= 0.4 + NOTED
    assert lane.has_due()
    time.sleep(0.45 + NOTED)
    assert claim(lane).kind == BatchState.RESEND


@pytest.mark.parametrize("seconds", STEPS)
def test_an_end_is_published_at_once_and_again_when_it_was_to_be(lane, redis, seconds):
    lane.record([new_intent(1), new_intent(2, [2])])
    claim_and_settle(lane)
    assert len(lane.take_outbox(10, 0.3)) == 2
    step(redis, lane, seconds)
    assert lane.take_outbox(10, 0.3) == []
    time.sleep(0.35 + NOTED)
    assert len(lane.take_outbox(10, 0.3)) == 2


def test_a_second_step_is_found_as_the_first(working, redis):
    claim(working, "A", lease=100)
    for seconds in (3600, -7200, 3600, -120, 120):
        step(redis, working, seconds)
        assert claim(working, "B").why is NoBatchReason.HELD
    assert 90 < claim(working, "B").retry_after <= 100  # not by a step, and with time for a busy machine


def test_what_people_see_of_a_lane_goes_by_the_same_clock(working, redis):
    accept(working, claim(working), delay=0.0)
    working.sweep(10, 10)
    step(redis, working, 3600)
    working.sweep(10, 10)
    seen = read_lane_health(redis, working.keys)
    assert seen.job_overdue < 2
    assert seen.swept < 2


def test_expiry_goes_by_the_server_s_clock(lane, redis, record_of):
    """It is a moment that a producer named."""
    soon = round((lane.wall() + 60) * 1000)
    lane.record([new_intent(1, expires_at_ms=soon), new_intent(2, [2], "w", expires_at_ms=soon - 70_000)])
    step(redis, lane, 3600)
    assert claim(lane).intents == (1,)
    assert record_of(2)["ex"] == "1"
    assert "ex" not in record_of(1)


def test_time_in_which_no_worker_ran_has_passed_if_its_machine_was_up(working, redis, monkeypatch):
    see_as(monkeypatch, "a", 1000)
    claim(working, "A", lease=600)
    set_server_clock(redis, working.prefix, 900)  # so much later
    see_as(monkeypatch, "a", 1900)
    assert claim(working, "B").kind == BatchState.REASK


def test_a_machine_that_was_never_seen_cannot_say_how_much_time_has_passed(working, redis, monkeypatch):
    see_as(monkeypatch, "a", 1000)
    claim(working, "A", lease=3)
    set_server_clock(redis, working.prefix, 900)
    see_as(monkeypatch, "b", 5)
    assert 1.5 < claim(working, "B").retry_after <= 2.0
    see_as(monkeypatch, "b", 8)
    set_server_clock(redis, working.prefix, 3)
    assert claim(working, "B").kind == BatchState.REASK


def test_a_call_that_was_on_its_way_for_long_makes_nothing_earlier(working, redis, monkeypatch):
    see_as(monkeypatch, "a", 1000)
    claim(working, "A", lease=20)
    set_server_clock(redis, working.prefix, 10)  # so much later, says the server
    see_as(monkeypatch, "a", 1003)  # and the caller when it asked
    assert claim(working, "B").retry_after >= 16


def test_machines_that_come_and_go_are_forgotten(working, redis, monkeypatch):
    for number in range(100):
        see_as(monkeypatch, f"m{number}", 1000)
        working.sweep(10, 10)
    assert redis.hlen(working.keys.named("clock")) <= 35


def test_hints_and_refusals_that_the_clock_would_keep_for_an_hour_are_over(lane, redis):
    """Redis counts the end of a key by its own clock."""
    assert lane.want_hint("poll")
    assert not lane.want_hint("poll")
    redis.pexpire(lane.keys.named("hint:poll"), 3_600_000)
    assert lane.want_hint("poll")
    lane.record([new_intent(1)])
    lane.hold(3)
    assert claim(lane).why is NoBatchReason.IDLE
    redis.pexpire(lane.keys.named("hold"), 3_600_000)
    assert claim(lane).number == 1
    lane.hold_hint("poll", 30)
    assert not lane.want_hint("poll")
    redis.pexpire(lane.keys.named("hint:poll"), 150_000)
    assert lane.want_hint("poll")


def test_a_lane_counts_on_where_an_earlier_version_left_it(redis, prefix):
    lane = Lane(redis, prefix, "lane")
    lane.record([new_intent(1)])
    redis.delete(lane.keys.named("clock"))
    assert claim_and_settle(lane).number == 1
    assert abs(lane.now() - lane.wall()) < 0.01
