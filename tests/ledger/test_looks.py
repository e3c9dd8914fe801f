"""Which cells are looked at before they are sent, which changes end so, and when the others become ready."""

import json
from dataclasses import replace

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.lane_kit import LONG, changes, claim, claim_and_accept, new_intent, settle
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Cell, Look, NoBatch, NoLook

SKIP, TRUST, BOTH = "S", "T", "ST"
BEHIND = 60.0  # seconds


def looking(number, items=(1,), value="v", *, look=SKIP, field="f", place="p story", **more):
    one = new_intent(number, items, value, field=field, **more)
    return replace(one, look=look, place=place, digest=f"{one.digest}{place}{look.replace(SKIP, '')}")


def look(lane, hold=LONG, most_items=50, most_claims=3):
    return lane.claim_look(hold=hold, most_items=most_items, most_claims=most_claims)


def cells(found):
    assert isinstance(found, Look), found
    return {(part.cell.column, part.cell.item, part.intent) for part in found.parts}


def ready(lane):
    """{(item, intent)} of the next batch."""
    got = claim(lane)
    return set(changes(got)) if isinstance(got, Batch) else set()


def write(lane, batch, reads_behind=BEHIND):
    lane.advance(
        batch,
        state=BatchState.OPEN,
        settled=batch.by_cell(dict.fromkeys(batch.items, SUCCEEDED)),
        then=BatchState.RESEND,
        reads_behind=reads_behind,
    )


def letters(redis, lane, number):
    """item → outcome letter; succeeded ones have none."""
    told = redis.hgetall(lane.keys.named(f"outcomes:{number}"))
    return {int(item): text[0] for item, text in told.items()}


def test_what_holds_its_value_ends_and_the_rest_becomes_ready(lane, redis, record_of):
    assert lane.record([looking(1, [1, 2, 3])]).awaits_look
    assert ready(lane) == set()
    seen = look(lane)
    ended = lane.end_look(seen, [part.cell for part in seen.parts if part.cell.item != 2])
    assert (ended.became_ready, ended.intents_ended) == (True, 0)
    assert letters(redis, lane, 1) == {1: "u", 3: "u"}
    assert ready(lane) == {(2, 1)}
    assert record_of(1)["un"] == "2"


def test_an_intent_that_changes_nothing_ends_with_its_look(lane, record_of):
    lane.record([looking(1, [1, 2])])
    seen = look(lane)
    ended = lane.end_look(seen, [part.cell for part in seen.parts])
    assert ended.intents_ended == 1
    assert record_of(1)["opn"] == "0"
    assert isinstance(look(lane), NoLook)
    assert lane.counts().owned_cells == 0


def test_one_look_has_all_columns_of_its_items_and_one_place(lane):
    lane.record(
        [looking(1, [1, 2], field="f"), looking(2, [2, 3], field="g"), looking(3, [9], place="q story", priority=4)]
    )
    first = look(lane)
    assert cells(first) == {(1, 1, 1), (1, 2, 1), (2, 2, 2), (2, 3, 2)}
    assert first.fields == ("f", "g")
    assert {item for _, item, _ in cells(look(lane))} == {9}
    assert isinstance(look(lane), NoLook)


def test_a_look_takes_the_most_urgent_items_and_leaves_the_rest(lane):
    lane.record([looking(1, range(1, 6), priority=3), looking(2, [7], field="g", priority=9)])
    assert {item for _, item, _ in cells(look(lane, most_items=3))} == {7, 1, 2}
    assert {item for _, item, _ in cells(look(lane, most_items=3))} == {3, 4, 5}


def test_a_cell_is_closed_while_it_is_looked_at(lane, redis):
    lane.record([looking(1, value="a")])
    seen = look(lane)
    lane.record([looking(2, value="a"), looking(3, value="b")])
    assert ready(lane) == set()
    lane.end_look(seen, [Cell(1, 1)])
    assert letters(redis, lane, 1) == {1: "u"}
    assert cells(look(lane)) == {(1, 1, 3)}, "the newest of those that waited behind"


