"""Several intakes at once: one takes entries, the others find it at work; nothing is stranded, nothing counts as broken."""

import threading
import time

import pytest

from tests.pipeline.intake_kit import wish
from tests.support.waiting import PATIENCE
from worker.ledger.lane import Lane
from worker.pipeline.intake import ENTRIES_PER_ROUND


class Gate:
    """Lets a test hold an intake right before it records."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def lane(self):
        gate = self

        class HeldLane(Lane):
            def record(self, intents):
                gate.reached.set()
                assert gate.opened.wait(PATIENCE)
                return super().record(intents)

        return HeldLane


@pytest.fixture
def held(site):
    """An intake that stands before recording "first"; `finish()` lets it go on and returns what its drain said."""
    gate, answers = Gate(), []
    site.enqueue(wish("first"))

    def start(lease=30.0):
        intake = site.intake(lane=gate.lane(), lease=lease)
        thread = threading.Thread(target=lambda: answers.append(intake.drain()))
        thread.start()
        assert gate.reached.wait(PATIENCE)

        def finish():
            gate.opened.set()
            thread.join(PATIENCE)
            return answers[0]

        return finish

    yield start
    gate.opened.set()


def test_drains_beside_a_live_round_do_nothing_and_count_nothing(site, held, redis):
    finish = held()
    assert [site.intake().drain() for _ in range(6)] == [0] * 6
    assert not redis.exists(site.inbox.keys.attempts)
    assert finish() == 1
    assert site.located("first") == (1, "default")
    assert site.record(1)["opn"] == "2"
    assert not redis.exists(site.inbox.keys.lock, site.inbox.keys.round, site.inbox.keys.attempts)


def test_what_came_while_another_process_recorded_is_recorded_by_that_one(site, held):
    finish = held()
    site.enqueue(wish("second"))
    assert site.intake().drain() == 0
    assert finish() == 2
    assert site.inbox.length() == 0


def test_threads_of_one_process_take_turns_too(site, held, redis):
    finish = held()
    other = site.intake()
    others = [threading.Thread(target=other.drain) for _ in range(4)]
    for one in others:
        one.start()
    for one in others:
        one.join(PATIENCE)
    assert not redis.exists(site.inbox.keys.attempts)
    assert finish() == 1


def test_who_leaves_off_in_time_gives_the_lock_back_and_sends_a_hint(site, redis):
    site.enqueue(*(wish(f"one-{number}", items=(number,)) for number in range(1, ENTRIES_PER_ROUND + 2)))
    redis.delete(site.inbox.keys.hint)
    assert site.intake().drain(longest=0) == ENTRIES_PER_ROUND
    assert redis.exists(site.inbox.keys.hint)
    assert not redis.exists(site.inbox.keys.lock, site.inbox.keys.round)
    assert site.intake().drain() == 1


def test_of_large_entries_a_round_reads_a_few_the_oldest(site):
    site.enqueue(*(wish(f"large-{number}", items=tuple(range(1, 9000)), value=number) for number in range(50)))
    taken = site.inbox.take_round("me", 30, ENTRIES_PER_ROUND, ended=True)
    assert 20 <= len(taken.entries) <= 40
    assert [entry.number for entry in taken.entries] == list(range(1, len(taken.entries) + 1))
    site.inbox.end_rounds("me", ended=True)
    small = site.inbox.take_round("me", 30, 3, ended=True)
    assert [entry.number for entry in small.entries] == [1, 2, 3]


def test_a_round_whose_process_fell_silent_is_continued_one_by_one(site, held, redis):
    finish = held(lease=0.05)
    time.sleep(0.1)
    assert site.intake().drain() == 1
    assert site.located("first") == (1, "default")
    assert not redis.exists(site.inbox.keys.lock, site.inbox.keys.round, site.inbox.keys.attempts)
    assert finish() == 1  # it woke: recording again changed nothing
    assert site.record(1)["opn"] == "2"
    assert site.lanes["default"].counts().owned_cells == 2


def test_who_woke_after_its_lock_ran_out_touches_no_lock_of_another_process(site, held, redis):
    inbox = site.inbox
    held(lease=0.05)
    time.sleep(0.1)
    taken = inbox.take_round("successor", 30, 10, ended=False)
    assert taken.interrupted
    [owner] = {redis.get(inbox.keys.lock), redis.get(inbox.keys.round)}
    assert owner == "successor"
    assert not inbox.end_rounds("predecessor", ended=True)
    assert inbox.take_round("predecessor", 99, 10, ended=True).entries == []
    assert inbox.count_attempt("predecessor", 99, 1) == 0
    assert not redis.exists(inbox.keys.attempts)
    assert redis.get(inbox.keys.lock) == redis.get(inbox.keys.round) == "successor"
    assert redis.pttl(inbox.keys.lock) <= 30_000


def test_a_careful_round_ends_where_its_lock_was_lost(site, redis):
    site.enqueue(wish("first"), wish("second"))
    inbox = site.inbox
    inbox.take_round("dead", 0.001, 10, ended=False)

    class Slow(Lane):
        def record(self, intents):
            answer = super().record(intents)
            redis.set(inbox.keys.lock, "successor", px=30_000)
            redis.set(inbox.keys.round, "successor")
            return answer

    time.sleep(0.01)
    assert site.intake(lane=Slow).drain() == 1
    assert inbox.length() == 1
    assert redis.get(inbox.keys.round) == "successor"


def test_an_empty_drain_is_one_call(site, redis):
    before = redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    site.intake().drain()  # the script is loaded
    again = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    site.intake().drain()
    after = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert after - again == 1
    assert again > before
    assert not redis.exists(site.inbox.keys.lock)
