"""Slots of one endpoint on a real server, shared by everybody who uses the same key."""

import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from redis import Redis

from tests.support.clock_steps import set_server_clock
from tests.support.waiting import fair_now
from worker.pacing.slots import LATENESS, PAUSED_WHILE_UNANSWERED, Reservation, Slots

SLOT = 0.1
HOLD = SLOT + PAUSED_WHILE_UNANSWERED * SLOT  # until a reservation that nobody settles is over
AT_ONCE = 0.02


@pytest.fixture
def key(prefix):
    return f"{prefix}:{{lane}}:slot:submit"


@pytest.fixture
def slots(redis, key):
    return Slots(redis, key, SLOT)


def accept(slots, reservation):
    return slots.settle(reservation, answered_at=time.monotonic(), round_trip=0.001, verdict="accepted")


def test_the_first_slot_opens_at_once_and_is_taken_once(slots):
    assert slots.opens_in() == 0
    assert isinstance(slots.reserve(ahead=0), Reservation)
    assert isinstance(slots.reserve(ahead=0), float)
    assert HOLD - AT_ONCE < slots.opens_in() <= HOLD + 0.01


def test_looking_reserves_nothing(slots):
    for _ in range(3):
        assert slots.opens_in() == 0
    assert isinstance(slots.reserve(ahead=0), Reservation)


def test_processes_never_get_slots_closer_than_the_spacing(redis_url, key):
    taken, lock = [], threading.Lock()

    def send(count):
        with Redis.from_url(redis_url, decode_responses=True) as own:
            mine = Slots(own, key, 2 * SLOT)
            for _ in range(count):
                reservation = mine.take(ahead=30)
                moment = time.monotonic()
                with lock:
                    taken.append((moment, reservation.id))
                mine.settle(reservation, answered_at=time.monotonic(), round_trip=0.0, verdict="accepted")

    threads = [threading.Thread(target=send, args=(4,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    taken.sort()
    assert len(taken) == len({number for _, number in taken}) == 12
    # However late a thread noted its moment: its slot was settled after that, and the next one counts from there.
    assert min(later - earlier for (earlier, _), (later, _) in pairwise(taken)) >= 2 * SLOT


def test_a_late_answer_of_an_earlier_reservation_moves_nothing(redis, key, slots):
    early = slots.reserve(ahead=0)
    second = slots.reserve(ahead=1)
    assert isinstance(second, Reservation)
    before = redis.hget(key, "next")
    accept(slots, early)
    slots.give_back(early)
    assert redis.hget(key, "next") == before


def test_a_pause_holds_although_other_requests_have_left_since(slots):
    refused, other = slots.reserve(ahead=0), slots.reserve(ahead=1)
    assert isinstance(other, Reservation)
    slots.settle(refused, verdict="rejected")
    slots.hold_off(refused, 5)
    assert 4.9 < slots.opens_in() <= 5
    accept(slots, other)
    slots.give_back(other)
    assert 4.9 < slots.opens_in() <= 5


def test_a_pause_ends(slots):
    reservation = slots.reserve(ahead=0)
    accept(slots, reservation)
    slots.hold_off(reservation, 2 * SLOT)
    began = time.monotonic()
    assert slots.take(ahead=1) is not None
    assert time.monotonic() - began > 2 * SLOT - AT_ONCE


def test_what_a_process_may_be_earlier_does_not_shorten_a_pause(redis, key):
    far = Slots(redis, key, 1.0)
    for _ in range(40):
        far.spacing.learn(0.4)
    reservation = far.reserve(ahead=1)
    far.settle(reservation, verdict="accepted", answered_at=time.monotonic(), round_trip=0.4)
    far.hold_off(reservation, 0.9)
    assert far.opens_in() == pytest.approx(0.9, abs=0.02)


def test_holding_off_never_opens_a_slot_earlier(slots):
    reservation = slots.reserve(ahead=0)
    slots.settle(reservation, answered_at=None, round_trip=None, verdict="strike")
    slots.hold_off(reservation, 5)
    slots.hold_off(reservation, 0.01)
    assert 4.9 < slots.opens_in() <= 5


def test_a_reservation_of_one_who_died_blocks_for_its_hold_only(slots):
    slots.reserve(ahead=0)
    began = fair_now()
    assert slots.take(ahead=1) is not None
    assert fair_now() - began < HOLD + AT_ONCE + 0.05


def test_a_slot_that_is_given_back_opens_at_once(slots):
    slots.give_back(slots.reserve(ahead=0))
    assert slots.opens_in() < 0.001


def test_no_slot_in_time_is_said_at_once_and_reserves_nothing(redis, key, slots):
    reservation = slots.reserve(ahead=0)
    slots.hold_off(reservation, 60)
    began = fair_now()
    assert slots.take(ahead=0.2) is None
    assert fair_now() - began < 0.1
    assert int(redis.hget(key, "id")) == reservation.id


def test_who_wakes_too_late_gives_the_slot_back_and_takes_another(slots, monkeypatch):
    """By a clock that goes on only while the process sleeps: how busy the machine is does not matter."""
    slots.give_back(slots.reserve(ahead=0))
    clock = SimpleNamespace(now=time.monotonic(), late=iter([SLOT * LATENESS * 2]))

    def sleep(seconds):
        clock.now += max(seconds, next(clock.late, 0))

    monkeypatch.setattr("worker.pacing.slots.time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    reservation = slots.take(ahead=1)
    assert reservation.id == 3
    assert clock.now - reservation.opens_at < SLOT * LATENESS


def test_strikes_in_a_row_are_counted_for_the_lane_until_an_answer_comes(redis, key, slots):
    def strike():
        return slots.settle(slots.reserve(ahead=1), answered_at=None, round_trip=None, verdict="strike")

    assert [strike(), strike()] == [1, 2]
    assert Slots(redis, key, SLOT).settle(Reservation(0, 0), answered_at=None, round_trip=None, verdict="neutral") == 2
    assert accept(slots, slots.reserve(ahead=1)) == 0
    assert strike() == 1


def test_refusals_in_a_row_are_counted_for_the_lane_until_a_request_is_accepted(redis, key, slots):
    def refused(mine):
        reservation = mine.take(ahead=1)
        return mine.settle(reservation, answered_at=time.monotonic(), round_trip=0.001, verdict="rejected")

    assert [refused(slots), refused(Slots(redis, key, SLOT)), refused(slots)] == [1, 2, 3]
    assert accept(slots, slots.take(ahead=1)) == 0
    assert refused(slots) == 1


@pytest.mark.parametrize("seconds", [-86_400, -120, 120, 86_400])
def test_a_server_clock_that_is_set_neither_shuts_nor_opens_the_slot(redis, key, slots, seconds):
    slots.hold_off(slots.reserve(ahead=0), 0.5)
    set_server_clock(redis, key, seconds)
    assert 0.4 < slots.opens_in() <= 0.6  # it may lose what was not noted
    reservation = slots.take(ahead=1)
    slots.settle(reservation, answered_at=None, round_trip=None, verdict="strike")
    assert 0 < slots.opens_in() <= SLOT + 0.01


def test_what_one_process_knows_of_its_route_gives_another_no_earlier_slot(redis, key):
    near, far = (Slots(redis, key, 1.0) for _ in range(2))
    for _ in range(40):
        far.spacing.learn(0.4)
    reservation = far.reserve(ahead=1)
    far.settle(reservation, verdict="accepted", answered_at=time.monotonic(), round_trip=0.4)
    assert far.opens_in() == pytest.approx(0.6, abs=0.05)
    assert near.opens_in() == pytest.approx(1.0, abs=0.05)
