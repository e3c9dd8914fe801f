"""Which changes a single update takes, what it does beside the batch route, and what becomes of one that was lost, refused or given back."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.lane_kit import LONG, accept, changes, claim, new_intent
from tests.support.waiting import wait_until
from worker.ledger import scripts
from worker.ledger.lane import Lane
from worker.ledger.reads.lane_health import read_lane_health
from worker.ledger.records import SUCCEEDED, Batch, BatchState, NoBatch, NoBatchReason, NoLook, Outcome

RATE = 10
BEHIND = 60.0  # seconds


@pytest.fixture
def lane(lane, monkeypatch):
    """The route is on, and no group has to be quiet first."""
    whole = scripts.script_text
    monkeypatch.setattr(
        scripts, "script_text", lambda name: whole(name).replace("local QUIET = 300 ", "local QUIET = 0 ")
    )
    lane.singles.configure(RATE, alone=False)
    return lane


def wish(number, items=(1,), value="v", *, field="f", single="p", place="p story", look="", **more):
    one = new_intent(number, items, value, field=field, **more)
    return replace(one, single=single, place=place, look=look, digest=f"{one.digest}{place}{look}")


def single(lane, owner="A", *, lease=LONG, max_wait=LONG, grace=0.0):
    """With a lease of its own, which begins again if it has ended: as another run would have it."""

    def claim():
        return lane.singles.claim(
            owner=owner, max_wait=max_wait, idem_uuid="uuid", token_fingerprint="token", grace=grace
        )

    got = claim()
    if isinstance(got, NoBatch) and got.why is NoBatchReason.HELD:
        lane.singles.begin(owner, LONG)
        got = claim()
    if isinstance(got, Batch):
        lane.singles.begin(owner, lease)
    return got


def written(got):
    """{(item, field, value)}"""
    assert isinstance(got, Batch), got
    return {(p.cell.item, got.spec_of(p).field_key, got.spec_of(p).after_field_value) for p in got.parts}


def end(lane, update, state=BatchState.SENDING, outcome=SUCCEEDED, **more):
    settled = dict.fromkeys(update.cells, outcome)
    return lane.advance(update, state=state, settled=settled, then=BatchState.RESEND, left=True, **more)


def step(lane, update, then, state=BatchState.SENDING, **fields):
    return lane.advance(update, state=state, settled={}, then=then, fields=fields, left=True)


def order(lane, count):
    """Items in the order in which single updates take them; each ends at once."""
    found = []
    for _ in range(count):
        update = single(lane)
        assert isinstance(update, Batch), (found, update)
        found.append(update.items[0])
        end(lane, update)
    return found


# --- the choice -------------------------------------------------------------------------------------------------------


def test_a_single_value_goes_by_a_single_update_and_the_batch_route_has_nothing(lane):
    lane.record([wish(1)])
    assert isinstance(claim(lane), NoBatch)
    assert written(single(lane)) == {(1, "f", "v")}


def test_urgency_goes_before_size_and_size_before_age(lane):
    lane.record(
        [
            wish(1, [1, 2, 3], "three"),
            wish(2, [4, 5], "two"),
            wish(3, [6], "one"),
            wish(4, [7], "urgent one", priority=9),
            wish(5, [8, 9], "urgent two", priority=9),
            wish(6, [10], "one later"),
        ]
    )
    taken = order(lane, 10)
    assert taken[:5] == [7, 8, 9, 6, 10]
    assert taken[5:7] == [4, 5]


def test_a_group_that_waits_too_long_has_every_fourth_request(lane):
    lane.record([wish(1, [1, 2, 3], "three")])
    time.sleep(0.05)
    lane.record([wish(number, [number], f"v{number}") for number in range(11, 19)])
    taken = []
    for _ in range(8):
        update = single(lane, max_wait=0.03)
        taken.append(update.items[0])
        end(lane, update)
    assert [position for position, item in enumerate(taken, 1) if item == 1] == [4]


def test_more_changes_than_requests_a_second_go_by_batches(lane):
    lane.record([wish(1, range(1, RATE + 2))])
    assert isinstance(single(lane), NoBatch)
    assert len(claim(lane).items) == RATE + 1


def test_a_group_that_grows_is_left_until_it_is_quiet(lane, monkeypatch):
    whole = scripts.script_text
    monkeypatch.setattr(
        scripts, "script_text", lambda name: whole(name).replace("local QUIET = 0 ", "local QUIET = 60000 ")
    )
    lane._scripts._known.clear()
    lane.record([wish(1)])
    nothing = single(lane)
    assert nothing.retry_after == pytest.approx(60, abs=5)


def test_what_no_single_update_may_write_goes_by_batches(lane):
    lane.record([wish(1, single="")])
    assert isinstance(single(lane), NoBatch)
    assert changes(claim(lane)) == [(1, 1)]


# --- several fields ---------------------------------------------------------------------------------------------------


def test_all_small_ready_changes_of_an_item_travel_together(lane):
    lane.record(
        [
            wish(1, [1], "a", field="f"),
            wish(2, [1, 2], "b", field="g"),
            wish(3, [1], "c", field="h", single=""),
            wish(4, [1], "d", field="i", place="p story somebody"),
            wish(5, range(1, 40), "e", field="j"),
        ]
    )
    assert written(single(lane)) == {(1, "f", "a"), (1, "g", "b")}
    assert written(single(lane)) == {(2, "g", "b")}


def test_a_request_of_several_fields_is_verified_and_a_plain_one_is_not(lane):
    lane.record([wish(1, [1], "a", field="f"), wish(2, [1], "b", field="g"), wish(3, [2], "c")])
    verified = {update.items[0]: bool(update.fields["verify"]) for update in (single(lane), single(lane))}
    assert verified == {1: True, 2: False}


def test_a_type_whose_answer_proves_nothing_is_verified_alone(lane):
    lane.record([wish(1, single="v")])
    assert single(lane).fields["verify"] == "1"


def test_a_save_of_a_person_overtakes_a_sync(lane):
    lane.record([wish(number, [number], f"v{number}", priority=3) for number in range(1, 100)])
    lane.record([wish(1000, [777], "saved", field="g", priority=5)])
    assert written(single(lane)) == {(777, "g", "saved")}


def test_a_newer_value_supersedes_the_older_one_before_it_is_sent(lane):
    lane.record([wish(1, value="old"), wish(2, value="new")])
    assert written(single(lane)) == {(1, "f", "new")}
    assert isinstance(single(lane, "B"), NoBatch)


# --- an item ----------------------------------------------------------------------------------------------------------


def test_an_item_has_one_update_in_flight_and_others_go_on(lane):
    lane.record([wish(1, [1], "a")])
    first = single(lane)
    lane.record([wish(2, [1], "b", field="g"), wish(3, [2], "c")])
    assert written(single(lane, "B")) == {(2, "f", "c")}
    assert isinstance(single(lane, "C"), NoBatch)
    end(lane, first)
    time.sleep(0.11)
    assert written(single(lane)) == {(1, "g", "b")}


@pytest.mark.parametrize("alone", [True, False])
def test_a_batch_and_a_single_update_meet_at_an_item_only_where_they_may(lane, alone):
    """Also where the batch writes a field that no single update may, for another user."""
    lane.singles.configure(RATE, alone=alone)
    lane.record([wish(1, [1], "a", field="g", single="", place="p story somebody")])
    batch = claim(lane)
    accept(lane, batch)
    lane.record([wish(2, [1], "b")])
    assert isinstance(single(lane), NoBatch if alone else Batch)


@pytest.mark.parametrize("alone", [True, False])
def test_an_update_that_is_sent_again_meets_a_batch_only_where_it_may(lane, alone):
    lane.singles.configure(RATE, alone=alone)
    lane.record([wish(1, [1], "b")])
    step(lane, single(lane), BatchState.RESEND)
    lane.record([wish(2, [1], "a", field="g", single="")])
    accept(lane, claim(lane))
    assert isinstance(single(lane), NoBatch if alone else Batch)


@pytest.mark.parametrize("alone", [True, False])
def test_a_batch_leaves_out_the_items_of_updates_and_takes_all_others(lane, alone):
    """One intent has one rank: all of its items but the busy ones are sent."""
    lane.singles.configure(RATE, alone=alone)
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 61)])
    busy = {single(lane).items[0] for _ in range(60)}
    lane.record([wish(100, range(1, 201), "all", field="g", single="")])
    found = set()
    while isinstance(batch := claim(lane), Batch):
        found |= set(batch.items)
        accept(lane, batch)
    assert found == set(range(1, 201)) - (busy if alone else set())


def test_the_batch_route_looks_again_soon_only_if_a_busy_item_kept_it_from_something(lane, redis):
    lane.singles.configure(RATE, alone=True)
    lane.record([wish(1, [1])])
    single(lane)
    assert claim(lane).retry_after is None
    lane.record([wish(2, [1], "b", field="g", single="")])
    before = lane.now() * 1000
    assert claim(lane).retry_after == pytest.approx(0.2)
    assert int(redis.hget(lane.keys.metrics, "resumed")) >= int(before), "it is not stalled meanwhile"


def test_while_a_request_may_still_be_executed_its_item_stays_closed(lane):
    lane.singles.configure(RATE, alone=True)
    lane.record([wish(1, [1])])
    update = single(lane)
    step(lane, update, BatchState.CHECK, stray=1)
    lane.record([wish(2, [1], "b", field="g"), wish(3, [1, 2], "c", field="h", single="")])
    assert isinstance(single(lane), NoBatch)
    assert claim(lane).items == (2,)
    [check] = lane.singles.pick_checks(hold=0, most=50)
    end(lane, check, BatchState.CHECK)
    time.sleep(0.11)
    assert written(single(lane)) == {(1, "g", "b")}


# --- what becomes of an update ----------------------------------------------------------------------------------------


def test_an_update_of_a_worker_that_ended_is_read_back_after_the_grace_time(lane):
    lane.record([wish(1)])
    single(lane, lease=0, grace=BEHIND)
    assert isinstance(single(lane, "B"), NoBatch)
    assert lane.singles.pick_checks(hold=0, most=50) == pytest.approx(BEHIND, abs=5)


def test_updates_are_read_back_together_once_the_first_is_due(lane):
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 4)])
    updates = [single(lane) for _ in range(3)]
    for update, delay in zip(updates, (0.1, 30, 90), strict=True):
        lane.advance(update, state=BatchState.SENDING, settled={}, then=BatchState.CHECK, delay=delay, left=True)
    wait = lane.singles.pick_checks(hold=LONG, most=50, ahead=BEHIND)
    assert 0 <= wait <= 0.1, "that the others are due soon is no reason to read"
    wait_until(lambda: isinstance(lane.singles.pick_checks(hold=0, most=50), list), 5, "the first is due")
    assert len(lane.singles.pick_checks(hold=LONG, most=50, ahead=BEHIND)) == 2


def test_a_lost_update_is_found_by_the_batch_route_while_the_route_is_off(lane):
    lane.record([wish(1)])
    single(lane, lease=0)
    lane.singles.configure(0, alone=False)
    claim(lane)
    [check] = lane.singles.pick_checks(hold=0, most=50)
    assert check.fields["stray"] == "1"
    assert end(lane, check, BatchState.CHECK).intents_ended == 1


def test_a_heartbeat_keeps_all_updates_of_a_process(lane, redis):
    lane.record([wish(1, [1], "a"), wish(2, [2], "b")])
    for _ in range(2):
        single(lane, lease=0.3)
    lane.singles.extend("A", LONG)
    time.sleep(0.31)
    assert isinstance(single(lane, "B"), NoBatch)
    assert redis.hlen(lane.keys.singles.flight) == 2
    lane.singles.begin("B", LONG)
    assert set(redis.hkeys(lane.keys.singles.owners)) == {"A", "B"}


def test_a_lease_that_ended_is_forgotten_and_never_begins_again(lane, redis):
    """Its process may have been stopped for long: what it was about to send may be sent, and replaced, by now."""
    lane.record([wish(1)])
    old = single(lane, "A", lease=0)
    lane.singles.begin("B", LONG)
    assert redis.hkeys(lane.keys.singles.owners) == ["B"]
    assert not lane.singles.extend("A", LONG)
    assert lane.singles.extend("B", LONG)
    claimed = lane.singles.claim(owner="A", max_wait=LONG, idem_uuid="u", token_fingerprint="t", grace=0.0)
    assert claimed.why is NoBatchReason.HELD
    assert end(lane, old).stale, "another run reads it back"


def test_a_value_that_is_replaced_ever_again_is_sent(lane, redis):
    """Each new value is a group of its own, which must not begin to be quiet again."""
    for number in range(1, 8):
        lane.record([wish(number, [1], f"v{number}")])
        time.sleep(0.06)
    assert isinstance(single(lane), Batch)


def test_a_save_does_not_wait_for_the_batches_of_a_sync(lane, redis):
    lane.singles.configure(RATE, alone=True)
    lane.record([wish(1, [7], "sync", field="g", single="", priority=3)])
    accept(lane, claim(lane), delay=LONG)
    lane.record([wish(2, [7], "save"), wish(3, [7], "later", field="h", priority=3)])
    redis.zadd(lane.keys.singles.since, dict.fromkeys(redis.zrange(lane.keys.singles.since, 0, -1), 1))
    assert isinstance(single(lane), NoBatch)
    save = claim(lane)
    assert changes(save) == [(7, 2)]
    accept(lane, save, delay=LONG)
    assert isinstance(claim(lane), NoBatch), "a row of the sync waits"


def test_a_refused_update_is_sent_field_by_field(lane):
    lane.record([wish(1, [1], "a", field="f"), wish(2, [1], "b", field="g")])
    lane.split(single(lane), "one is bad")
    first = single(lane)
    assert isinstance(single(lane, "B"), NoBatch), "the pieces are of one item"
    end(lane, first, outcome=Outcome.failed("20050", "bad option"))
    time.sleep(0.11)
    assert written(first) | written(single(lane)) == {(1, "f", "a"), (1, "g", "b")}


def test_what_is_given_back_may_go_by_either_route(lane):
    lane.record([wish(1)])
    lane.singles.dissolve(single(lane), BatchState.SENDING, left=False)
    assert written(single(lane)) == {(1, "f", "v")}


def test_a_read_proves_nothing_shortly_after_an_answered_update_is_given_back(lane):
    """It may have been written, and the read that did not show it may be behind: the value from before is not called unchanged."""
    lane.record([wish(1, value="new")])
    update = single(lane)
    step(lane, update, BatchState.CHECK, verifying=1)
    lane.singles.dissolve(update, BatchState.CHECK, left=False, bar=True, reads_behind=BEHIND)
    lane.record([wish(2, value="old", look="S")])
    assert isinstance(lane.claim_look(hold=LONG, most_items=50, most_claims=3), NoLook)
    assert written(single(lane)) == {(1, "f", "old")}


def test_a_barred_group_goes_by_batches_and_another_value_does_not(lane):
    lane.record([wish(1)])
    assert lane.singles.dissolve(single(lane), BatchState.SENDING, left=True, bar=True).became_ready
    lane.record([wish(2, [2], "other")])
    assert written(single(lane)) == {(2, "f", "other")}
    assert changes(claim(lane)) == [(1, 1)]


def test_a_bar_ends_after_an_hour(lane, redis):
    lane.record([wish(1)])
    lane.singles.dissolve(single(lane), BatchState.SENDING, left=True, bar=True)
    [group] = redis.keys(f"{lane.prefix}group:[0-9]*")
    assert 3590 < int(redis.hget(group, "bar")) / 1000 - lane.now() <= 3600
    redis.hset(group, "bar", round(lane.now() * 1000) - 1)
    lane.record([wish(2, [2])])
    assert isinstance(single(lane), Batch)


def test_a_field_whose_type_changed_is_taken_at_its_word(lane):
    lane.record([wish(1, [1])])
    lane.record([wish(2, [2], single="")])
    assert isinstance(single(lane), NoBatch)
    lane.record([wish(3, [3], single="v")])
    assert single(lane).fields["verify"] == "1"


def test_what_was_canceled_is_not_sent(lane):
    lane.record([wish(1, [1], "a"), wish(2, [1], "b", field="g")])
    lane.stop([1], OutcomeKind.CANCELED)
    assert written(single(lane)) == {(1, "g", "b")}


# --- on and off -------------------------------------------------------------------------------------------------------


def test_switched_off_everything_goes_by_batches_and_back_on_by_single_updates(lane):
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 4)])
    step(lane, single(lane), BatchState.RESEND)
    assert lane.singles.switch_off(BEHIND, "refused")
    assert not lane.singles.switch_off(BEHIND, "refused again"), "it is off already"
    assert single(lane).why == "off"
    assert lane.singles.state().why in {"refused", "refused again"}
    batch = claim(lane)
    assert batch.route == "batch"
    lane.singles.configure(0, alone=False)
    lane.singles.configure(RATE, alone=False)
    assert lane.singles.state().is_on
    assert isinstance(single(lane), Batch)


def test_switched_off_and_on_before_anyone_looked_loses_no_group(lane):
    """700 groups: more than one step ranks."""
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 351)])
    single(lane)
    lane.singles.configure(0, alone=False)
    lane.record([wish(number, [number], f"v{number}") for number in range(351, 701)])
    lane.singles.configure(RATE, alone=False)
    taken = 1
    while isinstance(update := single(lane), Batch):
        taken += 1
        end(lane, update)
    assert taken == 700


def test_a_route_that_was_never_on_leaves_nothing(redis, prefix):
    lane = Lane(redis, prefix, "lane")
    lane.singles.configure(0, alone=True)
    lane.record([wish(1)])
    accept(lane, claim(lane))
    assert redis.keys(f"{lane.prefix}route:single:*") == []


def test_overdue_groups_have_every_fourth_batch_however_many_single_updates_go_between(lane):
    lane.record([wish(1, [1, 2], "old", single="")])
    time.sleep(0.05)
    for number in range(10, 16):
        lane.record([wish(number, range(100 * number, 100 * number + 50), f"full {number}", single="")])
    lane.record([wish(number, [number], f"v{number}") for number in range(30, 60)])
    sizes = []
    for _ in range(4):
        batch = claim(lane, max_wait=0.03)
        sizes.append(len(batch.items))
        accept(lane, batch)
        for _ in range(5):
            end(lane, single(lane))
        lane.record([wish(1000 + len(sizes), [5000 + len(sizes)], "old", single="")])
    assert sizes[0] == 2
    assert sizes[1:4] == [50, 50, 50]


# --- what needs a read that proves something ---------------------------------------------------------------------------


def test_a_change_that_needs_a_proving_read_is_woken_by_the_single_route(lane):
    lane.record([wish(1, value="a")])
    end(lane, single(lane), reads_behind=0.05)
    lane.record([wish(2, value="b", look="T")])
    nothing = single(lane)
    assert 0 <= nothing.retry_after <= 0.05
    time.sleep(0.06)
    assert written(single(lane)) == {(1, "f", "b")}


def lost_and_given_back(lane):
    update = single(lane)
    step(lane, update, BatchState.CHECK, stray=1)
    lane.singles.dissolve(update, BatchState.CHECK, left=False, bar=True)


def lost_and_switched_off(lane):
    update = single(lane)
    step(lane, update, BatchState.CHECK, stray=1)
    step(lane, update, BatchState.RESEND, state=BatchState.CHECK)
    lane.singles.switch_off(60, "why")


@pytest.mark.parametrize("give_up", [lost_and_given_back, lost_and_switched_off])
def test_a_change_on_a_condition_that_may_be_written_is_known_as_such_on_the_other_route(lane, redis, give_up):
    lane.record([wish(1, look="T"), wish(2, [2, 3], "other", look="T", single="")])
    give_up(lane)
    found = [claim(lane), claim(lane)]
    assert {cell.item for batch in found for cell in lane.maybe_written(batch)} == {1}
    for batch in found:
        accept(lane, batch)
        end(lane, batch, BatchState.OPEN)
    assert not redis.exists(lane.keys.maybe), "forgotten with the change"


def test_an_intent_that_takes_the_change_over_knows_that_it_may_be_written(lane):
    lane.record([wish(1, look="T"), wish(2, look="T")])
    lost_and_given_back(lane)
    lane.end_pending(1, Outcome(OutcomeKind.CANCELED))
    batch = claim(lane)
    assert (changes(batch), lane.maybe_written(batch)) == ([(1, 2)], set(batch.cells))


def test_the_fields_of_a_refused_update_may_be_written(lane):
    lane.record([wish(1, [1], "a", look="T"), wish(2, [1], "b", field="g")])
    lane.split(single(lane), "one is bad")
    piece = single(lane)
    assert lane.maybe_written(piece) == set(piece.cells)


def test_the_halves_of_a_batch_that_may_be_written_know_it(lane):
    lane.record([wish(1, [1, 2], look="T", single="")])
    lost = claim(lane)
    step(lane, lost, BatchState.CHECK)
    step(lane, lost, BatchState.RESEND, state=BatchState.CHECK)
    lane.split(claim(lane), "refused")
    half = claim(lane)
    assert lane.maybe_written(half) == set(half.cells)


def test_the_read_back_of_an_update_that_blocks_others_says_so(lane, redis):
    lane.record([wish(1, value="a")])
    update = single(lane)
    lane.record([wish(2, value="b")])
    step(lane, update, BatchState.CHECK)
    assert redis.hget(lane.keys.batch(update.number), "blocks") == "1"


def test_one_read_back_has_updates_of_one_place(lane):
    lane.record([wish(1, [1], "a"), wish(2, [2], "b"), wish(3, [3], "c", place="p story somebody")])
    for _ in range(3):
        step(lane, single(lane), BatchState.CHECK)
    first, second = lane.singles.pick_checks(hold=LONG, most=50), lane.singles.pick_checks(hold=LONG, most=50)
    assert sorted(len(found) for found in (first, second)) == [1, 2]


def test_an_update_that_nobody_sends_again_is_seen_although_nothing_else_waits(lane, redis):
    lane.record([wish(1)])
    update = single(lane)
    step(lane, update, BatchState.RESEND)
    redis.zincrby(lane.keys.singles.due, -100_000, update.number)
    assert read_lane_health(redis, lane.keys).singles_idle == pytest.approx(100, abs=10)
    lane.singles.switch_off(60, "why")
    assert read_lane_health(redis, lane.keys).singles_idle is None


def test_what_waits_for_a_batch_of_its_item_is_not_idle_while_a_worker_looks_at_it(lane, redis):
    lane.singles.configure(RATE, alone=True)
    lane.record([wish(1, [1], field="g", single="")])
    accept(lane, claim(lane), delay=LONG)
    lane.record([wish(2, priority=1)])
    redis.zincrby(lane.keys.singles.since, -100_000, redis.zrange(lane.keys.singles.since, 0, 0)[0])
    assert isinstance(single(lane), NoBatch)
    assert read_lane_health(redis, lane.keys).singles_idle < 10
    redis.zincrby(lane.keys.singles.fresh, -100_000, redis.zrange(lane.keys.singles.fresh, 0, 0)[0])
    assert read_lane_health(redis, lane.keys).singles_idle == pytest.approx(100, abs=10)


# --- the cost ---------------------------------------------------------------------------------------------------------


class Watch:
    """Milliseconds of the server's processor for each script call: another program on the same cores does not change them."""

    def __init__(self, redis, lane, monkeypatch):
        self._spent_by = Path(f"/proc/{redis.info('server')['process_id']}/schedstat")
        self._run = lane._run
        self.took = []
        monkeypatch.setattr(lane, "_run", self._timed)
        monkeypatch.setattr(lane.singles, "_run", self._timed)

    def _timed(self, *args, **more):
        before = self._spent()
        answer = self._run(*args, **more)
        self.took.append(self._spent() - before)
        return answer

    def _spent(self):
        return int(self._spent_by.read_text().split()[0]) / 1e6

    @property
    def longest(self):
        return max(self.took)

    def mean(self):
        """Of the calls since it was asked last."""
        took, self.took = self.took, []
        return sum(took) / len(took)


