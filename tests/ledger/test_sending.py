"""Claiming, the lease, and what a batch may still do after it went to somebody else."""

import time

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.ledger.dump import dump
from tests.support.lane_kit import LONG, accept, changes, claim, claim_and_accept, claim_and_settle, new_intent, settle
from worker.ledger.lane import END_CHUNK
from worker.ledger.records import BatchState, NoBatch, NoBatchReason, Outcome
from worker.ledger.routes import BATCH

PAST_MS = 1000


# --- the lease


def test_while_one_is_sending_the_others_are_reported_how_long_its_lease_lasts(lane):
    lane.record([new_intent(1, [1]), new_intent(2, [2], "w")])
    claim(lane, "A", lease=5)
    told = claim(lane, "B")
    assert told.why is NoBatchReason.HELD
    assert 4 < told.retry_after <= 5


def test_a_lease_that_ran_out_is_taken_over_and_its_batch_asked_again_with_the_same_uuid(lane):
    lane.record([new_intent(1, [1, 2])])
    dead = claim(lane, "A", lease=0, uuid="first", token="old")
    heir = claim(lane, "B", uuid="second", token="new")
    assert (heir.number, heir.kind, changes(heir)) == (dead.number, "reask", changes(dead))
    assert (heir.idem_uuid, heir.token_fingerprint, heir.tries) == ("first", "old", 1)
    assert heir.number_field("reasks") == 1
    assert heir.fence > dead.fence


def test_a_heartbeat_keeps_the_lease_but_not_that_of_another_process(lane):
    lane.record([new_intent(1)])
    dead = claim(lane, "A", lease=0)
    assert lane.extend_lease(dead.fence, LONG)
    assert claim(lane, "B").why is NoBatchReason.HELD
    assert lane.extend_lease(dead.fence, 0)
    claim(lane, "B", lease=LONG)
    assert not lane.extend_lease(dead.fence, 0)
    assert claim(lane, "C").why is NoBatchReason.HELD


def test_who_lost_the_lease_changes_nothing_any_more(redis, lane):
    lane.record([new_intent(1, [1, 2]), new_intent(2, [1], "w")])
    dead = claim(lane, "A", lease=0)
    claim(lane, "B")
    before = dump(redis, lane.prefix)
    assert settle(lane, dead).stale
    assert accept(lane, dead).stale
    assert lane.split(dead, "bad").stale
    assert not lane.extend_lease(dead.fence, 0)
    assert dump(redis, lane.prefix) == before


def test_the_answer_of_an_earlier_job_settles_nothing_of_a_batch_that_was_sent_again(lane):
    """A process may sleep between its poll and the note about it, while others give that job up and send again."""
    lane.record([new_intent(1)])
    claim_and_accept(lane)
    slow = lane.pick("jobs", hold=0)
    lane.advance(slow, state=BatchState.OPEN, settled={}, then=BatchState.CHECK)
    lane.advance(lane.pick("checks", hold=0), state=BatchState.CHECK, settled={}, then=BatchState.RESEND)
    again = claim_and_accept(lane, uuid="fresh")
    assert (again.number, again.kind, again.tries, again.idem_uuid) == (slow.number, "resend", 2, "fresh")
    assert settle(lane, slow, BatchState.OPEN).stale
    assert not settle(lane, lane.pick("jobs", hold=0), BatchState.OPEN).stale


# --- what is sent next


def test_a_batch_has_as_many_items_as_the_remote_takes_and_no_more(lane):
    lane.record([new_intent(1, range(1, 121))])
    assert [len(claim_and_settle(lane).items) for _ in range(3)] == [BATCH.items, BATCH.items, 20]
    assert claim(lane).why is NoBatchReason.IDLE


def test_an_intent_of_ten_thousand_items_is_recorded_in_chunks_and_sent_in_two_hundred_batches(lane, record_of):
    lane.record([new_intent(1, range(1, 10_001))])
    sent = [claim_and_settle(lane) for _ in range(200)]
    assert {item for batch in sent for item in batch.items} == set(range(1, 10_001))
    assert (record_of(1)["ok"], record_of(1)["rq"], record_of(1)["opn"]) == ("10000", "200", "0")


def test_small_intents_of_the_same_content_travel_together(lane):
    lane.record([new_intent(number, [100 + number]) for number in range(1, 61)])
    assert claim_and_settle(lane).intents == tuple(range(1, 51))


