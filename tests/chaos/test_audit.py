"""The judge of the ledger is not blind: it sees each way in which one could be wrong."""

import copy
import time
from unittest.mock import Mock

import pytest
from redis import Redis

from feishu_batch import FeishuBatch
from tests.chaos.audit import Snapshot, audit
from tests.support.model import intent
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.ledger.records import BatchState
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


@pytest.fixture(scope="module")
def with_singles(redis_url):
    """A single update in flight, one that may still be executed, and groups that wait for the route."""
    prefix = "audited-singles"
    with Redis.from_url(redis_url, decode_responses=True) as redis, FeishuBatch(redis_url, key_prefix=prefix) as client:
        lane, inbox = Lane(redis, prefix, "default"), Inbox(redis, prefix)
        doors = {"default": IntakeLane(lane, Mock())}
        intake = Intake(
            inbox=inbox, hints=Mock(), route=lambda *_: "default", lanes=doors, lease=30, single_kind=lambda *_: "p"
        )
        lane.singles.configure(9, alone=True)
        lane.singles.begin("me", 30)
        client.enqueue_many([intent([1001], "a"), intent([1002], "b"), intent([1003], "c")])
        intake.drain()
        time.sleep(0.35)
        first, _ = [
            lane.singles.claim(owner="me", max_wait=9, idem_uuid="u", token_fingerprint="t", grace=9) for _ in "ab"
        ]
        lane.advance(first, state=BatchState.SENDING, settled={}, then=BatchState.CHECK, fields={"stray": 1})
        client.enqueue_many([intent([1001], "b", priority=7)])
        intake.drain()
        yield Snapshot.take(redis, prefix)


def test_the_audit_finds_nothing_in_a_ledger_with_single_updates(with_singles):
    assert audit(with_singles, is_over=False) == []
    left = " ".join(audit(with_singles, is_over=True))
    assert all(f"route:single:{name} is not empty" in left for name in ("sizes", "since", "flight", "items", "checks"))


SPOILT_SINGLES = {
    "an update that is in no list": lambda lane: lane.pop("route:single:checks"),
    "an update in the batches' list": lambda lane: lane.update({"checks": lane.pop("route:single:checks")}),
    "an update that nobody sends": lambda lane: lane.pop("route:single:flight"),
    "an item that is open while its update is on its way": lambda lane: lane.pop("route:single:items"),
    "an item that is closed for nobody": lambda lane: lane["route:single:items"].update({"7": "7"}),
    "a group on both routes": lambda lane: lane.update({"route:batch:part": lane["route:single:since"]}),
    "a group on no route": lambda lane: [
        lane.pop(f"route:single:{name}", None) for name in ("sizes", "small", "fresh", "since")
    ],
    "a group in none of its lists": lambda lane: [
        lane.pop(f"route:single:{name}", None) for name in ("small", "fresh")
    ],
    "a size that is wrong": lambda lane: lane["route:single:sizes"].update(
        dict.fromkeys(lane["route:single:sizes"], "7")
    ),
}


@pytest.mark.parametrize("spoil", SPOILT_SINGLES.values(), ids=SPOILT_SINGLES)
def test_the_audit_finds_of_single_updates(with_singles, spoil):
    lane = copy.deepcopy(with_singles.lane)
    spoil(lane)
    assert audit(Snapshot(with_singles.front, lane, with_singles.for_ever), is_over=False)


def test_the_audit_finds_a_flag_without_an_expiry(busy):
    lane = {**busy.lane, "hint:poll": "1"}
    for_ever = busy.for_ever | {"audited:{default}:hint:poll"}
    assert audit(Snapshot(busy.front, lane, for_ever), is_over=False) == ["key without an expiry: hint:poll"]
