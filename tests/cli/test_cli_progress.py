"""How progress is shown, and how a crowd of intents is followed."""

import io
import threading
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.console import Console

from worker.cli import intent_follower
from worker.cli.intent_follower import Throughput
from worker.cli.progress import Bars, Figures, ProgressLines, display_for, items_bar
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.errors import UnreachableError
from worker.operating.tracking import IntentTracker, Listed, Totals

OPEN = Totals(
    total=10,
    accepted=10,
    in_flight=2,
    succeeded=3,
    unchanged=0,
    failed=1,
    superseded=1,
    canceled=0,
    expired=0,
    open_intents=4,
)
FIGURES = Figures(OPEN, requests=3, slot_use=0.9, seconds_left=7.4)


def text_of(show, *, terminal=False):
    out = io.StringIO()
    show(Console(file=out, force_terminal=terminal, width=120))
    return out.getvalue()


def test_a_line_tells_counts_requests_slot_use_and_time_left():
    def show(console):
        ProgressLines(console).show(FIGURES)

    line = text_of(show)
    assert line == "accepted 10/10 · sent 7 · settled 5 · 3 requests · 90% of the slots used · at least 7 s left\n"


def test_items_that_are_read_are_counted_on_a_terminal_only():
    def show(console):
        with items_bar(console, 120) as count:
            count(50)

    assert "50/120" in text_of(show, terminal=True)
    assert text_of(show) == ""


def test_lines_come_every_few_seconds_and_unchanged_ones_rarely():
    now = [0.0]

    def show(console):
        lines = ProgressLines(console, clock=lambda: now[0])
        for second in range(60):
            now[0] = float(second)
            lines.show(replace(FIGURES, requests=min(second, 12)))

    assert len(text_of(show).splitlines()) == 6  # 0, 3, 6, 9, 12 s; and once more after half a minute


def test_the_end_is_always_said():
    def show(console):
        lines = ProgressLines(console, clock=lambda: 0.0)
        lines.show(FIGURES)
        lines.show(replace(FIGURES, totals=replace(OPEN, open_intents=0)))

    assert text_of(show).splitlines()[-1].endswith("done")


def test_bars_on_a_terminal():
    def show(console):
        with display_for(console, 10) as display:
            assert isinstance(display, Bars)
            display.show(replace(FIGURES, remark="lane default is paused: [quota]"))

    text = text_of(show, terminal=True)
    assert "settled" in text
    assert "5/10" in text
    assert "paused: [quota]" in text


def test_slot_use_counts_from_the_first_request_to_the_last():
    class View:
        lane = "default"

        def __init__(self, taken):
            self.figures = type("Figures", (), {"slots_taken": taken})

    pace = Throughput(1.0, {"default": 100})
    for now, taken in ((5, 100), (6, 101), (7, 102), (8, 102), (10, 104), (30, 104)):
        pace.note([View(taken)], now)
    assert pace.requests == 4
    assert pace.slot_use == pytest.approx(4 / 5)


def test_watching_costs_a_bounded_number_of_reads(ledger, command, redis, prefix, monkeypatch):
    monkeypatch.setattr("worker.operating.tracking.PER_LOOK", 3)
    ids = [(command.enqueue(item), 1) for item in range(1, 8)]
    ledger.do_all({5: "WorkItemTerminated"})
    watch = IntentTracker(LedgerReads(redis, prefix), Listed([*ids, ("forgotten", 1)]))
    looks = 0
    while not watch.is_over:
        watch.look()
        looks += 1
    assert looks == 3
    assert (watch.totals().succeeded, watch.totals().failed, watch.forgotten) == (6, 1, 1)
    assert watch.failures.groups()[0].items[0][0] == "5"


def test_what_failed_in_an_earlier_run_is_distinguished(ledger, command, redis, prefix):
    """A corrected file under the same import id has rows of both kinds."""
    old, new = command.enqueue(1, 2), command.enqueue(3)
    ledger.take_in()
    ledger.settle(ledger.claim(), failed={1: "before"})
    began_at = ledger.lane.now()
    newer = command.enqueue(4)
    ledger.do_all({4: "now"})
    watch = IntentTracker(LedgerReads(redis, prefix), Listed([(old, 2), (new, 1), (newer, 1)]), began_at)
    watch.look()
    assert [(group.code, group.count) for group in watch.failures.groups()] == [("now", 1)]
    assert [(group.code, group.count) for group in watch.failed_before.groups()] == [("before", 1)]
    assert (watch.totals().failed, watch.totals().succeeded) == (2, 2)


def test_sent_is_never_less_than_settled_whatever_is_shared_or_superseded(ledger, command, redis, prefix):
    ids = [command.enqueue(1), command.enqueue(1), command.enqueue(2), command.enqueue(2, after='"later"')]
    watch = IntentTracker(LedgerReads(redis, prefix), Listed([(intent, 1) for intent in ids]))
    seen = []

    def look():
        watch.look()
        seen.append((watch.totals().sent, watch.totals().settled))

    ledger.take_in()
    look()
    for _ in range(2):
        batch = ledger.claim()
        look()
        ledger.settle(batch)
        look()
    assert seen == [(0, 0), (2, 0), (2, 2), (3, 2), (4, 4)]


def test_a_shared_change_in_a_request_is_pending_for_no_person(ledger, command):
    ids = [command.enqueue(1), command.enqueue(1)]
    ledger.take_in()
    batch = ledger.claim()
    for intent in ids:
        told = command.json("show", intent)
        assert (told["pending"], told["in_flight"], told["items"][0]["state"]) == (0, 1, "in flight")
    ledger.settle(batch)
    assert [command.json("show", intent)["requests"] for intent in ids] == [1, 1]


def test_watching_sees_progress(ledger, command, redis, prefix):
    watch = IntentTracker(LedgerReads(redis, prefix), Listed([(command.enqueue(*range(1, 61)), 60)]))
    seen = []

    def look():
        watch.look()
        totals = watch.totals()
        seen.append((totals.accepted, totals.sent, totals.settled))

    look()
    ledger.take_in()
    look()
    batch = ledger.claim()
    look()
    ledger.settle(batch)
    look()
    ledger.settle(ledger.claim())
    look()
    assert seen == [(0, 0, 0), (60, 0, 0), (60, 50, 0), (60, 50, 50), (60, 60, 60)]
    assert watch.is_over


def test_an_absence_of_redis_is_borne_for_a_while(monkeypatch):
    class Absent:
        is_over = False

        def look(self):
            raise RedisConnectionError

        def totals(self):
            return OPEN

    out = io.StringIO()
    monkeypatch.setattr(intent_follower, "TICK", 0.01)
    monkeypatch.setattr(intent_follower, "PATIENCE", 0.1)
    follower = intent_follower.IntentFollower(session=None, watch=Absent(), pace=Throughput(1.0, {}))
    with pytest.raises(UnreachableError, match="the recorded work is safe in it"):
        follower.run(ProgressLines(Console(file=out, width=200)), threading.Event())
    assert out.getvalue().count("Redis does not answer") == 1
