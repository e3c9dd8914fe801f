"""Which job to ask for, which cells to read back, and what is told afterwards."""

import json

import pytest
from redis import ResponseError

from feishu_batch.outcomes import OutcomeKind
from tests.support.lane_kit import LONG, accept, claim, claim_and_accept, claim_and_settle, new_intent, settle
from worker.ledger.lane import FORGET_INTENTS, FORGET_ITEMS
from worker.ledger.record_calls import record_calls
from worker.ledger.records import BatchState, Outcome


def open_jobs(lane, *intents):
    lane.record(intents)
    return [claim_and_accept(lane) for _ in intents]


def test_nothing_to_follow_and_nothing_due_are_distinguished(lane):
    assert lane.pick("jobs", hold=1) is None
    lane.record([new_intent(1)])
    accept(lane, claim(lane), delay=5)
    assert 4 < lane.pick("jobs", hold=1) <= 5
    assert lane.pick("jobs", hold=1, ahead=6).intents == (1,)


def test_a_picked_job_is_kept_from_others_for_a_while(lane):
    open_jobs(lane, new_intent(1))
    assert lane.pick("jobs", hold=5).intents == (1,)
    assert 4 < lane.pick("jobs", hold=5) <= 5


def test_the_longest_overdue_job_goes_first(lane, redis):
    batches = open_jobs(lane, *[new_intent(number, [number], f"v{number}") for number in (1, 2, 3)])
    redis.zadd(lane.keys.named("jobs"), {str(batches[2].number): 1, str(batches[1].number): 2})
    assert [lane.pick("jobs", hold=LONG).intents for _ in range(3)] == [(3,), (2,), (1,)]


@pytest.mark.parametrize("before_the_claim", [True, False])
def test_a_job_that_blocks_waiting_changes_goes_before_the_others(lane, redis, before_the_claim):
    waiting = new_intent(3, [2], "later", mode="APPEND")
    intents = [new_intent(1, [1], "v1"), new_intent(2, [2], "v2")]
    lane.record([*intents, waiting] if before_the_claim else intents)
    first, second = claim_and_accept(lane), claim_and_accept(lane)
    lane.record([waiting])
    redis.zadd(lane.keys.named("jobs"), {str(first.number): 1, str(second.number): 2})
    assert lane.pick("jobs", hold=LONG).number == second.number


def test_the_halves_of_a_split_batch_know_what_they_block(lane):
    lane.record([new_intent(1, [1, 2]), new_intent(2, [2], "later", mode="APPEND")])
    lane.split(claim(lane), "bad")
    halves = [claim_and_accept(lane) for _ in range(2)]
    assert {half.items: "blocks" in half.fields for half in halves} == {(1,): False, (2,): True}


def test_settling_lets_the_next_change_of_the_cell_go(lane):
    lane.record([new_intent(1, [1]), new_intent(2, [1], "later", mode="APPEND")])
    batch = claim(lane)
    assert not accept(lane, batch).became_ready
    assert settle(lane, lane.pick("jobs", hold=0), BatchState.OPEN).became_ready
    assert claim(lane).intents == (2,)


def test_each_settled_batch_leaves_one_line_and_only_the_last_hundred_are_kept(lane, redis):
    lane.record([new_intent(1, range(1, 5051))])
    for _ in range(101):
        settle(lane, claim(lane), outcome=Outcome.failed("c", "why"))
    lines = redis.lrange(lane.keys.named("recent"), 0, -1)
    newest = json.loads(lines[0])
    assert len(lines) == 100
    assert (newest["batch"], newest["size"], newest["failed"], newest["job"]) == (101, 50, 50, None)


# --- intents


def test_a_refused_intent_has_ended_at_once_and_is_refused_once(lane, record_of):
    for _ in range(2):
        lane.refuse(1, "intent-1", 1, [7, 8], Outcome.failed("unknown_lane", "no such lane"))
    assert (record_of(1)["fl"], record_of(1)["opn"], "end" in record_of(1)) == ("2", "0", True)
    assert json.loads(record_of(1)["er"]) == {"code": "unknown_lane", "reason": "no such lane"}
    assert lane.take_outbox(10, 1) == [(1, "intent-1")]
    assert [number for number, _ in lane.forgettable("failed", 0, 10)] == [1]


def test_an_ended_intent_is_reported_again_until_that_is_confirmed(lane):
    lane.record([new_intent(1)])
    claim_and_settle(lane)
    assert lane.has_unpublished()
    assert lane.take_outbox(10, 0) == lane.take_outbox(10, LONG) == [(1, "intent-1")]
    assert lane.take_outbox(10, 0) == []
    assert not lane.has_unpublished()
    assert lane.republish_if_ended(1)
    lane.confirm_published([1])
    assert lane.take_outbox(10, 0) == []


