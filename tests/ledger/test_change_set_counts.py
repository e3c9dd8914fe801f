"""What is counted of a change set: with each step, for every intent of it, until the last one is forgotten."""

import pytest

from feishu_batch import FeishuBatch
from feishu_batch.intents import parse_intent
from feishu_batch.keys import InboxKeys
from feishu_batch.packing import PackedIntent
from feishu_batch.set_reads import read_sets
from tests.support.command import Ledger
from worker.ledger.record_calls import NumberedSet
from worker.ledger.records import Outcome
from worker.pipeline.sweep import forget

PLACE = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "story", "update_mode": "UPDATE"}


@pytest.fixture
def ledger(redis, prefix):
    return Ledger(redis, prefix)


@pytest.fixture
def enqueue(ledger):
    def put(*items, change_set="s", value="v", **more):
        content = {**PLACE, "work_item_ids": items, "field_key": "f", "after_field_value": value, **more}
        ledger.inbox.enqueue(PackedIntent.of(parse_intent({**content, "change_set": change_set})))

    return put


@pytest.fixture
def counts(redis, prefix):
    return lambda name="s": read_sets(redis, prefix, [name])[0]


def told(counts):
    progress = counts.progress
    return counts.state, counts.intents, counts.ended, progress.pending, progress.in_flight, progress.settled


def test_each_step_of_the_work_is_seen(ledger, enqueue, counts):
    enqueue(1, 2, 3)
    enqueue(4, value="w")
    assert told(counts()) == ("open", 2, 0, 4, 0, 0)
    ledger.take_in()
    assert told(counts()) == ("open", 2, 0, 4, 0, 0)
    batch = ledger.claim()
    assert told(counts()) == ("open", 2, 0, 1, 3, 0)
    ledger.settle(batch, {2: "Terminated"})
    assert told(counts()) == ("open", 2, 1, 1, 0, 3)
    ledger.do_all()
    assert told(counts()) == ("partial", 2, 2, 0, 0, 4)
    assert counts().progress.counts() == {"succeeded": 3, "failed": 1}


def test_an_intent_that_no_worker_can_read_counts_as_failed(redis, ledger, enqueue, counts):
    enqueue(1, 2)
    [entry] = ledger.in_inbox()
    redis.xdel(ledger.inbox.keys.inbox, entry.position)
    redis.xadd(ledger.inbox.keys.inbox, {"t": "1", "i": entry.payload.replace("UPDATE", "LATER")}, "1-1")
    ledger.take_in()
    assert told(counts()) == ("failed", 1, 1, 0, 0, 2)


def test_the_same_intent_again_counts_once(ledger, enqueue, counts):
    for _ in range(2):
        enqueue(1, 2, intent_id="same")
    assert told(counts()) == ("open", 1, 0, 2, 0, 0)


def test_a_read_costs_two_round_trips_whatever_the_number_of_intents(redis, prefix, ledger, enqueue, counts):
    for item in range(1, 40):
        enqueue(item, value=str(item))
    ledger.take_in()
    before = redis.info("commandstats")
    assert counts().intents == 39
    after = redis.info("commandstats")
    used = {name: stats["calls"] - before.get(name, {"calls": 0})["calls"] for name, stats in after.items()}
    assert used["cmdstat_hgetall"] == 3  # its facts twice
    assert used.get("cmdstat_hmget", 0) == used.get("cmdstat_zrange", 0) == 0


class Between:
    """A Redis client, and what happens between two of its round trips."""

    def __init__(self, redis, happens):
        self.redis, self.happens, self.trips = redis, happens, 0

    def pipeline(self, **options):
        pipe = self.redis.pipeline(**options)
        execute = pipe.execute

        def trip():
            if self.trips:
                self.happens()
            self.trips += 1
            return execute()

        pipe.execute = trip
        return pipe


