import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from feishu_batch import IntentError, UpdateIntent, UpdateMode, group_spec, parse_intent
from tests.client.intent_factory import PROJECT_KEY, content
from tests.support.strategies import recursive

plain_text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=20,
)
junk = recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | st.dates()
    | st.text(st.characters(), max_size=8) | st.sampled_from(["\ud800", 1j, object()]),
    lambda inner: st.lists(inner, max_size=4)
    | st.sets(st.integers(), max_size=3)
    | st.dictionaries(st.text(st.characters(), max_size=3) | st.integers(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def problems(**changes: Any) -> str:
    with pytest.raises(IntentError) as caught:
        parse_intent(content(**changes))
    return str(caught.value)


def test_a_plain_intent_gets_an_id_and_the_defaults():
    intent = parse_intent(content())
    assert len(intent.intent_id) == 36
    assert intent.update_mode is UpdateMode.UPDATE
    assert (intent.priority, intent.keep_every_change, intent.lane, intent.before_field_value) == (5, False, None, None)


@given(json_values)
def test_every_json_value_survives_the_inbox(value):
    intent = parse_intent(content(after_field_value=value))
    again = parse_intent(intent.to_json())
    assert again == intent
    assert again.packed() == intent.packed()
    assert json.dumps(again.after_field_value, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.dictionaries(st.sampled_from([*UpdateIntent.model_fields, "stranger"]), junk))
def test_whatever_is_given_is_taken_or_refused_in_bounded_words(changes):
    refusal = None
    try:
        parse_intent(content(**changes)).packed()
    except IntentError as error:
        refusal = str(error)
    assert refusal is None or 0 < len(refusal.encode()) < 5000


@given(st.one_of(st.text(), st.binary(), json_values.map(json.dumps), junk))
def test_whatever_stands_for_an_intent_is_taken_or_refused(data):
    with pytest.raises(IntentError):
        parse_intent(data)


@pytest.mark.parametrize(
    ("ids", "place"),
    [
        ([1, True], "work_item_ids.1: "),
        ([1.0], "work_item_ids.0: "),
        (["1"], "work_item_ids.0: "),
        ([None], "work_item_ids.0: "),
        ([0], "work_item_ids.0: "),
        ([-1], "work_item_ids.0: "),
        ([2**63], "work_item_ids.0: "),
        ([], "work_item_ids: must name at least one work item"),
        ([7, 8, 7], "work_item_ids: names a work item more than once"),
        ({1, 2}, "work_item_ids: must be a list"),
        ("12", "work_item_ids: must be a list"),
        ((n for n in range(3)), "work_item_ids: must be a list"),
        (list(range(1, 10_002)), "work_item_ids: "),
    ],
)
def test_work_item_ids_are_distinct_positive_int64(ids, place):
    assert problems(work_item_ids=ids).startswith(place)


def test_the_largest_id_and_the_longest_list_are_taken():
    assert parse_intent(content(work_item_ids=[2**63 - 1])).work_item_ids == (2**63 - 1,)
    assert len(parse_intent(content(work_item_ids=list(range(1, 10_001)))).work_item_ids) == 10_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("intent_id", ""),
        ("intent_id", "a" * 65),
        ("intent_id", "a\n"),
        ("intent_id", "a:b"),
        ("intent_id", None),
        ("work_item_type_key", "user story"),
        ("field_key", "x" * 129),
        ("update_mode", "update"),
        ("lane", "Main"),
        ("priority", 10),
        ("priority", True),
        ("priority", 5.0),
        ("user_key", "a b"),
        ("user_key", "a\r\nX-Evil: 1"),
        ("keep_every_change", 1),
        ("note", "n" * 501),
        ("note", "\ud800"),
        ("stranger", 1),
        ("expires_at", "2030-01-01T00:00:00"),
        ("expires_at", "2030-01-01"),
        ("expires_at", "soon"),
        ("expires_at", 1_900_000_000),
        ("expires_at", datetime(2030, 1, 1)),  # noqa: DTZ001 - a naive time is the point
        ("expires_at", datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))),
    ],
)
def test_a_bad_key_is_named(key, value):
    assert problems(**{key: value}).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"intent_id": "order 4711"}, "intent_id: must be 1 to 64 letters, digits, _ or -"),
        ({"work_item_type_key": "user story"}, "work_item_type_key: must be 1 to 64 letters, digits or _"),
        ({"user_key": "a b"}, "user_key: must be 1 to 128 ASCII characters without spaces"),
        ({"user_key": 7300000000000000001}, "user_key: must be a text, in quotes"),
        ({"lane": "Main"}, "lane: must be 1 to 64 lower-case letters, digits, _ or -"),
        ({"priority": 10}, "priority: must be at most 9"),
        ({"priority": -1}, "priority: must be at least 0"),
        ({"priority": "high"}, "priority: must be a whole number"),
        ({"keep_every_change": "yes"}, "keep_every_change: must be true or false"),
        ({"update_mode": "update"}, "update_mode: must be 'APPEND', 'UPDATE' or 'REPLACE'"),
        ({"work_item_ids": [0]}, "work_item_ids.0: must be more than 0"),
        ({"work_item_ids": ["1001"]}, "work_item_ids.0: must be a whole number"),
        ({"work_item_ids": list(range(1, 10_002))}, "work_item_ids: must have at most 10000 entries"),
        ({"field_key": ""}, "field_key: must not be empty"),
        ({"note": "n" * 501}, "note: must have at most 500 characters"),
        ({"note": "\ud800"}, "note: is not valid Unicode"),
        ({"stranger": 1}, "stranger: is not a key of an intent"),
    ],
)
def test_a_problem_is_reported_in_plain_words(changes, said):
    assert problems(**changes) == said


