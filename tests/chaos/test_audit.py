"""The judge of the ledger is not blind: it sees each way in which one could be wrong."""

import copy
from unittest.mock import Mock

import pytest
from redis import Redis

from feishu_batch import FeishuBatch
from tests.chaos.audit import Snapshot, audit
from tests.support.model import intent
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.pipeline.intake import Intake
from worker.pipeline.intake_refusals import IntakeLane


@pytest.fixture(scope="module")
def busy(redis_url):
    """A ledger with a batch in flight, changes behind it, a shared one, and ready ones. Made without any worker."""
    prefix = "audited"
    with Redis.from_url(redis_url, decode_responses=True) as redis, FeishuBatch(redis_url, key_prefix=prefix) as client:
        lane, inbox = Lane(redis, prefix, "default"), Inbox(redis, prefix)
        doors = {"default": IntakeLane(lane, Mock())}
        intake = Intake(inbox=inbox, hints=Mock(), route=lambda *_: "default", lanes=doors, lease=30)
        client.enqueue_many([intent([1001, 1002], "a")])
        intake.drain()
        lane.claim(owner="me", lease=30, max_open=9, max_wait=9, idem_uuid="u", token_fingerprint="t")
        client.enqueue_many([intent([1002, 1003], "b", priority=7), intent([1002, 1003], "b")])
        intake.drain()
        yield Snapshot.take(redis, prefix)


def test_the_audit_finds_nothing_in_a_ledger_at_work(busy):
    assert audit(busy, is_over=False) == []


def test_the_audit_misses_the_end_of_the_work(busy):
    found = " ".join(audit(busy, is_over=True))
    assert "cells is not empty" in found
    assert "batch is not empty" in found


SPOILT = {
    "a batch without a lease": lambda lane: lane.pop("route:batch:lease"),
    "a batch in two places": lambda lane: lane.update({"due": {"1": "0"}}),
    "a cell that nobody can send": lambda lane: lane.pop("ready:2"),
    "a line out of order": lambda lane: lane.update({"behind:1:1002": ["3", "2"]}),
    "a line without an owner": lambda lane: lane["cells"].pop("1:1002"),
    "a cell of a batch that is gone": lambda lane: lane.pop("batch:1"),
    "a share of nobody": lambda lane: lane["shared"].update({"9:1:1003": "3"}),
    "counts that do not add up": lambda lane: lane["intent:2"].update({"opn": "1"}),
    "a group that is counted wrongly": lambda lane: lane["group:2"].update({"refs": "7"}),
    "an intent in the outbox that is not there": lambda lane: lane.update({"outbox": {"77": "0"}}),
    "a key that nobody knows": lambda lane: lane.update({"something": "else"}),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_the_audit_finds(busy, spoil):
    lane = copy.deepcopy(busy.lane)
    spoil(lane)
    assert audit(Snapshot(busy.front, lane, busy.for_ever), is_over=False)


def test_the_audit_finds_a_flag_without_an_expiry(busy):
    lane = {**busy.lane, "hint:poll": "1"}
    for_ever = busy.for_ever | {"audited:{default}:hint:poll"}
    assert audit(Snapshot(busy.front, lane, for_ever), is_over=False) == ["key without an expiry: hint:poll"]