def test_an_open_intent_is_not_reported(lane):
    lane.record([new_intent(1, [1, 2])])
    settle(lane, claim(lane), items=[1])
    assert not lane.republish_if_ended(1)
    assert lane.take_outbox(10, 0) == []


def test_an_open_intent_is_not_forgotten(lane, record_of):
    lane.record([new_intent(1), new_intent(2, [2], "w")])
    claim_and_settle(lane)
    lane.forget([1, 2])
    assert not record_of(1)
    assert record_of(2)["opn"] == "1"


def test_a_group_is_forgotten_with_its_last_intent(lane, redis):
    lane.record([new_intent(1, [1]), new_intent(2, [2])])
    claim_and_settle(lane)
    lane.forget([1])
    assert redis.hlen(lane.keys.named("groups")) == 1
    lane.forget([2])
    assert redis.hlen(lane.keys.named("groups")) == 0
    lane.record([new_intent(3)])
    assert claim(lane).intents == (3,)


def test_no_call_that_forgets_has_many_items_to_free(lane, monkeypatch):
    sizes = dict(enumerate([*([10_000] * 3), *([3_000] * 8), *([1] * 170), 9_999, 2], start=1))
    for number, size in sizes.items():
        lane.refuse(number, f"id{number}", 1, range(size), CANCELED)
    calls, run = [], lane._run
    monkeypatch.setattr(lane, "_run", lambda script, *args: calls.append(args) or run(script, *args))
    lane.forget([*sizes, 999])
    assert [number for call in calls for number in call] == [*sizes, 999]
    assert max(sum(sizes.get(number, 0) for number in call) for call in calls) <= FORGET_ITEMS
    assert max(map(len, calls)) <= FORGET_INTENTS
    assert len(calls) == 3 + 3 + 4 + 1
    assert lane.forgettable("failed", -1, 999) == []


def test_a_request_that_many_items_of_a_sharer_were_in_counts_once(lane, record_of):
    lane.record([new_intent(1, range(1, 21)), new_intent(2, range(1, 21))])
    claim_and_settle(lane)
    assert (record_of(1)["rq"], record_of(2)["rq"], record_of(2)["ok"]) == ("1", "1", "20")


def test_requests_are_counted_when_they_left_for_all_who_want_the_change(lane, record_of):
    def requests():
        return [int(record_of(number).get("rq", 0)) for number in (1, 2)]

    lane.record([new_intent(1), new_intent(2)])
    for _ in range(3):  # put back: no slot, a space that is known to be refused
        lane.advance(claim(lane), state=BatchState.SENDING, settled={}, then=BatchState.RESEND)
    assert requests() == [0, 0]
    lane.advance(claim(lane), state=BatchState.SENDING, settled={}, then=BatchState.RESEND, left=True)
    assert requests() == [1, 1]
    claim(lane, lease=0)  # it dies with the request in its hands
    batch = claim(lane, owner="B")
    assert (batch.kind, requests()) == ("reask", [2, 2])
    settle(lane, batch)
    assert requests() == [3, 3]


def test_a_refused_request_counts_for_both_halves(lane, record_of):
    lane.record([new_intent(1, [1, 2]), new_intent(2, [2])])
    lane.split(claim(lane), "one is bad")
    assert [record_of(number)["rq"] for number in (1, 2)] == ["1", "1"]
    claim_and_settle(lane)
    claim_and_settle(lane)
    assert [record_of(number)["rq"] for number in (1, 2)] == ["3", "2"]


def test_a_shared_change_is_in_flight_for_all_who_want_it(lane, record_of):
    lane.record([new_intent(1, [1, 2]), new_intent(2, [2, 3])])
    batch = claim(lane)
    assert [record_of(number)["snt"] for number in (1, 2)] == ["2", "2"]
    settle(lane, batch, items=[2])
    assert [record_of(number)["snt"] for number in (1, 2)] == ["1", "1"]


# --- canceling


CANCELED = Outcome(OutcomeKind.CANCELED)


def test_what_a_batch_holds_keeps_its_own_course(lane, record_of):
    lane.record([new_intent(1, range(1, 61))])
    batch = claim(lane)
    assert lane.end_pending(1, CANCELED).intents_ended == 0
    assert (record_of(1)["cn"], record_of(1)["opn"]) == ("10", "50")
    assert settle(lane, batch).intents_ended == 1


