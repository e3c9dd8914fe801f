"""A large intent that was recorded half-way when its worker died, again and again, ends: what is recorded is done, the rest fails."""

import pytest
from structlog.testing import capture_logs

from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import read_intent
from feishu_batch.set_reads import read_sets
from tests.pipeline.intake_kit import Site, wish
from worker.catalogue.models import Code, Refusal
from worker.ledger.lane import Lane
from worker.ledger.record_calls import RECORD_CHUNK, record_calls
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.pipeline.intake import MAX_ATTEMPTS

ITEMS = 2 * RECORD_CHUNK + 7


class Dies(BaseException):
    """As a killed process does: nothing of ours catches it."""


class HalfWay(Lane):
    """Records one chunk of 500, then its process dies."""

    def record(self, intents):
        self._run("record", next(iter(record_calls(intents))))
        raise Dies


class Breaks(Lane):
    def record(self, intents):
        raise ZeroDivisionError("asked for")


class BreaksAlways(Breaks):
    def refuse(self, *_, **__):
        raise ZeroDivisionError("asked for")


@pytest.fixture
def two_lanes(redis_url, redis, prefix):
    return Site(redis_url, redis, prefix, lanes=("default", "other"))


def die(site, times, lane=HalfWay):
    for _ in range(times):
        with pytest.raises(Dies):
            site.intake(lane=lane, lease=0.001).drain()
        wait_for_lock(site)


def wait_for_lock(site):
    while site.redis.exists(site.inbox.keys.lock):
        pass


def send_everything(lane):
    while isinstance(
        batch := lane.claim(owner="o", lease=30, max_open=99, max_wait=99, idem_uuid="u", token_fingerprint="t"), Batch
    ):
        lane.advance(
            batch, state=BatchState.SENDING, settled=dict.fromkeys(batch.cells, SUCCEEDED), then=BatchState.RESEND
        )


def result_of(site, intent_id):
    view = read_intent(site.redis, site.prefix, intent_id)
    return view, view.result


def test_what_is_recorded_continues_and_what_is_not_fails_with_the_reason(two_lanes):
    site = two_lanes
    site.enqueue(
        wish("large", items=[*range(1, ITEMS + 1)], lane="other"), wish("next", items=[1], lane="other", value="w")
    )
    die(site, 1 + MAX_ATTEMPTS)
    site.intake().drain()
    assert site.located("large") == (1, "other")
    assert site.located("next") == (2, "other")
    assert site.record(1) == {}  # nothing of it in the default lane
    assert "nx" not in site.record(1, "other")
    view, result = result_of(site, "large")
    assert (result, view.progress.pending, view.progress.failed) == (None, RECORD_CHUNK, ITEMS - RECORD_CHUNK)
    send_everything(site.lanes["other"])
    view, result = result_of(site, "large")
    assert result.counts == {"succeeded": RECORD_CHUNK - 1, "failed": ITEMS - RECORD_CHUNK, "superseded": 1}
    assert set(result.failed) == {str(item) for item in range(RECORD_CHUNK + 1, ITEMS + 1)}
    [why] = {(why["code"], why["reason"]) for why in result.failed.values()}
    assert why[0] == "crashed"
    assert f"failed {MAX_ATTEMPTS} times" in why[1]
    assert result_of(site, "next")[1].ok


def test_an_intent_of_another_lane_that_is_recorded_in_full_is_found_there(two_lanes):
    class AfterIt(Lane):
        def record(self, intents):
            super().record(intents)
            raise Dies

    site = two_lanes
    site.enqueue(wish("whole", lane="other"))
    die(site, 1 + MAX_ATTEMPTS, lane=AfterIt)
    site.intake(lane=Breaks).drain()
    assert site.located("whole") == (1, "other")
    send_everything(site.lanes["other"])
    assert result_of(site, "whole")[1].ok


def test_an_intent_of_which_nothing_is_recorded_fails_as_a_whole(site):
    site.enqueue(wish("broken"))
    site.intake(lane=Breaks).drain(longest=10)
    _, result = result_of(site, "broken")
    assert result.counts == {"succeeded": 0, "failed": 2}
    assert site.inbox.length() == 0


def test_a_set_counts_an_intent_as_failed_that_not_even_a_refusal_can_be_recorded_of(site):
    site.enqueue(wish("good", change_set="sync"), wish("alone", change_set="alone"))
    site.intake().drain()
    send_everything(site.lanes["default"])
    site.enqueue(wish("lost", items=[7, 8, 9], change_set="sync"), wish("lost-2", change_set="other"), wish("none"))
    site.intake(lane=BreaksAlways).drain(longest=10)
    assert site.inbox.length() == 0
    found = read_sets(site.redis, site.prefix, ["sync", "other", "alone"])
    assert [(one.state, one.ended, one.progress.failed) for one in found[:2]] == [("partial", 2, 3), ("failed", 1, 2)]
    assert site.located("lost") is None, "its id may be used again"
    site.inbox.forget_lost(60, 9)
    assert read_sets(site.redis, site.prefix, ["other"]) != [None]
    site.inbox.forget_lost(-1, 9)
    assert read_sets(site.redis, site.prefix, ["other"]) == [None]
    [left] = read_sets(site.redis, site.prefix, ["sync"])
    assert (left.state, left.intents, left.forgotten) == ("partial", 2, 1)


def test_an_intent_that_was_recorded_in_part_is_not_counted_as_lost_as_well(site):
    site.enqueue(wish("large", items=[*range(1, ITEMS + 1)], change_set="sync"))
    die(site, 1)

    class KeepsThePart(Breaks):
        def refuse_rest(self, *_):
            raise ZeroDivisionError("asked for")

    site.intake(lane=KeepsThePart).drain(longest=10)
    [found] = read_sets(site.redis, site.prefix, ["sync"])
    assert (found.ended, found.progress.failed) == (0, 0)


def test_the_rest_of_a_canceled_intent_is_canceled(site):
    site.enqueue(wish("large", items=[*range(1, ITEMS + 1)]))
    die(site, 1)
    site.lanes["default"].end_pending(1, Outcome(OutcomeKind.CANCELED))
    site.lanes["default"].refuse_rest(1, Outcome.failed("crashed", "why"))
    site.intake().drain()
    _, result = result_of(site, "large")
    assert result.counts == {"succeeded": 0, "failed": 0, "canceled": ITEMS}
    assert site.lanes["default"].counts().owned_cells == 0


def test_what_is_refused_now_but_recorded_before_continues_and_is_not_called_refused(site):
    """The catalogue may say otherwise after a restart."""
    site.enqueue(wish("large", items=[*range(1, ITEMS + 1)]))
    die(site, 1)
    intake = site.intake()
    intake._check = lambda _intent: Refusal(Code.BAD_VALUE, "not any more")
    with capture_logs() as lines:
        intake.drain()
    assert [line for line in lines if line["event"] == "intent.refused"] == []
    send_everything(site.lanes["default"])
    assert result_of(site, "large")[1].counts == {"succeeded": ITEMS, "failed": 0}
