"""The Lua against a small, obviously right model, on a real server."""

from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis, ResponseError

from feishu_batch.inbox import enqueue_script
from feishu_batch.keys import InboxKeys
from feishu_batch.ledger_format import FORMAT

ids = st.sampled_from(["a", "b", "c", "d"])
digests = st.sampled_from(["d1", "d2"])
calls = st.lists(st.lists(st.tuples(ids, digests), min_size=1, max_size=4), max_size=8)


class Model:
    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.order: list[str] = []

    def enqueue(self, intents):
        digests = dict(self.digests)
        for intent_id, digest in intents:
            if digests.setdefault(intent_id, digest) != digest:
                return [-1, intent_id]
        answer = []
        for intent_id, digest in intents:
            status = "same" if intent_id in self.digests else "new"
            if status == "new":
                self.digests[intent_id] = digest
                self.order.append(intent_id)
            answer += [self.order.index(intent_id) + 1, status]
        return answer


def run(redis, keys, intents, hint_ms=60_000, parked=""):
    names = (keys.inbox, keys.ids, keys.sequence, keys.parked, keys.hint, keys.format)
    triples = [part for intent_id, digest in intents for part in (intent_id, digest, f"json of {intent_id}")]
    return redis.eval(enqueue_script(), len(names), *names, hint_ms, parked, *triples)


@given(calls)
@settings(deadline=None)
def test_the_script_does_what_the_model_does(redis_url, history):
    keys, model = InboxKeys(f"test-{uuid4().hex}"), Model()
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        for intents in history:
            answer = run(redis, keys, intents)
            expected = model.enqueue(intents)
            assert answer == expected if expected[0] == -1 else answer[1:] == expected
        inbox = redis.xrange(keys.inbox)
        assert [entry_id for entry_id, _ in inbox] == [f"{n}-0" for n in range(1, len(model.order) + 1)]
        assert [fields["i"] for _, fields in inbox] == [f"json of {intent_id}" for intent_id in model.order]
        assert redis.hgetall(keys.ids) == {
            intent_id: f"{number}:{model.digests[intent_id]}" for number, intent_id in enumerate(model.order, 1)
        }


def test_one_hint_is_wanted_until_it_is_taken_or_too_old(redis, prefix):
    keys = InboxKeys(prefix)
    assert [run(redis, keys, [(intent_id, "d")])[0] for intent_id in "aba"] == [1, 0, 0]
    redis.delete(keys.hint)
    assert run(redis, keys, [("a", "d")])[0] == 0, "nothing new, nothing to look at"
    assert run(redis, keys, [("c", "d")], hint_ms=1500)[0] == 1
    assert 0 < redis.pttl(keys.hint) <= 1500


def test_a_signature_is_parked_under_the_intents_number(redis, prefix):
    keys = InboxKeys(prefix)
    run(redis, keys, [("a", "d")])
    run(redis, keys, [("b", "d")], parked='{"task": "t"}')
    assert redis.hgetall(keys.parked) == {"2": '{"task": "t"}'}


def test_an_intent_that_is_already_recorded_is_the_same(redis, prefix):
    keys = InboxKeys(prefix)
    redis.set(keys.format, FORMAT)
    redis.hset(keys.ids, "a", "7:d:main")
    assert run(redis, keys, [("a", "d")]) == [0, 7, "same"]
    assert run(redis, keys, [("a", "other")]) == [-1, "a"]
    assert not redis.exists(keys.inbox)


def test_a_script_that_fails_leaves_no_id_behind(redis, prefix):
    keys = InboxKeys(prefix)
    redis.set(keys.format, FORMAT)
    redis.xadd(keys.inbox, {"i": "from the future"}, id=f"{2**50}-0")
    with pytest.raises(ResponseError, match="equal or smaller"):
        run(redis, keys, [("a", "d")])
    assert redis.hlen(keys.ids) == 0


def test_numbers_continue_behind_what_another_process_wrote_into_the_stream(redis, prefix):
    keys = InboxKeys(prefix)
    run(redis, keys, [("a", "d")])
    stranger = redis.xadd(keys.inbox, {"garbage": "1"})  # its id is the time in ms
    redis.xdel(keys.inbox, stranger)
    assert run(redis, keys, [("b", "d"), ("c", "d")])[1::2] == [int(stranger[:-2]) + 1, int(stranger[:-2]) + 2]
    redis.delete(keys.sequence)
    assert run(redis, keys, [("d", "d")])[1] == int(stranger[:-2]) + 3


def test_numbers_stay_exact_beyond_what_lua_prints(redis, prefix):
    keys = InboxKeys(prefix)
    redis.set(keys.format, FORMAT)
    redis.set(keys.sequence, 10**15)
    run(redis, keys, [("a", "d")])
    assert redis.hget(keys.ids, "a") == f"{10**15 + 1}:d"
    assert redis.xrange(keys.inbox)[0][0] == f"{10**15 + 1}-0"