@pytest.mark.parametrize("key", ["project_key", "work_item_type_key", "work_item_ids", "field_key", "update_mode"])
def test_a_missing_key_is_named(key):
    assert problems(**{key: ...}) == f"{key}: is missing"


def test_the_value_must_be_given_even_when_it_is_null():
    assert problems(after_field_value=...) == "after_field_value: is missing"
    assert '"after_field_value":null' in parse_intent(content(after_field_value=None)).to_json()


def test_a_space_may_be_given_by_its_simple_name_and_a_key_in_capitals_is_none():
    assert parse_intent(content(project_key="my_space")).project_key == "my_space"
    assert "simple name" in problems(project_key=PROJECT_KEY.upper())
    assert "simple name" in problems(project_key="my space")


def test_a_field_may_be_given_by_its_name():
    for name in ("Release note", "优先级", "owner", "A/B: test?"):
        assert parse_intent(content(field_key=name)).field_key == name


def test_replace_needs_a_before_value_and_the_other_modes_drop_one_as_the_remote_would():
    assert "REPLACE needs" in problems(update_mode="REPLACE")
    taken = parse_intent(content(before_field_value={"value": "p1"}))
    assert taken.before_field_value is None
    assert taken.digest() == parse_intent(content()).digest()
    assert parse_intent(content(before_field_value=None)).before_field_value is None
    assert parse_intent(content(update_mode="REPLACE", before_field_value=0)).before_field_value == 0


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "NaN"),
        ([float("-inf")], "NaN"),
        (2**63, "64 bits"),
        ({"a": [-(2**63) - 1]}, "64 bits"),
        ("\udfff", "Unicode"),
        ({"\ud800": 1}, "Unicode"),
        ({1: "a"}, "not a string"),
        ((1, 2), "tuple"),
        ({1, 2}, "set"),
        (b"x", "bytes"),
        ("x" * 65_535, "larger"),
        ("é" * 33_000, "larger"),
        ([0] * 40_000, "larger"),
    ],
)
def test_a_value_that_cannot_be_carried_is_refused_without_repeating_it(value, why):
    text = problems(after_field_value=value)
    assert text.startswith("after_field_value: ")
    assert why in text
    assert len(text) < 200


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_is_bounded():
    parse_intent(content(after_field_value=nested(32)))
    assert "32 levels" in problems(after_field_value=nested(33))
    assert "32 levels" in problems(after_field_value=nested(100_000))
    with pytest.raises(IntentError, match="recursion"):
        parse_intent('{"after_field_value":' + "[" * 100_000)


def test_a_value_that_contains_itself_is_refused_at_once():
    loop: list[Any] = []
    loop.append(loop)
    doubling: Any = 1
    for _ in range(30):
        doubling = [doubling, doubling]
    began = time.process_time()  # neighbours of this process take none of it
    problems(after_field_value=loop)
    assert "larger" in problems(after_field_value=doubling)
    assert time.process_time() - began < 1


def test_many_problems_are_counted_instead_of_listed():
    text = problems(work_item_ids=["x"] * 5000)
    assert text.splitlines()[-1] == "… and 4990 more problems"
    assert len(text.splitlines()) == 11


def test_the_constructor_raises_pydantics_own_error():
    with pytest.raises(ValidationError):
        UpdateIntent(**content(work_item_ids=[]))
    with pytest.raises(ValidationError):
        UpdateIntent.parse(content(work_item_ids=[]))


def test_the_callers_value_may_change_afterwards():
    value = {"value": ["p0"]}
    intent = parse_intent(content(after_field_value=value))
    value["value"].append("p1")
    assert intent.after_field_value == {"value": ["p0"]}


def test_the_digest_names_the_content_and_not_the_id():
    first, second = parse_intent(content(intent_id="a")), parse_intent(content(intent_id="bbb"))
    assert first.digest() == second.digest()
    assert len(first.digest()) == 16
    assert first.digest() != parse_intent(content(work_item_ids=[102])).digest()
    assert first.digest() != parse_intent(content(priority=4)).digest()


def test_the_digest_ignores_how_the_same_content_was_written():
    one = parse_intent(content(after_field_value={"a": 1, "b": 2}, priority=5, expires_at="2030-01-01T08:00:00+08:00"))
    two = parse_intent(content(after_field_value={"b": 2, "a": 1}, expires_at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert one.digest() == two.digest()


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False), ("1", 1), (None, ""), ([], {})])
def test_values_that_python_takes_for_equal_have_different_digests_and_groups(one, other):
    first, second = parse_intent(content(after_field_value=one)), parse_intent(content(after_field_value=other))
    assert first.digest() != second.digest()
    assert group_spec(first) != group_spec(second)


def test_intents_that_may_share_a_request_have_the_same_group():
    one = parse_intent(content(after_field_value={"a": 1, "b": 2}, work_item_ids=[1], priority=1, note="n"))
    two = parse_intent(content(after_field_value={"b": 2, "a": 1}, work_item_ids=[2], user_key="u"))
    assert group_spec(one, "u") == group_spec(two, "someone else")
    assert group_spec(one) != group_spec(two)
    assert json.loads(group_spec(two))["user_key"] == "u"
