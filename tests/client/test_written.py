"""What was written travels inside the intent, and comes back as it stood."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feishu_batch import IntentError, parse_intent, signature
from feishu_batch.testing import FakeFeishuBatch
from feishu_batch.written import Kind, Written, holds_written, untagged
from tests.support.strategies import recursive

CONTENT = {
    "project_key": "demo",
    "work_item_type_key": "story",
    "work_item_ids": [1001],
    "field_key": "Story points",
    "update_mode": "UPDATE",
}
CHINA = timezone(timedelta(hours=8))


def carried(value):
    return parse_intent({**CONTENT, "after_field_value": value}).after_field_value


FROM_PYTHON = [
    (Decimal("1.10"), {"$number": "1.10"}),
    (Decimal("1E+3"), {"$number": "1000"}),
    (Decimal("-0.5"), {"$number": "-0.5"}),
    (date(2030, 1, 31), {"$date": "2030-01-31"}),
    (datetime(2030, 1, 31, 18, tzinfo=CHINA), {"$date": "2030-01-31T18:00:00+08:00"}),
    ({"start_time": date(2030, 1, 1), "end_time": 5}, {"end_time": 5, "start_time": {"$date": "2030-01-01"}}),
    ([Decimal(1), "a"], [{"$number": "1"}, "a"]),
]


@pytest.mark.parametrize(("value", "travels"), FROM_PYTHON, ids=str)
def test_dates_and_decimals_of_a_program_travel_as_what_they_are(value, travels):
    assert carried(value) == travels
    assert carried(travels) == travels
    fake = FakeFeishuBatch()
    fake.enqueue(**CONTENT, after_field_value=value)
    fake.enqueue_many([{**CONTENT, "after_field_value": value}])
    assert [intent.after_field_value for intent in fake.intents] == [travels, travels]
    assert signature(**CONTENT, after_field_value=value).kwargs["after_field_value"] == travels


REFUSED = [
    (datetime(2030, 1, 31), "without a time zone"),  # noqa: DTZ001 - that is what is refused
    (Decimal("NaN"), "NaN"),
    (Decimal("sNaN"), "NaN"),
    (Decimal("-Infinity"), "Infinity"),
    (Decimal("1E+999999"), "400 digits"),
    (Fraction(1, 3), "Fraction, which is not JSON"),
    (datetime(2030, 1, 31, tzinfo=UTC).time(), "time, which is not JSON"),
    ({"$text": 1}, "$text, which is not a text"),
    ({"$number": "1e3"}, "a number in digits"),
    ({"$number": "NaN"}, "a number in digits"),
    ({"$date": "20300131"}, "a date like"),
    ({"$date": "tomorrow"}, "a date like"),
    ({"$boolean": "yes"}, "TRUE or FALSE"),
    ({"$text": "a", "label": "b"}, "and other keys"),
    ([{"$number": "1", "shown": 1}], "not a text"),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=str)
def test_what_cannot_travel_is_refused_where_it_is_enqueued(value, reason):
    with pytest.raises(IntentError) as refused:
        carried(value)
    assert reason in str(refused.value)


@given(st.sampled_from([kind for kind in Kind if kind is not Kind.ERROR]), st.text(max_size=30), st.none() | st.text())
def test_what_was_written_comes_back_as_it_stood(kind, text, shown):
    written = Written(kind, text, None if shown == text else shown)
    told = json.loads(json.dumps(written.to_json()))
    if isinstance(told, str):
        assert (kind, told) == (Kind.TEXT, text)
    else:
        assert Written.of(told) == written
        assert holds_written([{"a": told}])
    assert untagged([told]) == [written.as_seen]


@pytest.mark.parametrize("text", ["1.10", "-0", "true", "null", '{"a": 1}', "[x]", '"5"', " 5", ""])
def test_a_text_that_may_be_read_otherwise_says_that_it_is_one(text):
    assert Written(Kind.TEXT, text).to_json() == {"$text": text}


@pytest.mark.parametrize(
    "text", ["P1", "严重", "True story", "https://example.com/1", "nullable", "+5", "１２", "#123", "，"]
)
def test_words_travel_as_they_are(text):
    assert Written(Kind.TEXT, text).to_json() == text


@given(recursive(st.none() | st.booleans() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_plain_json_is_not_taken_for_something_else(value):
    assert untagged(value) == value or holds_written(value)