# --- the guard --------------------------------------------------------------------------------------------------------


def test_a_cell_that_was_written_a_moment_ago_is_not_looked_at(lane):
    lane.record([new_intent(1, [1, 2], "a")])
    write(lane, claim_and_accept(lane))
    lane.record([looking(2, [1, 2, 3], "b")])
    assert cells(look(lane)) == {(1, 3, 2)}
    assert ready(lane) == {(1, 2), (2, 2)}


@pytest.mark.parametrize("outcome", [SUCCEEDED, None], ids=["succeeded", "failed"])
def test_what_waited_behind_a_request_is_not_looked_at(lane, outcome):
    lane.record([new_intent(1, value="a")])
    batch = claim_and_accept(lane)
    lane.record([looking(2, value="b")])
    if outcome:
        write(lane, batch)
    else:
        failed = {Cell(1, 1): replace(SUCCEEDED, kind=OutcomeKind.FAILED)}
        lane.advance(batch, state=BatchState.OPEN, settled=failed, then=BatchState.RESEND, reads_behind=BEHIND)
    assert isinstance(look(lane), NoLook)
    assert ready(lane) == {(1, 2)}


def test_a_cell_that_is_written_between_two_claims_of_its_look_is_sent(lane, redis):
    """A read that was begun before is older than the guard knows."""
    lane.record([looking(1)])
    redis.zadd(lane.keys.named("written"), {"1:1": 10**15})
    found = look(lane)
    assert isinstance(found, NoLook)
    assert found.became_ready
    assert ready(lane) == {(1, 1)}


def test_the_guard_ends(lane):
    lane.record([new_intent(1, value="a")])
    write(lane, claim_and_accept(lane), reads_behind=0.0)
    lane.record([looking(2, value="b")])
    assert cells(look(lane)) == {(1, 1, 2)}


def test_a_request_that_needs_a_read_waits_until_reads_prove_something(lane, redis):
    lane.record([new_intent(1, value="a")])
    write(lane, claim_and_accept(lane))
    lane.record([looking(2, value="b", look=TRUST)])
    nothing = claim(lane)
    assert isinstance(nothing, NoBatch)
    assert BEHIND - 5 < nothing.retry_after <= BEHIND
    redis.zadd(lane.keys.named("later"), {"1:1": 1})
    redis.delete(lane.keys.named("written"))
    assert ready(lane) == {(1, 2)}
    assert not redis.exists(lane.keys.named("later"))


def test_a_claim_that_wakes_a_change_for_a_look_says_so(lane, redis):
    lane.record([new_intent(1, value="a")])
    write(lane, claim_and_accept(lane))
    lane.record([looking(2, value="b", look=BOTH)])
    assert isinstance(look(lane), NoLook)
    redis.zadd(lane.keys.named("later"), {"1:1": 1})
    redis.delete(lane.keys.named("written"))
    assert claim(lane).awaits_look
    assert cells(look(lane)) == {(1, 1, 2)}


# --- sharers ----------------------------------------------------------------------------------------------------------


def test_a_change_that_a_sharer_wants_written_is_written(lane):
    lane.record([looking(1, [1, 2]), looking(2, [1], look="")])
    assert cells(look(lane)) == {(1, 2, 1)}
    assert ready(lane) == {(1, 1)}


def test_a_change_whose_sharers_all_permit_it_ends_for_all(lane, redis):
    lane.record([looking(1), looking(2)])
    lane.end_look(look(lane), [Cell(1, 1)])
    assert letters(redis, lane, 1) == letters(redis, lane, 2) == {1: "u"}


def test_an_urgent_sharer_makes_a_look_urgent(lane):
    lane.record([looking(1, [1, 2, 3], priority=3), looking(2, [3], priority=9)])
    assert {item for _, item, _ in cells(look(lane, most_items=1))} == {3}


