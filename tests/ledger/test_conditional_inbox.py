"""Intents that are written on a condition: the step itself, and what its caller learns of it."""

import pytest

from feishu_batch import IntentConflict, UpdateIntent
from feishu_batch.inbox import InboxWriter
from feishu_batch.keys import InboxKeys
from worker.ledger.conditional_inbox import ConditionalInbox, if_newest_script


def test_on_the_condition_that_nothing_newer_was_enqueued(redis, prefix):
    keys = InboxKeys(prefix)
    names = (keys.inbox, keys.ids, keys.sequence, keys.parked, keys.hint, keys.format)

    def enqueue(newest, *ids):
        triples = [part for intent_id in ids for part in (intent_id, "d", "json")]
        return redis.eval(if_newest_script(), len(names), *names, 60_000, "", *triples, newest)

    assert enqueue(0, "a", "b") == [1, 1, "new", 2, "new"]
    assert enqueue(1, "c") == enqueue(0, "a") == [-2, 2]
    assert redis.xlen(keys.inbox) == 2
    assert enqueue(2, "a", "c") == [0, 1, "same", 3, "new"]


def intent(intent_id, after="x"):
    change = {"project_key": "p", "work_item_type_key": "story", "field_key": "f", "update_mode": "UPDATE"}
    return UpdateIntent(**change, intent_id=intent_id, work_item_ids=[1], after_field_value=after)


@pytest.fixture
def hints():
    return []


@pytest.fixture
def inbox(redis_url, prefix, hints):
    writer = InboxWriter(redis_url, prefix, 1.0)
    yield ConditionalInbox(writer, lambda: hints.append(1))
    writer.close()


def test_it_returns_the_number_that_is_the_newest_then_and_hints_once(inbox, hints):
    assert inbox.write_if_newest([intent("a"), intent("b")], 0) == 2
    assert inbox.write_if_newest([intent("c")], 2) == 3
    assert hints == [1]


def test_it_writes_nothing_where_others_came_first(inbox, redis, prefix):
    inbox.write_if_newest([intent("a")], 0)
    assert inbox.write_if_newest([intent("b")], 0) is None
    assert redis.xlen(InboxKeys(prefix).inbox) == 1


def test_what_was_written_before_has_its_number_still(inbox):
    inbox.write_if_newest([intent("a"), intent("b")], 0)
    assert inbox.write_if_newest([intent("a")], 2) == 2


def test_an_id_that_another_content_has_is_refused(inbox):
    inbox.write_if_newest([intent("a")], 0)
    with pytest.raises(IntentConflict):
        inbox.write_if_newest([intent("a", "y")], 1)