def test_a_shared_change_continues_for_those_who_still_want_it(lane, record_of):
    lane.record([new_intent(1), new_intent(2), new_intent(3)])
    lane.end_pending(1, CANCELED)
    assert claim_and_settle(lane).intents == (2,)
    assert [record_of(number).get("ok") for number in (1, 2, 3)] == [None, "1", "1"]


def test_a_shared_change_in_the_middle_of_a_line_keeps_its_place(lane):
    lane.record([new_intent(1, mode="APPEND"), new_intent(2, value="b"), new_intent(3, value="b")])
    lane.record([new_intent(4, mode="APPEND", value="d")])
    lane.end_pending(2, CANCELED)
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(1,), (3,), (4,)]


def test_a_shared_change_is_as_urgent_as_the_most_urgent_who_still_wants_it(lane):
    lane.record([new_intent(1, [1], "a"), new_intent(2, [2], "b"), new_intent(3, [2], "b", priority=9)])
    lane.record([new_intent(4, [3], "c", priority=7)])
    lane.end_pending(3, CANCELED)
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(4,), (1,), (2,)]


@pytest.mark.parametrize(("priority", "order"), [(9, [(2,), (1,)]), (0, [(1,), (2,)])])
def test_a_sharer_makes_a_waiting_change_more_urgent_but_never_less(lane, priority, order):
    lane.record([new_intent(1, [1], "a"), new_intent(2, [2], "b"), new_intent(3, [2], "b", priority=priority)])
    assert [claim_and_settle(lane).intents for _ in range(2)] == order


def test_a_shared_change_that_comes_to_the_front_is_as_urgent_as_its_sharers(lane):
    lane.record([new_intent(1, [1], "a", mode="APPEND"), new_intent(2, [1], "b"), new_intent(3, [1], "b", priority=9)])
    lane.record([new_intent(4, [2], "c", priority=7), new_intent(5, [3], "d", priority=7)])
    order = [claim_and_settle(lane).intents for _ in range(4)]
    assert order == [(1,), (2,), (4,), (5,)]  # what stands in its way is as urgent
    lane.record([new_intent(6, [1], "a", mode="APPEND", priority=8)])
    lane.record([new_intent(7, [1], "b"), new_intent(8, [1], "b", priority=9), new_intent(9, [2], "c", priority=7)])
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(6,), (7,), (9,)]


def test_items_that_are_recorded_after_the_cancel_are_canceled(lane, record_of, redis):
    """A worker dies between two chunks of a large intent; somebody cancels it; another worker records the rest."""
    intent = new_intent(1, range(1, 601))
    record_first_chunk_only(lane, intent)
    assert record_of(1)["nx"] == "500"
    lane.end_pending(1, CANCELED)
    lane.record([intent])
    assert (record_of(1)["cn"], record_of(1)["opn"], "nx" in record_of(1)) == ("600", "0", False)
    assert redis.hlen(lane.keys.named("cells")) == 0


def test_recording_continues_where_it_stopped(lane, record_of):
    intent = new_intent(1, range(1, 1201))
    record_first_chunk_only(lane, intent)
    batch = claim(lane)
    for _ in range(2):
        lane.record([intent])
    assert "nx" not in record_of(1)
    settle(lane, batch)
    assert sum(len(claim_and_settle(lane).items) for _ in range(23)) == 1150
    assert record_of(1)["ok"] == "1200"


def test_what_comes_after_a_failed_call_is_not_recorded_before_it(lane, redis, monkeypatch):
    """One call of a pipeline fails, for want of memory, say: a later one must not overtake it."""
    first, *others = record_calls(
        [new_intent(number, [1, 2], mode="APPEND", value=str(number)) for number in range(1, 600)]
    )
    monkeypatch.setattr("worker.ledger.lane.record_calls", lambda _: ["{", *others])
    with pytest.raises(ResponseError):
        lane.record([])
    assert redis.keys(f"{lane.prefix}*") == [lane.keys.named("clock")]
    monkeypatch.setattr("worker.ledger.lane.record_calls", lambda _: [first, *others])
    lane.record([])
    assert redis.llen(lane.keys.named("behind:1:1")) == 598


def record_first_chunk_only(lane, intent):
    lane._run("record", next(iter(record_calls([intent]))))


# --- what gives way


EXPIRED = Outcome(OutcomeKind.EXPIRED)
REFUSED = Outcome.failed("20014", "no such option")


def counts_of(record_of, number):
    return {name: int(record_of(number)[name]) for name in ("ok", "fl", "sp", "cn", "ex") if name in record_of(number)}