def test_a_full_batch_goes_before_an_older_small_one(lane):
    lane.record([new_intent(1, [1], "small"), new_intent(2, range(101, 151), "full")])
    assert [claim_and_settle(lane).spec.after_field_value for _ in range(2)] == ["full", "small"]


def test_priority_goes_before_fullness(lane):
    lane.record([new_intent(1, range(101, 151), "full"), new_intent(2, [1], "urgent", priority=6)])
    assert [claim_and_settle(lane).spec.after_field_value for _ in range(2)] == ["urgent", "full"]


def test_the_oldest_of_several_small_groups_goes_first(lane):
    lane.record([new_intent(number, [number], f"v{number}") for number in (1, 2, 3)])
    assert [claim_and_settle(lane).intents for _ in range(3)] == [(1,), (2,), (3,)]


def three_of_which_the_second_is_partly_behind(lane):
    wishes = [(1, [7], "in front"), (2, [7, 8], "partly behind"), (3, [9], "whole")]
    lane.record([new_intent(number, items, value, mode="APPEND") for number, items, value in wishes])


def test_a_small_group_of_which_a_part_waits_behind_others_lets_whole_ones_pass(lane):
    three_of_which_the_second_is_partly_behind(lane)
    assert [claim_and_accept(lane).items for _ in range(3)] == [(7,), (9,), (8,)]


def test_a_small_group_is_whole_again_when_those_in_front_are_done(lane):
    three_of_which_the_second_is_partly_behind(lane)
    assert [claim_and_settle(lane).items for _ in range(3)] == [(7,), (7, 8), (9,)]


def test_a_group_is_whole_in_the_end_even_if_an_earlier_version_did_not_count_what_stood_behind(redis, lane):
    three_of_which_the_second_is_partly_behind(lane)
    redis.delete(lane.keys.named("behind-of"))
    assert [claim_and_settle(lane).items for _ in range(3)] == [(7,), (7, 8), (9,)]
    assert not redis.exists(lane.keys.named("behind-of"))


def test_what_an_earlier_version_did_not_count_is_forgotten_with_its_group(redis, lane):
    three_of_which_the_second_is_partly_behind(lane)
    redis.hincrby(lane.keys.named("behind-of"), "2", 1)
    for _ in range(3):
        claim_and_settle(lane)
    lane.forget([1, 2, 3])
    assert not redis.exists(lane.keys.named("behind-of"))


def test_a_group_that_waits_too_long_goes_first_but_gets_every_fourth_batch_at_most(lane):
    lane.record([new_intent(1, [1], "small"), new_intent(2, [2], "other"), new_intent(3, range(101, 401), "full")])
    order = [claim_and_settle(lane, max_wait=0).spec.after_field_value for _ in range(6)]
    assert order == ["small", "full", "full", "full", "other", "full"]


def test_a_group_of_which_a_part_waits_behind_others_goes_first_after_five_times_the_longest_wait(redis, lane):
    lane.record([new_intent(1, range(1, 201), "full"), new_intent(2, [1, 999], "partly behind", mode="APPEND")])

    def sent_after(seconds):
        now, _ = redis.time()
        redis.zadd(lane.keys.route(BATCH).since, {"2": (now - seconds) * 1000})
        return claim_and_accept(lane, max_wait=10).spec.after_field_value

    assert [sent_after(45), sent_after(55)] == ["full", "partly behind"]


def test_a_group_that_waits_too_long_goes_first_however_many_older_ones_have_to_wait_longer(redis, lane):
    partly = [new_intent(number, [number, 1000 + number], f"partly behind {number}") for number in range(2, 42)]
    lane.record([new_intent(1, range(1, 51), "front", mode="APPEND"), *partly])
    lane.record([new_intent(42, [5000], "whole"), new_intent(43, range(10_000, 10_300), "full")])
    now, _ = redis.time()
    for number in range(2, 43):
        redis.zadd(lane.keys.route(BATCH).since, {str(number): (now - 30 + (number == 42)) * 1000})
    order = [claim_and_accept(lane, max_wait=10).spec.after_field_value for _ in range(2)]
    assert order == ["whole", "front"]