# --- changes that end meanwhile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["canceled", "expired"])
def test_a_change_that_is_over_during_its_look_is_not_sent(lane, redis, how):
    lane.record([looking(1, [1, 2], expires_at_ms=1_000_000_000_000_000)])
    seen = look(lane)
    if how == "canceled":
        lane.stop([1], OutcomeKind.CANCELED)
        lane.end_stopped()
        assert letters(redis, lane, 1) == {}, "its cells are closed"
    else:
        redis.hset(lane.keys.named("intent:1"), "x", 1)
        redis.zadd(lane.keys.named("expiring"), {"1": 1})
    lane.end_look(seen, [Cell(1, 1)])
    assert isinstance(claim(lane), NoBatch), "what is over is not sent"
    while lane.end_stopped().more:
        pass
    assert letters(redis, lane, 1) == {1: "u", 2: how[0]}
    assert ready(lane) == set()
    assert lane.counts().owned_cells == 0


def test_a_canceled_change_leaves_the_queue_of_looks(lane, redis):
    lane.record([looking(1, [1, 2]), looking(2, [2], field="g")])
    lane.end_pending(1, replace(SUCCEEDED, kind=OutcomeKind.CANCELED))
    assert cells(look(lane)) == {(2, 2, 2)}
    assert not redis.keys(lane.keys.named("look-columns:*"))
    assert not redis.exists(lane.keys.named("looks"))


def test_who_shared_a_canceled_look_is_looked_at(lane, redis):
    lane.record([looking(1), looking(2)])
    seen = look(lane)
    lane.stop([1], OutcomeKind.CANCELED)
    lane.end_look(seen, [])
    while lane.end_stopped().more:
        pass
    assert letters(redis, lane, 1) == {1: "c"}
    assert cells(look(lane)) == {(1, 1, 2)}


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_look_whose_worker_died_is_handed_out_again_and_given_up_after_three(lane, redis):
    lane.record([looking(1, [1, 2])])
    first, second, third = (look(lane, hold=0) for _ in range(3))
    assert cells(first) == cells(second) == cells(third)
    assert [one.times for one in (first, second, third)] == [1, 2, 3]
    given_up = look(lane)
    assert isinstance(given_up, NoLook)
    assert given_up.became_ready
    assert ready(lane) == {(1, 1), (2, 1)}
    assert not redis.keys(lane.keys.named("look-claim:*"))


def test_a_late_end_of_a_look_changes_nothing(lane, redis):
    lane.record([looking(1)])
    late, now = look(lane, hold=0), look(lane)
    assert lane.end_look(late, [Cell(1, 1)]).stale
    assert letters(redis, lane, 1) == {}
    assert not lane.end_look(now, []).stale
    assert lane.end_look(now, [Cell(1, 1)]).stale
    assert ready(lane) == {(1, 1)}


def test_a_look_that_is_put_off_comes_later(lane):
    lane.record([looking(1)])
    lane.put_off_look(look(lane), LONG)
    assert isinstance(look(lane), NoLook)
    assert lane.next_look_in() > 0


def test_nothing_is_looked_at_in_a_paused_lane(lane):
    lane.record([looking(1)])
    lane.pause("for a reason", polling=True)
    assert isinstance(look(lane), NoLook)
    lane.resume()
    assert cells(look(lane)) == {(1, 1, 1)}


# --- where it is not worth it -----------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_read_is_left_alone_and_others_are_not(lane):
    lane.record([looking(1, [1, 2])])
    lane.end_look(look(lane), [], unreadable=LONG)
    assert ready(lane) == {(1, 1), (2, 1)}
    lane.record([looking(2, [5], "w"), looking(3, [9], "w", place="q story")])
    assert {item for _, item, _ in cells(look(lane))} == {9}
    assert isinstance(look(lane), NoLook)


def test_where_nearly_nothing_is_unchanged_only_a_sample_is_looked_at(lane):
    for number in range(1, 11):
        lane.record([looking(number, range(50 * number, 50 * number + 50), f"{number}")])
        lane.end_look(look(lane), [Cell(1, 50 * number)] if number < 5 else [])
    looks = 0
    for number in range(11, 31):
        lane.record([looking(number, range(50 * number, 50 * number + 50), f"{number}")])
        if isinstance(found := look(lane), Look):
            looks += 1
            lane.end_look(found, [])
    assert looks == 2


