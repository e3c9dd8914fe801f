"""Time in which a request could have been sent and was not: counted at the claim, shown before it."""

import time

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.lane_kit import LONG, accept, claim, new_intent, settle
from worker.ledger.records import BatchState, Outcome

SLOT, PAUSE = 0.05, 0.15  # seconds
ROUNDING = 0.003  # the ledger counts in milliseconds


@pytest.fixture
def send(lane):
    """A claim by somebody else each time."""
    return lambda **options: claim(lane, owner=str(time.monotonic()), lease=0, slot=SLOT, **options)


@pytest.fixture
def counted(look):
    return lambda: look(slot_seconds=SLOT).value("slot_idle_seconds_total")


@pytest.fixture
def shown(look):
    return lambda **settings: look(slot_seconds=SLOT, **settings).value("slot_idle_now_seconds")


def around(act):
    """The moments before and after it: whatever it does happens between them, on a busy machine, too."""
    before = time.monotonic()
    act()
    return before, time.monotonic()


def check_idle(tell, since, act=lambda: None):
    """What is told is the time from `since` until now, or until `act`, less a slot."""
    earliest, _ = around(act)
    told = tell()
    assert earliest - since[1] - SLOT - ROUNDING <= told <= time.monotonic() - since[0] - SLOT + ROUNDING


def check_none_before(told, since):
    """All idleness that was counted is younger."""
    assert told <= max(0, time.monotonic() - since) + ROUNDING


def test_what_is_sent_at_once_costs_nothing_and_waiting_beyond_the_slot_is_counted(lane, send, counted):
    ready, _ = around(lambda: lane.record([new_intent(1, range(1, 201))]))
    first, _ = around(lambda: accept(lane, send()))
    at_first = counted()
    check_none_before(at_first, ready + SLOT)
    time.sleep(SLOT / 2)
    sent = around(lambda: accept(lane, send()))
    before = counted()
    check_none_before(before - at_first, first + SLOT)
    time.sleep(PAUSE)
    check_idle(lambda: counted() - before, sent, lambda: accept(lane, send()))


def test_what_is_not_sent_yet_is_shown_and_then_counted(lane, send, counted, shown):
    ready = around(lambda: lane.record([new_intent(1)]))
    time.sleep(PAUSE)
    check_idle(shown, ready)
    assert counted() == 0
    check_idle(counted, ready, lambda: accept(lane, send()))
    assert shown() == 0


def test_time_without_work_is_no_idleness(lane, send, counted, shown):
    lane.record([new_intent(1)])
    accept(lane, send())
    time.sleep(PAUSE)
    assert shown() == 0
    ready, _ = around(lambda: lane.record([new_intent(2, [2])]))
    accept(lane, send())
    check_none_before(counted(), ready)


def test_time_after_the_work_was_withdrawn_is_no_idleness(lane, send, counted, shown):
    lane.record([new_intent(1)])
    lane.end_pending(1, Outcome(OutcomeKind.CANCELED))
    time.sleep(PAUSE)
    assert shown() == 0
    ready, _ = around(lambda: lane.record([new_intent(2, [2])]))
    accept(lane, send())
    check_none_before(counted(), ready)


def test_a_pause_is_no_idleness(lane, send, counted, shown, look):
    lane.record([new_intent(1)])
    lane.pause("by hand", polling=True)
    lane.pause("still", polling=True)
    time.sleep(PAUSE)
    assert (shown(), look().value("paused"), look().value("pauses_total")) == (0, 1, 1)
    assert send().why == "paused"
    resumed, _ = around(lane.resume)
    accept(lane, send())
    check_none_before(counted(), resumed)
    assert look().value("paused") == 0


def test_waiting_for_open_jobs_is_no_idleness_and_waiting_after_the_first_has_ended_is(lane, send, counted, shown):
    lane.record([new_intent(1, range(1, 151))])
    for _ in range(2):
        accept(lane, send())
    assert send(max_open=2).why == "full"
    before = counted()
    time.sleep(PAUSE)
    assert shown(max_open_jobs=2) == 0
    room = around(lambda: settle(lane, lane.pick("jobs", hold=LONG), BatchState.OPEN))
    time.sleep(PAUSE)
    check_idle(lambda: shown(max_open_jobs=2), room)
    check_idle(lambda: counted() - before, room, lambda: accept(lane, send(max_open=2)))


def test_a_batch_that_is_due_again_is_waited_for_from_that_moment(lane, send, counted, shown):
    lane.record([new_intent(1)])
    batch = send()
    given_back = around(
        lambda: lane.advance(batch, state=BatchState.SENDING, settled={}, then=BatchState.RESEND, delay=PAUSE)
    )
    due = [moment + PAUSE for moment in given_back]
    assert shown() == 0
    time.sleep(2 * PAUSE)
    check_idle(shown, due)
    check_idle(counted, due, lambda: accept(lane, send()))
