"""A table of a program, and what becomes of it as one thing: against a real server, and against the fake alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feishu_batch import EnqueueError, FeishuBatch, IntentError, UnknownChangeSet, WaitTimeout
from feishu_batch.fake_fields import values_of
from feishu_batch.keys import InboxKeys
from feishu_batch.tables import intents_of_table
from feishu_batch.testing import FakeFeishuBatch

PLACE = {"project_key": "demo", "work_item_type_key": "story"}
ROWS = {3: {"Priority": "P0", "Note": "x"}, 1: {"Priority": "P0"}, 2: {"Priority": "P1", "Note": None}}


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5) as made:
        yield made


def gathered(intents):
    return [(i.field_key, i.after_field_value, i.work_item_ids, i.priority) for i in intents]


def test_cells_that_agree_are_one_intent(client):
    fake = FakeFeishuBatch()
    fake.enqueue_table(ROWS, **PLACE, change_set="sync")
    assert gathered(fake.intents) == [
        ("Priority", "P0", (1, 3), 3),
        ("Note", "x", (3,), 3),
        ("Priority", "P1", (2,), 3),
        ("Note", None, (2,), 3),
    ]
    assert {i.change_set for i in fake.intents} == {"sync"}


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_the_same_table_under_the_same_change_set_is_the_same_work(client, redis, prefix, kind):
    producer = client if kind == "real" else FakeFeishuBatch()
    first = producer.enqueue_table(ROWS, **PLACE, change_set="sync")
    shuffled = dict(reversed(ROWS.items()))
    again = producer.enqueue_table(shuffled, **PLACE, change_set="sync")
    assert first.progress.total == again.progress.total == 5
    assert producer.enqueue_table(ROWS, **PLACE).progress.total == 5  # a set of its own
    assert first.progress.total == 5


@pytest.mark.parametrize("kind", ["real", "fake"])
@pytest.mark.parametrize(
    "options",
    [{"note": "again"}, {"priority": 9}, {"expires_at": "2040-01-31T18:00:00+08:00"}, {"skip_unchanged": False}],
    ids=lambda options: next(iter(options)),
)
def test_the_same_table_with_another_note_or_expiry_is_no_other_work(client, kind, options):
    producer = client if kind == "real" else FakeFeishuBatch()
    producer.enqueue_table(ROWS, **PLACE, change_set="sync", note="first")
    assert producer.enqueue_table(ROWS, **PLACE, change_set="sync", **options).progress.total == 5


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_a_table_again_says_how_much_of_it_was_known(client, kind):
    """A, B, A: the third call may be the late repetition of the first, which must not undo B."""
    producer = client if kind == "real" else FakeFeishuBatch()
    a, b = {1: {"P": "a", "N": "n"}, 2: {"P": "a"}}, {1: {"P": "b", "N": "n"}, 2: {"P": "a"}}
    calls = [producer.enqueue_table(table, **PLACE, change_set="sync") for table in (a, b, a)]
    assert [one.known for one in calls] == [0, 1, 3]  # in B, the cells with P=a are other cells than in A
    assert producer.enqueue_table(a, **PLACE, change_set="sync-2").known == 0
    assert producer.change_set("sync").known is None


def test_after_a_lost_answer_it_is_not_said_what_was_known(client, monkeypatch):
    monkeypatch.setattr(client, "_put", lambda intents: [None] * len(intents))
    assert client.enqueue_table(ROWS, **PLACE).known is None


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_a_change_set_may_be_named_by_any_intent_and_looked_at_from_elsewhere(client, kind):
    producer = client if kind == "real" else FakeFeishuBatch()
    producer.enqueue_many(
        {**PLACE, "work_item_ids": [n, n + 1], "field_key": "a", "update_mode": "UPDATE", "after_field_value": n,
         "change_set": "mine:1.0"}
        for n in (1, 5)
    )  # fmt: skip
    found = producer.change_set("mine:1.0")
    assert (found.id, found.progress.total, found.progress.pending) == ("mine:1.0", 4, 4)
    with pytest.raises(WaitTimeout, match=r"change set mine:1\.0 has not ended within 0 s"):
        found.wait(0)
    with pytest.raises(UnknownChangeSet, match="no change set other"):
        _ = producer.change_set("other").progress


def test_no_intent_is_left_out_while_the_oldest_are_forgotten(client, redis, prefix, monkeypatch):
    monkeypatch.setattr("feishu_batch.inbox.SET_PAGE", 2)
    found = client.enqueue_table({item: {"a": item} for item in range(1, 8)}, **PLACE, change_set="sync")
    pages = found._ids()
    seen = list(next(pages))
    redis.zremrangebyrank(InboxKeys(prefix).set("sync"), 0, 1)
    seen += [one for page in pages for one in page]
    assert len(set(seen)) == 7


def test_the_words_of_a_change_set_in_a_value_are_no_change_set(client):
    value = {"change_set": "not mine"}
    client.enqueue(**PLACE, work_item_ids=[1], field_key="a", update_mode="UPDATE", after_field_value=value)
    with pytest.raises(UnknownChangeSet):
        _ = client.change_set("not mine").progress


@pytest.mark.parametrize(
    ("rows", "options", "complaint"),
    [
        ({}, {}, "the table has no cell"),
        ([1], {}, "a table is a mapping of work item ids"),
        ({"1": {"a": 1}}, {}, "table.1: the key of a row is a work item id"),
        ({True: {"a": 1}}, {}, "table.True: the key of a row"),
        ({1: ["a"]}, {}, "table.1: a row is a mapping of fields to values"),
        ({1: {"a": {1, 2}}}, {}, "table.1.a: holds a set, which is not JSON"),
        ({1: {" a": 1}}, {}, "table.1. a: must be a field's key, alias or name"),
        ({0: {"a": 1}}, {}, "work_item_ids.0: must be more than 0"),
        ({1: {"a": 1}}, {"change_set": ""}, "change_set: must be 1 to 64 letters, digits, _ . : or -"),
        ({1: {"a": 1}}, {"change_set": "no blanks"}, "change_set: must be 1 to 64 letters, digits, _ . : or -"),
        ({1: {"a": 1}}, {"update_mode": "REPLACE"}, "before_field_value"),
    ],
)
def test_what_is_no_table_is_refused_and_nothing_is_written(rows, options, complaint):
    fake = FakeFeishuBatch()
    with pytest.raises(IntentError) as told:
        fake.enqueue_table(rows, **{**PLACE, **options})
    assert complaint in str(told.value)
    assert fake.intents == []


def test_an_error_tells_under_which_change_set_to_try_again(prefix):
    away = FeishuBatch("redis://127.0.0.1:1/0", key_prefix=prefix, timeout=0.2)
    with pytest.raises(EnqueueError, match="enqueue the same table again with change_set='table-"):
        away.enqueue_table(ROWS, **PLACE)


def test_the_fake_ends_fails_and_cancels_a_change_set():
    fake = FakeFeishuBatch()
    found = fake.enqueue_table(ROWS, **PLACE, change_set="sync")
    one, *others = fake.intents
    fake.complete(one.intent_id, failed={3: {"code": "WorkItemTerminated", "reason": "it is over"}})
    [failed] = found.failures()
    assert (failed.item, failed.field, failed.code, failed.reason) == (
        3,
        "Priority",
        "WorkItemTerminated",
        "it is over",
    )
    found.cancel()
    result = found.wait(1)
    assert result.state == "partial"
    assert result.counts == {"succeeded": 1, "failed": 1, "canceled": 3}
    assert not result.ok
    assert [fake._views[i.intent_id].state for i in others] == ["canceled"] * 3


VALUES = st.sampled_from([None, True, 1, 1.0, "1", "x", [], ["a", "b"], {"value": "o"}])
TABLES = st.dictionaries(
    st.integers(1, 50), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=20
)


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_a_table_means_what_its_cells_mean(rows):
    cells = {item: row for item, row in rows.items() if row}
    if not cells:
        return
    intents = list(intents_of_table(rows, "x", **PLACE, update_mode="UPDATE"))
    assert len({(i.field_key, repr(i.after_field_value)) for i in intents}) == len(intents)
    found = values_of(intents, lambda _intent, _item: True)
    wanted = {item: {field: _stored(value) for field, value in row.items()} for item, row in cells.items()}
    assert found == wanted
    assert {type(v) for row in found.values() for v in row.values()} == {
        type(v) for r in wanted.values() for v in r.values()
    }


def _stored(value):
    """As the fake has it."""
    if value in ("", []):
        return None
    return value["value"] if isinstance(value, dict) else value
