"""Both entry points: any input is an intent that can be written, or one clear error."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feishu_batch import FeishuBatch, IntentConflict, IntentError, UpdateIntent, parse_intent
from feishu_batch.packing import PackedIntent
from tests.fuzz.hostile import GOOD, SURROGATE, anything, is_clear, nested, spoilt

FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def parsed(data):
    """The intent, or None after one clear error."""
    try:
        return parse_intent(data)
    except IntentError as error:
        assert is_clear(str(error)), error  # noqa: PT017 - either is right
        return None


@FUZZ
@given(spoilt)
@example({**GOOD, "note": SURROGATE})
@example({**GOOD, "work_item_ids": [1, 1]})
@example({**GOOD, "work_item_ids": [10**400]})
@example({**GOOD, SURROGATE: 1})
def test_any_mapping_is_an_intent_that_can_be_written_or_one_clear_error(data):
    intent = parsed(data)
    if intent is not None:
        text = PackedIntent.of(intent).json
        assert UpdateIntent.parse(text) == intent
        assert PackedIntent.of(UpdateIntent.parse(text)).digest == intent.digest()
        json.loads(text.encode())


@FUZZ
@given(anything)
def test_whatever_is_no_mapping_is_one_clear_error(data):
    assert parsed(data) is None


@FUZZ
@given(st.one_of(st.text(st.characters(), max_size=60), st.binary(max_size=60)))
@example("[" * 200_000)
@example('{"a":' * 50_000)
@example("\ufeff{}")
@example(b"\xff\xfe{}")
@example('{"work_item_ids": [' + "9" * 5000 + "]}")
def test_any_text_is_one_clear_error(text):
    assert parsed(text) is None


@pytest.mark.parametrize("levels", [33, 900, 100_000])
@pytest.mark.parametrize("key", sorted(GOOD))
def test_what_is_nested_too_deeply_is_one_clear_error(key, levels):
    assert parsed({**GOOD, key: nested(levels)}) is None


@pytest.fixture(scope="module")
def client(redis_url):
    with FeishuBatch(redis_url, key_prefix="fuzz-entry") as client:
        yield client


@settings(parent=FUZZ, max_examples=60)
@given(st.lists(spoilt, min_size=1, max_size=4))
def test_enqueue_many_writes_all_or_nothing(client, intents):
    import redis

    with redis.Redis.from_url(client._redis_url) as server:
        before = int(server.get("fuzz-entry:{front}:sequence") or 0)
        handles = []
        with contextlib.suppress(IntentError, IntentConflict):
            handles = client.enqueue_many(intents)
        written = int(server.get("fuzz-entry:{front}:sequence") or 0) - before
        assert written <= len(handles)