def test_a_group_that_was_just_served_does_not_count_as_waiting(redis, lane):
    lane.record([new_intent(1, range(1, 101))])
    since = lane.keys.route(BATCH).since
    redis.zadd(since, {"1": 1})
    claim(lane)
    assert redis.zscore(since, "1") > 1


def test_what_is_to_be_sent_again_goes_before_anything_new_even_if_enough_is_open(lane):
    lane.record([new_intent(1, [1]), new_intent(2, [2], "w")])
    batch = claim(lane)
    lane.advance(batch, state=BatchState.SENDING, settled={}, then=BatchState.RESEND)
    assert claim(lane, max_open=1).number == batch.number


@pytest.mark.parametrize("state", [BatchState.OPEN, BatchState.CHECK, BatchState.RESEND, BatchState.REASK])
def test_no_new_batch_is_begun_while_enough_are_unfinished(lane, state):
    lane.record([new_intent(1, [1]), new_intent(2, [2], "w")])
    lane.advance(claim(lane), state=BatchState.SENDING, settled={}, then=state, delay=LONG)
    assert claim(lane, max_open=1).why is NoBatchReason.FULL
    assert claim(lane, max_open=2).intents == (2,)


def test_who_finds_nothing_is_reported_when_something_is_due_again(lane):
    assert claim(lane) == NoBatch(NoBatchReason.IDLE, None)
    lane.record([new_intent(1)])
    lane.advance(claim(lane), state=BatchState.SENDING, settled={}, then=BatchState.RESEND, delay=5)
    assert 4 < claim(lane).retry_after <= 5


# --- canceled and expired


def in_a_moment(lane):
    return round(lane.now() * 1000) + 20


def test_what_had_expired_before_it_came_ends_at_once_and_nothing_gives_way_to_it(lane, record_of):
    lane.record(
        [new_intent(1), new_intent(2, value="late", expires_at_ms=PAST_MS), new_intent(3, expires_at_ms=PAST_MS)]
    )
    assert [record_of(number).get("ex") for number in (1, 2, 3)] == [None, "1", "1"]
    batch = claim(lane)
    assert (batch.intents, batch.spec.after_field_value) == ((1,), "v")
    assert settle(lane, batch).intents_ended == 1


def test_what_expired_is_not_sent(lane, record_of):
    lane.record([new_intent(1, expires_at_ms=in_a_moment(lane)), new_intent(2, value="w", mode="APPEND")])
    time.sleep(0.03)
    none = claim(lane)
    assert (none.why, none.are_dead) == (NoBatchReason.IDLE, True)
    assert lane.end_stopped().became_ready
    assert (record_of(1)["ex"], record_of(1)["opn"]) == ("1", "0")
    assert claim(lane).intents == (2,)


def test_nothing_more_of_a_stopped_intent_is_sent_although_none_of_it_has_ended(lane, record_of):
    lane.record([new_intent(1, range(1, 200)), new_intent(2, range(200, 203))])
    assert lane.stop([1, 2, 99], OutcomeKind.CANCELED) == 2
    assert lane.stop([1], OutcomeKind.CANCELED) == 0
    lane.record([new_intent(3, [7, 300])])  # shares a change of the first, and takes it over
    batch = claim(lane)
    assert (batch.items, batch.intents, batch.are_dead) == ((300,), (3,), True)
    assert claim(lane, "B").why is NoBatchReason.HELD
    accept(lane, batch)
    assert claim(lane).why is NoBatchReason.IDLE
    while lane.end_stopped().more:
        pass
    assert (record_of(1)["cn"], record_of(2)["cn"]) == ("199", "3")
    assert claim(lane).items == (7,)


@pytest.mark.parametrize("values", [1, 3000], ids=["one group", "a group each"])
def test_what_lives_is_found_behind_thousands_that_expired_and_no_step_takes_long(lane, redis, values):
    """The claim only looks: that what expired is ended is another's work."""
    soon = in_a_moment(lane) + 3000
    lane.record([new_intent(n, [n], value=f"{n % values}", expires_at_ms=soon) for n in range(1, 3001)])
    lane.record([new_intent(n, [n], value="lives") for n in range(4001, 4061)])
    lane.record(
        [new_intent(5000, range(5001, 6001), value="0", expires_at_ms=soon), new_intent(5001, [7001], value="0")]
    )
    time.sleep(max(0.0, soon / 1000 - lane.now()) + 0.02)
    before = len(redis.zrange(lane.keys.named("expiring"), 0, -1))
    steps = []
    lane._run = lambda *args, run=lane._run: steps.append(args) or run(*args)
    found, sizes = [], []
    while not isinstance(last := claim(lane), NoBatch):
        accept(lane, last)
        found += last.items
        sizes.append(len(last.items))
    assert sorted(found) == [*range(4001, 4061), 7001]
    assert sorted(sizes) == [1, 10, 50]
    assert (last.why, last.are_dead) == (NoBatchReason.IDLE, True)
    assert len([one for one in steps if one[0] == "claim"]) > len(sizes) + 3  # none of them looks at all 3,000
    assert len(redis.zrange(lane.keys.named("expiring"), 0, -1)) == before == 3001