@pytest.mark.parametrize("why", [CANCELED, EXPIRED], ids=str)
def test_what_gave_way_takes_its_place_back_from_a_change_that_ends_unsent(lane, record_of, why):
    lane.record([new_intent(1, value="a"), new_intent(2, value="b"), new_intent(3, value="c")])
    lane.end_pending(3, why)
    batch = claim_and_settle(lane)
    assert (batch.intents, batch.spec.after_field_value) == ((2,), "b")
    assert [counts_of(record_of, number) for number in (1, 2)] == [{"sp": 1}, {"ok": 1}]


def test_a_whole_chain_that_is_canceled_leaves_the_first_to_be_sent(lane, record_of):
    lane.record([new_intent(number, value=f"v{number}") for number in range(1, 6)])
    lane.stop([2, 3, 4, 5], OutcomeKind.CANCELED)
    lane.end_all([4, 5, 2, 3])
    assert claim_and_settle(lane).intents == (1,)
    assert counts_of(record_of, 1) == {"ok": 1}


def test_nothing_succeeds_where_what_took_its_place_failed(lane, record_of):
    lane.record(
        [new_intent(1, value="a"), new_intent(2, value="a"), new_intent(3, value="b"), new_intent(4, value="c")]
    )
    settle(lane, claim(lane), outcome=REFUSED)
    assert [counts_of(record_of, number) for number in (1, 2, 3, 4)] == [{"fl": 1}] * 4
    [told] = lane._redis.hvals(lane.keys.named("outcomes:2"))
    assert json.loads(told[1:]) == {
        "code": "replacement_failed",
        "reason": "not written: a later change took its place, and failed: no such option",
    }


def test_a_change_that_gave_way_can_be_canceled_while_its_replacement_is_in_progress(lane, record_of):
    lane.record([new_intent(1, value="a"), new_intent(2, value="a"), new_intent(3, value="b")])
    batch = claim(lane)
    lane.end_pending(1, CANCELED)
    settle(lane, batch)
    assert [counts_of(record_of, number) for number in (1, 2, 3)] == [{"cn": 1}, {"sp": 1}, {"ok": 1}]


def test_in_a_line_it_takes_its_place_back_as_well(lane):
    lane.record([new_intent(1, mode="APPEND"), new_intent(2, value="b"), new_intent(3, value="c")])
    lane.record([new_intent(4, mode="APPEND", value="d")])
    lane.end_pending(3, CANCELED)
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(1,), (2,), (4,)]


def test_a_cell_that_thousands_overwrote_is_settled_in_bounded_steps(lane, record_of):
    lane.record([new_intent(number, value=f"v{number}") for number in range(1, 1001)])
    assert claim_and_settle(lane).intents == (1000,)
    assert counts_of(record_of, 1) == {}
    while lane.end_stopped().more:
        pass
    assert {number for number in range(1, 1000) if counts_of(record_of, number) != {"sp": 1}} == set()
    assert not list(lane._redis.scan_iter(match=lane.keys.named("under:*")))


# --- what stands in the way of an urgent change


def test_what_an_urgent_change_waits_for_is_as_urgent(lane):
    """Through several that wait, beside two thousand others; and those behind the urgent one are not."""
    lane.record([new_intent(number, [100 + number], f"other {number}") for number in range(1, 2001)])
    line = [(2001, 0), (2002, 0), (2003, 9), (2004, 0)]
    lane.record([new_intent(number, [1], f"v{number}", mode="APPEND", priority=p) for number, p in line])
    assert [claim_and_settle(lane, max_wait=LONG).intents for _ in range(4)] == [(2001,), (2002,), (2003,), (1,)]


def test_what_takes_the_place_of_an_urgent_change_is_as_urgent(lane):
    lane.record([new_intent(1, [9], "other"), new_intent(2, [1], "a", priority=9), new_intent(3, [1], "b", priority=0)])
    lane.record([new_intent(4, [2], "a", priority=0), new_intent(5, [2], "b", priority=9)])
    lane.end_pending(5, CANCELED)
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(3,), (1,), (4,)]


def test_a_less_urgent_change_of_a_group_that_is_always_fed_leaves_when_it_has_waited_long_enough(lane):
    lane.record([new_intent(1, [1], priority=4)])
    lane.record([new_intent(2, range(100, 200))])
    assert 1 not in claim_and_settle(lane, max_wait=10**10).items  # seconds: it was enqueued in 1970
    lane.record([new_intent(3, range(200, 250))])
    batch = claim_and_settle(lane, max_wait=0)
    assert 1 in batch.items
    assert len(batch.items) == 50
