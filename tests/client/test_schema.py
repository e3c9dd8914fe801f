"""docs/intent.schema.json, which other languages check against, and the parser say the same of any intent."""

import json
import math
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError, validators

from feishu_batch import IntentError, parse_intent
from feishu_batch.intents import MAX_ITEMS
from tests.support.strategies import recursive

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/intent.schema.json").read_text())
GOOD = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1001],
    "field_key": "priority",
    "update_mode": "UPDATE",
    "after_field_value": None,
}


def _pattern(_validator, pattern, instance, _schema):
    """As JSON Schema means it: in Python's own dialect `$` also stands before a last line break."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


VALIDATOR = validators.extend(Draft202012Validator, {"pattern": _pattern})(SCHEMA)


def schema_takes(intent) -> bool:
    return VALIDATOR.is_valid(intent)


def parser_takes(intent) -> bool:
    try:
        parse_intent(json.dumps(intent))
    except IntentError:
        return False
    return True


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


# --- what a schema can say, both say --------------------------------------------------------------------------------

NEAR_TEXTS = st.one_of(
    st.text("abcDEF019_- \t\n.é", max_size=70),
    st.text("0123456789abcdefABCDEF", min_size=23, max_size=25),
    st.sampled_from(["APPEND", "UPDATE", "REPLACE", "update", "", " ", "\u00a0x", "a" * 129, "名字", "order-4711"]),
)
JSON = recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9), NEAR_TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NEAR_TEXTS, inner, max_size=3),
    max_leaves=6,
)
IDS = st.lists(st.one_of(st.integers(-2, 5), st.integers(2**63 - 2, 2**63 + 1), st.booleans(), NEAR_TEXTS), max_size=4)
CONTENTS = dict.fromkeys([*SCHEMA["properties"], "colour"], JSON | NEAR_TEXTS | st.integers(-1, 10)) | {
    "work_item_ids": JSON | IDS
}
CHANGE = st.one_of(*(st.tuples(st.just(name), content) for name, content in CONTENTS.items()))
CHANGES = st.lists(CHANGE, max_size=3).map(dict)


def is_a_matter_of_the_schema(intent) -> bool:
    """Without what the next tests are about."""
    numbers = [intent.get("priority"), *_elements(intent.get("work_item_ids"))]
    name = intent.get("field_key")
    return (
        not any(isinstance(number, float) and number.is_integer() for number in numbers)
        and not isinstance(intent.get("expires_at"), str)
        and not (isinstance(name, str) and schema_takes({**GOOD, "field_key": name}) and not name.isprintable())
    )


def _elements(value):
    return value if isinstance(value, list) else []


@given(change=CHANGES, left_out=st.sets(st.sampled_from(list(GOOD)), max_size=1))
@example(change={"project_key": "5F0C1A2B3C4D5E6F70818283"}, left_out=set())
@example(change={"update_mode": "REPLACE"}, left_out=set())
@example(change={"update_mode": "REPLACE", "before_field_value": 0}, left_out=set())
@example(change={"work_item_ids": [True, 1]}, left_out=set())
@example(change={"field_key": "of  the\tname"}, left_out=set())
def test_both_take_and_refuse_the_same(change, left_out):
    intent = {name: value for name, value in {**GOOD, **change}.items() if name not in left_out}
    if is_a_matter_of_the_schema(intent):
        assert schema_takes(intent) == parser_takes(intent)


@pytest.mark.parametrize("other", [None, 5, "intent", [], [GOOD]])
def test_what_is_no_object_is_no_intent(other):
    assert not schema_takes(other)
    assert not parser_takes(other)


@pytest.mark.parametrize(("count", "taken"), [(MAX_ITEMS, True), (MAX_ITEMS + 1, False)])
def test_both_draw_the_same_line_through_the_number_of_items(count, taken):
    intent = {**GOOD, "work_item_ids": list(range(1, count + 1))}
    assert (schema_takes(intent), parser_takes(intent)) == (taken, taken)


EARLIEST, LATEST = datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-12-31")  # in UTC, too
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moment=st.datetimes(EARLIEST, LATEST, timezones=OFFSETS))
def test_both_take_every_time_as_it_is_usually_written(moment):
    for text in (moment.isoformat(timespec="seconds"), moment.isoformat(timespec="milliseconds")):
        assert schema_takes({**GOOD, "expires_at": text})
        assert parser_takes({**GOOD, "expires_at": text})


@pytest.mark.parametrize("text", ["", "tomorrow", "2030-01-31", "2030-01-31T18:00:00", "1893456000"])
def test_both_refuse_a_time_without_an_offset(text):
    intent = {**GOOD, "expires_at": text}
    assert not schema_takes(intent)
    assert not parser_takes(intent)


# --- what it cannot say, its descriptions do ------------------------------------------------------------------------


def nested(levels):
    return [] if levels == 1 else [nested(levels - 1)]


@pytest.mark.parametrize(
    "beyond",
    [
        {"after_field_value": nested(33)},
        {"after_field_value": "x" * 64 * 1024},
        {"after_field_value": 2**63},
        {"after_field_value": math.inf},
        {"work_item_ids": [1.0]},
        {"field_key": "zero\u200bwidth"},
        {"expires_at": "2030-02-31T00:00:00Z"},
    ],
    ids=str,
)
def test_only_the_parser_refuses_this(beyond):
    assert schema_takes({**GOOD, **beyond})
    assert not parser_takes({**GOOD, **beyond})
    [name] = beyond
    assert name == "expires_at" or SCHEMA["properties"][name]["description"]


@pytest.mark.parametrize("text", ["2030-01-31 18:00+0800", "2030-01-31T18:00:00 Z"])
def test_only_the_schema_refuses_this(text):
    """Written otherwise than RFC 3339 wants, and without doubt."""
    intent = {**GOOD, "expires_at": text}
    assert parser_takes(intent)
    assert not schema_takes(intent)