BOUND = 20.0  # ms


def test_each_step_is_short_with_ten_thousand_groups(redis, lane, monkeypatch):
    """Recorded while the route is off, ranked when it is switched on, sent, and ranked again when it is switched off."""
    lane.singles.configure(0, alone=True)
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 10_001)])
    watch = Watch(redis, lane, monkeypatch)
    lane.singles.configure(RATE, alone=True)
    while not isinstance(single(lane), Batch):
        pass
    for _ in range(200):
        end(lane, single(lane))
    lane.singles.configure(0, alone=True)
    assert len(claim(lane).items) == 1
    print(f"longest step: {watch.longest:.1f} ms of {len(watch.took)}")
    assert watch.longest < BOUND


def test_blocked_items_do_not_hide_others_and_cost_a_bounded_step(redis, lane, monkeypatch):
    """2,000 items in open batches, each with a small change that must wait, and behind them one that need not."""
    lane.singles.configure(RATE, alone=True)
    lane.record([wish(1, range(1, 2001), "all", field="g", single="")])
    for _ in range(40):
        accept(lane, claim(lane), delay=LONG)
    lane.record([wish(number + 1, [number], f"v{number}") for number in range(1, 2001)])
    lane.record([wish(3000, [3000], "free")])
    watch = Watch(redis, lane, monkeypatch)
    while not isinstance(update := single(lane), Batch):
        pass
    assert written(update) == {(3000, "f", "free")}
    print(f"longest step: {watch.longest:.1f} ms of {len(watch.took)}")
    assert watch.longest < BOUND


def test_a_claim_costs_about_as_much_as_that_of_a_batch(redis, lane, monkeypatch):
    lane.record([wish(number, [number], f"v{number}") for number in range(1, 5001)])
    lane.record([wish(9000, range(10_000, 15_000), "all", field="g", single="")])
    while not isinstance(update := single(lane), Batch):
        pass
    end(lane, update)
    watch = Watch(redis, lane, monkeypatch)
    updates = [single(lane, str(number)) for number in range(50)]
    cost = watch.mean()
    for update in updates:
        end(lane, update)
    ended = watch.mean()
    for _ in range(50):
        accept(lane, claim(lane), delay=LONG)
    of_batch = watch.mean()
    print(
        f"claim of a single update {cost:.3f} ms, its end {ended:.3f} ms; of a batch, with its acceptance, {2 * of_batch:.3f} ms"
    )
    assert cost < 4 * of_batch