def test_a_set_has_not_ended_before_an_intent_that_joins_it_during_the_look(redis, prefix, ledger, enqueue, counts):
    """The last intent ends and a further one joins, is refused and so ends: as many have ended as there were at first."""
    enqueue(1)
    enqueue(2, value="w")
    ledger.take_in()
    ledger.settle(ledger.claim())  # one of two

    def happens():
        enqueue(3, value="x")
        ledger.lane.refuse(3, "late", 1, [3], Outcome.failed("crashed", ""), {}, change_set=NumberedSet("1", "s"))

    assert told(counts())[:3] == ("open", 2, 1)
    [found] = read_sets(Between(redis, happens), prefix, ["s"])
    assert (found.is_over, found.intents, found.ended) == (False, 3, 2)
    assert found.progress.pending == 1


def test_a_set_that_is_forgotten_and_begins_again_during_the_look_has_not_ended(redis, prefix, ledger, enqueue):
    enqueue(1)
    ledger.do_all()

    def happens():
        forget(ledger.inbox, ledger.lane, ledger.lane.forgettable("succeeded", -1, 9))
        enqueue(2)

    [found] = read_sets(Between(redis, happens), prefix, ["s"])
    assert (found.is_over, found.progress.pending) == (False, 1)


def test_a_set_is_known_until_its_last_intent_is_forgotten_and_begins_anew(redis, prefix, ledger, enqueue, counts):
    enqueue(1)
    enqueue(2, value="w")
    ledger.do_all({2: "Terminated"})
    old = counts()
    forget(ledger.inbox, ledger.lane, ledger.lane.forgettable("succeeded", -1, 9))
    assert (counts().state, counts().forgotten, counts().progress) == ("partial", 1, old.progress)
    forget(ledger.inbox, ledger.lane, ledger.lane.forgettable("failed", -1, 9))
    assert counts() is None
    keys = InboxKeys(prefix)
    assert redis.exists(keys.set("s"), keys.set_facts("s"), keys.sets) == 0
    enqueue(3)  # before a sweep deletes what the lane counted
    ledger.take_in()
    assert told(counts()) == ("open", 1, 0, 1, 0, 0)
    ledger.inbox.delete_dropped_sets(9)
    assert (len(redis.keys(f"{prefix}:{{default}}:set:*")), redis.exists(keys.dropped_sets)) == (1, 0)


def test_what_stops_half_way_is_forgotten_by_the_next_sweep(ledger, enqueue, counts):
    enqueue(1)
    ledger.do_all()
    old = ledger.lane.forgettable("succeeded", -1, 9)
    ledger.inbox.forget(old)  # and the process dies
    forget(ledger.inbox, ledger.lane, ledger.lane.forgettable("succeeded", -1, 9))
    assert counts() is None


def test_a_member_that_is_in_use_again_stays(ledger, enqueue, counts):
    enqueue(1, intent_id="same")
    ledger.do_all()
    old = ledger.lane.forgettable("succeeded", -1, 9)
    ledger.inbox.forget(old)
    enqueue(2, intent_id="same")
    forget(ledger.inbox, ledger.lane, old)
    assert counts().progress.pending == 1


def test_one_call_may_add_to_several_sets(redis_url, redis, prefix, counts):
    def intent(item, **more):
        return {**PLACE, "work_item_ids": [item, item + 100], "field_key": "f", "after_field_value": item, **more}

    a, b = ({"change_set": name, "note": f"note of {name}"} for name in "ab")
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5, producer="me") as client:
        client.enqueue_many([intent(1, **a), intent(2, **b), intent(3), intent(4, change_set="a"), intent(5, **b)])
        client.enqueue(**intent(6, **b))
    assert told(counts("a")) == ("open", 2, 0, 4, 0, 0)
    assert told(counts("b")) == ("open", 3, 0, 6, 0, 0)
    assert [(one.note, one.producer) for one in read_sets(redis, prefix, ["a", "b"])] == [
        ("note of a", "me"),
        ("note of b", "me"),
    ]
    assert redis.zcard(InboxKeys(prefix).set("b")) == 3
