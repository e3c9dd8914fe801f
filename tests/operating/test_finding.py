"""Change sets and single intents are found by a part of their id or note, and by the time; the search is bounded, and says so."""

import pytest

from feishu_batch import FeishuBatch
from feishu_batch.keys import RecordField
from tests.support.command import PROJECT
from worker.operating import finding
from worker.operating.finding import FOUND, Search, find

STORY = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE", "field_key": "field_a1b2c3"}


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix) as opened:
        yield opened


def put(client, note, items=(1,), **more):
    return client.enqueue(
        **STORY, work_item_ids=list(items), after_field_value=note or "x", note=note, **more
    ).intent_id


def at(session, ledger, redis, moments):
    """As if the intents had been enqueued then; their numbers are in the same order."""
    for number, moment in enumerate(moments, start=1):
        redis.hset(ledger.lane.keys.intent(number), RecordField.ENQUEUED_AT_MS, round(moment * 1000))


def notes(found):
    return [one.note for one in found.intents]


def test_a_part_of_a_note_or_an_id_is_enough(session, ledger, client):
    put(client, "Correct one date")
    put(client, "提高支付需求的优先级")
    put(client, None, intent_id="nightly-17")
    client.enqueue_table(
        {5: {"field_a1b2c3": "x"}},
        change_set="sprint-7",
        note="Sprint 7",
        project_key=PROJECT,
        work_item_type_key="story",
    )
    ledger.take_in()
    assert notes(find(session, Search("ONE D"))) == ["Correct one date"]
    assert notes(find(session, Search("支付"))) == ["提高支付需求的优先级"]
    assert [one.view.intent_id for one in find(session, Search("nightly")).intents] == ["nightly-17"]
    found = find(session, Search("sprint"))
    assert ([one.change_set for one in found.sets], found.intents) == (["sprint-7"], [])  # its intents are in the set
    assert find(session, Search("nothing of that name")) == finding.Found([], [], has_more=False, is_cut=False)


@pytest.mark.parametrize("kept", [range(1, 101), range(41, 101), (1, 50, 51, 52, 100)])
@pytest.mark.parametrize(
    ("since", "until"), [(None, None), (50, None), (None, 50), (49.5, 51), (0, 0.5), (200, None), (None, 200)]
)
def test_the_time_narrows_down_whatever_was_forgotten(session, ledger, client, redis, since, until, kept, monkeypatch):
    monkeypatch.setattr(finding, "FOUND", 1000)
    monkeypatch.setattr(finding, "AT_ONCE", 7)
    for number in range(1, 101):
        put(client, f"note {number}", items=(number,))
    ledger.do_all()
    at(session, ledger, redis, range(1, 101))
    gone = [number for number in range(1, 101) if number not in kept]
    for number in gone:
        redis.delete(ledger.lane.keys.intent(number))
    expected = [
        n
        for n in reversed(range(1, 101))
        if n in kept and (since is None or n >= since) and (until is None or n <= until)
    ]
    assert notes(find(session, Search("", since, until))) == [f"note {n}" for n in expected]


def test_the_search_is_bounded_and_says_so(session, ledger, client, redis, monkeypatch):
    for number in range(1, FOUND + 6):
        put(client, f"note {number}", items=(number,))
    ledger.do_all()
    found = find(session, Search("note"))
    assert (len(found.intents), found.has_more, found.is_cut) == (FOUND, True, False)
    monkeypatch.setattr(finding, "INTENTS", 10)
    found = find(session, Search("note 1"))
    assert (set(notes(found)) < {f"note {n}" for n in range(10, 20)}, found.is_cut) == (True, True)
    at(session, ledger, redis, range(1, FOUND + 6))
    assert notes(find(session, Search("note 1", until=1))) == [
        "note 1"
    ]  # as the page says: a time searches before them
