"""What is shown of a value means the same value when it is written again."""

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.catalogue.wish import CHINA, demo_catalogue, verdict, wish
from worker.catalogue.as_written import FieldWords, as_text, people_of
from worker.writing.dates import PLAUSIBLE, milliseconds_in
from worker.writing.moments import moment_in_words

EMAILS = {"7300000000000000002": "lilei@example.com"}
FIELDS = demo_catalogue().by_key
NEW_YEAR = 1_893_427_200_000  # 2030-01-01 in China
TREE = {"value": "cmp_pay", "children": {"value": "cmp_pay_card", "children": None}}
CASES = [
    ("field_a1b2c3", "any text, with a comma", "any text, with a comma"),
    ("field_3f6a90", 1.5, "1.5"),
    ("field_3f6a90", 3, "3"),
    ("field_3f6a90", 1e-7, "0.0000001"),
    ("priority", {"value": "option_1", "label": "an old label"}, "P1"),
    ("field_f5ed1b", {"value": "p0w3e8r5t"}, "Doing"),
    ("tags", [{"value": "n8d2k5j1h"}, {"value": "u5i8o2p6a"}], "backend, urgent"),
    ("field_b7c2d8", TREE, "Payment / Card"),
    ("field_b7c2d8", {"value": "cmp_pay", "children": None}, "Payment"),
    ("owner", "7300000000000000002", "lilei@example.com"),
    ("owner", {"user_key": "7300000000000000002"}, "lilei@example.com"),
    ("watchers", ["7300000000000000002", "7300000000000000003"], "lilei@example.com, 7300000000000000003"),
    ("field_d4e5f6", NEW_YEAR, "2030-01-01"),
    ("field_d4e5f6", NEW_YEAR + 3_600_000, "2030-01-01 01:00"),
    ("field_d4e5f6", NEW_YEAR + 1, "2030-01-01 00:00:00.001"),
    ("field_9e8d7c", {"start_time": NEW_YEAR, "end_time": NEW_YEAR + 86_400_000}, "2030-01-01/2030-01-02"),
    ("field_5a4b3c", True, "yes"),
    ("field_5a4b3c", False, "no"),
    ("field_7f8e9d", 5001, "5001"),
    ("field_6c5b4a", [1001, 1002], "1001, 1002"),
    ("description", "**rich**", "**rich**"),
    ("field_0c9d1e", "two\nlines", "two\nlines"),
    ("field_2d1c0b", "https://example.com/a", "https://example.com/a"),
]


@pytest.mark.parametrize(("key", "value", "words"), CASES, ids=repr)
def test_a_value_in_words(key, value, words):
    assert FieldWords(FIELDS[key], CHINA).text(value, EMAILS) == words


@pytest.mark.parametrize(("key", "value", "words"), CASES, ids=repr)
def test_the_words_mean_the_value(key, value, words):
    _, taken = verdict(wish(key, {"$text": words} if key == "field_3f6a90" else words))
    _, itself = verdict(wish(key, value.get("user_key", value) if isinstance(value, dict) else value))
    assert FieldWords(FIELDS[key], CHINA).text(taken.after_field_value, EMAILS) == words
    assert taken.field_key == itself.field_key
    if not isinstance(itself.after_field_value, dict):
        assert taken.after_field_value == itself.after_field_value


@pytest.mark.parametrize("empty", [None, "", []], ids=repr)
def test_an_empty_value_has_no_words(empty):
    assert {FieldWords(field, CHINA).text(empty, {}) for field in FIELDS.values()} == {""}


def test_every_type_that_can_be_written_is_shown():
    shown = {FIELDS[key].type_key for key, _, _ in CASES}
    assert {field.type_key for field in FIELDS.values() if field.is_writable and not field.is_obsolete} <= shown


def _inner(values):
    keys = st.sampled_from(["value", "label", "children", "user_key", "start_time", "end_time"])
    return st.lists(values, max_size=3) | st.dictionaries(keys, values, max_size=3)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), _inner),
)
def test_no_value_makes_it_fail(key, value):
    assert isinstance(FieldWords(FIELDS[key], CHINA).text(value, {}), str)
    assert isinstance(as_text(value), str)
    list(people_of(FIELDS[key], value))


ZONES = [CHINA, UTC, ZoneInfo("Europe/Berlin"), timezone(-timedelta(hours=3, minutes=30))]


@given(st.integers(PLAUSIBLE.start, PLAUSIBLE.stop - 1), st.sampled_from(ZONES))
@example(1_635_643_800_000, ZONES[2])  # the hour that a clock shows twice
@example(1_635_640_200_000, ZONES[2])
def test_a_moment_in_words_is_the_same_milliseconds(milliseconds, zone):
    assert milliseconds_in(moment_in_words(milliseconds, zone), zone) == milliseconds