def test_a_held_lane_composes_nothing_and_continues_by_itself(lane):
    lane.record([new_intent(1)])
    lane.hold(0.05)
    assert 0 < claim(lane).retry_after <= 0.05
    time.sleep(0.06)
    assert claim(lane).intents == (1,)


def test_a_canceled_sharer_takes_no_part_in_what_is_sent(lane, record_of):
    lane.record([new_intent(1), new_intent(2), new_intent(3)])
    lane.stop([2], OutcomeKind.CANCELED)
    assert claim_and_settle(lane).intents == (1,)
    assert [record_of(number).get("ok") for number in (1, 2, 3)] == ["1", None, "1"]
    assert record_of(2)["cn"] == "1"


def test_the_rest_of_stopped_intents_is_ended_a_bounded_part_at_a_time(lane, record_of):
    lane.record([new_intent(1, range(1, 1000)), *(new_intent(number, [number + 1000]) for number in range(2, 200))])
    lane.stop(range(1, 200), OutcomeKind.CANCELED)
    steps = 0
    while lane.end_stopped().more:
        steps += 1
    assert steps >= 1000 // END_CHUNK
    assert lane.counts().owned_cells == 0
    assert {record_of(number)["cn"] for number in range(2, 200)} == {"1"}
    assert record_of(1)["cn"] == "999"


# --- splitting


def test_a_batch_is_halved_until_the_bad_item_is_alone_and_no_cell_is_ever_open(lane, redis):
    lane.record([new_intent(1, range(1, 6)), new_intent(2, [3], "later", mode="APPEND")])
    sizes = []
    while 1 in (batch := claim(lane)).intents:
        sizes.append(len(batch.items))
        if 3 not in batch.items:
            settle(lane, batch)
        elif len(batch.items) > 1:
            assert not lane.split(batch, "one is bad").stale
        else:
            assert redis.lrange(lane.keys.named("behind:1:3"), 0, -1) == ["2"]
            settle(lane, batch, outcome=Outcome.failed("20014", "bad"))
    assert sorted(sizes) == [1, 2, 2, 3, 5]
    assert list(redis.hgetall(lane.keys.named("outcomes:1"))) == ["3"]
    assert batch.intents == (2,)


# --- stopping


@pytest.mark.parametrize("polling", [True, False])
def test_a_paused_lane_sends_nothing_and_follows_its_jobs_only_if_it_may(lane, polling):
    lane.record([new_intent(1, [1]), new_intent(2, [2], "w")])
    claim_and_accept(lane)
    lane.pause('the reason says "polling":false', polling=polling)
    assert claim(lane).why is NoBatchReason.PAUSED
    assert (lane.pick("jobs", hold=0) is not None) == polling
    assert lane.paused()["polling"] is polling
    assert lane.resume()
    assert not lane.resume()
    assert lane.paused() is None
    assert claim(lane).intents == (2,)


def test_a_pause_does_not_take_the_lease_from_anybody(lane):
    lane.record([new_intent(1)])
    batch = claim(lane, lease=0)
    lane.pause("quota", polling=False)
    assert claim(lane, "B").why is NoBatchReason.PAUSED
    assert not accept(lane, batch).stale


def test_the_refusal_of_a_space_is_remembered_for_a_while(lane, redis):
    refusal = Outcome.failed("30001", "no such space")
    lane.refusals.refuse_space("p story", refusal, 30)
    assert lane.refusals.space_refusal("p story", 60) == refusal
    assert lane.refusals.space_refusal("p issue", 60) is None
    assert 29_000 < redis.pttl(lane.keys.named("refused:p story")) <= 30_000
