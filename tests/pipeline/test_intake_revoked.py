"""Intents that somebody revoked before, or while, they were taken in."""

import pytest

from feishu_batch.results import read_intent
from tests.pipeline.intake_kit import wish
from worker.ledger.lane import Lane
from worker.ledger.record_calls import record_calls
from worker.ledger.records import NoBatchReason


def claim(lane):
    return lane.claim(owner="o", lease=30, max_open=9, max_wait=9, idem_uuid="u", token_fingerprint="t")


def state_of(site, intent_id):
    return read_intent(site.redis, site.prefix, intent_id).state


@pytest.fixture
def claimed_at_once():
    """What a sender, on whatever hint, would get hold of between the recording of a round and its leaving the inbox."""
    return []


@pytest.fixture
def eager(claimed_at_once):
    class EagerLane(Lane):
        def record(self, intents):
            ready = super().record(intents)
            claimed_at_once.append(claim(self))
            return ready

    return EagerLane


def test_what_was_revoked_before_it_is_recorded_can_be_sent_by_no_person(site, eager, claimed_at_once):
    site.enqueue(wish("gone"), wish("wanted", [3]))
    site.inbox.note_revoked(["gone"])
    site.intake(lane=eager).drain()
    [batch] = claimed_at_once
    assert batch.items == (3,)
    assert state_of(site, "gone") == "canceled"
    assert not site.redis.exists(site.inbox.keys.revoked)


def test_it_ends_no_change_of_another_intent(site):
    site.enqueue(wish("older"))
    site.intake().drain()
    site.enqueue(wish("gone", value="another"))
    site.inbox.note_revoked(["gone"])
    site.intake().drain()
    assert (state_of(site, "older"), state_of(site, "gone")) == ("open", "canceled")
    assert claim(site.lanes["default"]).items == (1, 2)


def test_a_large_one_ends_in_all_its_parts(site):
    site.enqueue(wish("gone", list(range(1, 1202))))
    site.inbox.note_revoked(["gone"])
    site.intake().drain()
    assert read_intent(site.redis, site.prefix, "gone").progress.canceled == 1201
    assert claim(site.lanes["default"]).why is NoBatchReason.IDLE


def test_what_is_revoked_while_it_is_recorded_is_canceled_when_it_leaves_the_inbox(site):
    class SlowLane(Lane):
        def record(self, intents):
            site.inbox.note_revoked(["gone"])
            return super().record(intents)

    site.enqueue(wish("gone"))
    site.intake(lane=SlowLane).drain()
    assert state_of(site, "gone") == "canceled"
    assert claim(site.lanes["default"]).why is NoBatchReason.IDLE


class HalfWay(Lane):
    """Records one part of a large intent, then its process dies."""

    def record(self, intents):
        self._run("record", next(iter(record_calls(intents))))
        raise KeyboardInterrupt


@pytest.mark.parametrize("revoked_first", [True, False])
def test_a_large_one_that_was_recorded_in_part_ends_as_a_whole(site, revoked_first):
    site.enqueue(wish("gone", list(range(1, 1202))), wish("wanted", [1, 1201], value="w"))
    if revoked_first:
        site.inbox.note_revoked(["gone"])
    with pytest.raises(KeyboardInterrupt):
        site.intake(lane=HalfWay, lease=0.001).drain()
    site.inbox.note_revoked(["gone"])
    site.redis.delete(site.inbox.keys.lock)
    site.intake().drain()
    assert read_intent(site.redis, site.prefix, "gone").progress.canceled == 1201
    assert not site.redis.exists(site.inbox.keys.revoked)
    lane = site.lanes["default"]
    assert claim(lane).items == (1, 1201)
    assert lane.counts().owned_cells == 2
    assert not site.redis.exists(lane.keys.named("behind-of"), lane.keys.named("shared"))