def test_a_sample_that_finds_something_brings_the_looks_back(lane, redis):
    lane.record([looking(1)])
    lane.end_look(look(lane), [])
    redis.hset(lane.keys.named("look-share:1"), mapping={"seen": 1000, "same": 9, "turn": 9})
    lane.record([looking(2, range(100, 150), "w")])
    seen = look(lane)
    lane.end_look(seen, [part.cell for part in seen.parts])
    lane.record([looking(3, [200], "x")])
    assert cells(look(lane)) == {(1, 200, 3)}


# --- a look before the request ----------------------------------------------------------------------------------------


def test_values_from_before_are_kept_for_every_sharer(lane, redis):
    lane.record([looking(1, [1, 2], look=TRUST), looking(2, [1], look=TRUST)])
    batch = claim(lane)
    lane.keep_before(batch, batch.by_cell({1: json.dumps(["text", "old"])}))
    kept = {number: redis.hgetall(lane.keys.named(f"before:{number}")) for number in (1, 2)}
    assert kept == {1: {"1": '["text", "old"]'}, 2: {"1": '["text", "old"]'}}
    lane.forget([1, 2])


def test_a_request_whose_batch_was_taken_over_does_not_leave(lane):
    lane.record([looking(1, look=TRUST)])
    late, now = claim(lane, owner="A", lease=0), claim(lane, owner="B")
    assert not lane.note_looked(late)
    assert lane.note_looked(now)
    assert settle(lane, now).intents_ended == 1


@pytest.mark.parametrize("how", ["put off", "given up"])
def test_two_that_share_a_look_and_are_canceled_during_it_are_not_sent(lane, redis, how):
    lane.record([looking(1), looking(2)])
    seen = look(lane, hold=0 if how == "given up" else LONG)
    lane.stop([1, 2], OutcomeKind.CANCELED)
    lane.end_stopped()
    if how == "given up":
        for _ in range(3):
            look(lane, hold=0)
    else:
        lane.release_look(seen)
        assert isinstance(look(lane), NoLook)
    assert isinstance(claim(lane), NoBatch)
    while lane.end_stopped().more:
        pass
    assert (letters(redis, lane, 1), letters(redis, lane, 2)) == ({1: "c"}, {1: "c"})
    assert lane.counts().owned_cells == 0


def test_a_step_takes_a_bounded_number_of_cells(lane):
    lane.record([looking(number, range(1, 51), field=f"f{number}") for number in range(1, 31)])
    first = look(lane)
    assert 500 <= len(first.parts) <= 530
    assert len(first.items) < 50
    lane.end_look(first, [part.cell for part in first.parts[:20]])
    seen = {part.cell for part in first.parts}
    while isinstance(now := look(lane), Look):
        seen |= {part.cell for part in now.parts}
        lane.end_look(now, [part.cell for part in now.parts[:20]])
    assert len(seen) == 30 * 50


def test_items_that_wait_with_the_columns_of_most_have_no_entry_of_their_own(lane, redis):
    lane.record([looking(1, range(1, 101))])
    columns = lane.keys.look_columns(1)
    assert redis.hgetall(columns) == {"*": ",1,"}
    lane.record([looking(2, [1, 2, 300], field="g")])
    assert redis.hgetall(columns) == {"*": ",1,", "1": ",1,2,", "2": ",1,2,", "300": ",2,"}
    lane.end_pending(1, replace(SUCCEEDED, kind=OutcomeKind.CANCELED))
    assert cells(look(lane)) == {(2, 1, 2), (2, 2, 2), (2, 300, 2)}
    lane.record([looking(3, [7, 8], field="g")])
    assert redis.hgetall(columns) == {"*": ",2,"}  # those of most are others by now
    assert cells(look(lane)) == {(2, 7, 3), (2, 8, 3)}
