"""Equal means proven equal: what a read proves about a cell, for each type and value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.values import MODES_BY_TYPE
from tests.remote.test_remote_compare import JSON, STORED_TREE, TREE
from worker.catalogue.types import MODES
from worker.remote.compare import ABSENT, KIND_BY_TYPE, shows
from worker.remote.equality import PROVABLE, holds

A, B, C = ({"value": letter, "label": letter.upper()} for letter in "abc")
DAY = 1_893_427_200_000
SPAN = {"start_time": DAY, "end_time": DAY + 1}
# Type → (wanted, equal, different, in another form than the documented one).
VALUES = {
    "text": ("x ", ["x "], ["x", "X ", " x", "", None], [1, {"doc": "x "}, ["x "]]),
    "link": ("https://a/", ["https://a/"], ["https://a", None], [{"url": "https://a/"}]),
    "email": ("a@b.c", ["a@b.c"], ["A@b.c", None], [{"email": "a@b.c"}]),
    "number": (3, [3, 3.0], [3.0000001, 300, 0, None, "4"], ["3", True]),
    "bool": (False, [False], [True, None, ""], ["false", 0]),
    "date": (DAY, [DAY], [DAY + 1, DAY + 86_400_000, None], [str(DAY), float(DAY)]),
    "precise_date": (DAY, [DAY], [DAY + 1, SPAN, None], [str(DAY)]),
    "schedule": (
        SPAN,
        [SPAN, {**SPAN, "owners": []}],
        [{**SPAN, "end_time": DAY + 2}, None],
        [{**SPAN, "points": 3}, [SPAN]],
    ),
    "select": ({"value": "a"}, [A, {"value": "a", "label": "renamed"}], [B, None], ["a", {"option_id": "a"}, [A]]),
    "radio": ({"value": "a"}, [A], [B, None], ["a"]),
    "tree_select": (TREE, [TREE, STORED_TREE], [{"value": "a", "children": None}, A, None], ["a", [TREE]]),
    "multi_select": ([A, B], [[B, A], [A, B, A]], [[A], [A, B, C], [], None], [["a", "b"]]),
    "tree_multi_select": ([TREE, C], [[C, STORED_TREE]], [[C], [A, C], None], []),
    "user": ("u1", ["u1", {"user_key": "u1"}], ["u2", None], [["u1"]]),
    "multi_user": (["u1", "u2"], [["u2", {"user_key": "u1"}]], [["u1"], None], [[{"name": "u1"}]]),
    "work_item_related_select": (12, [12], [13, None], ["12", {"id": 12}]),
    "work_item_related_multi_select": ([1, 2], [[2, 1]], [[1], [], None], [["1", 2]]),
}
# Equal to the letter, and yet not proven: these are rewritten, or too little is known of them.
NEVER = {
    "multi_text": "x",
    "multi_pure_text": "x",
    "telephone": "+86 10",
    "link_cloud_doc": ["https://a"],
    "business": "b",
    "group_type": "g",
    "role_owners": [{"role": "PM", "owners": ["u1"]}],
    "compound_field": [{"a": 1}],
    "": "x",
}


def test_every_type_is_decided():
    assert set(VALUES) == set(PROVABLE)
    known = {*KIND_BY_TYPE, *MODES, *MODES_BY_TYPE}
    assert known <= {*VALUES, *NEVER}


CASES = [
    (kind, wanted, stored, expected)
    for kind, (wanted, *lists) in VALUES.items()
    for stored_values, expected in zip(lists, ({True}, {False}, {False, None}), strict=True)
    for stored in stored_values
]


@pytest.mark.parametrize(("kind", "wanted", "stored", "expected"), CASES, ids=repr)
def test_a_value_is_held_if_it_is_proven_equal(kind, wanted, stored, expected):
    assert holds(kind, "UPDATE", None, wanted, stored) in expected
    assert holds(kind.replace("_", "-"), "UPDATE", None, wanted, stored) in expected


@pytest.mark.parametrize("clear", [None, "", []], ids=repr)
@pytest.mark.parametrize("kind", VALUES)
def test_a_clear_needs_a_field_that_is_present_and_empty(kind, clear):
    assert [holds(kind, "UPDATE", None, clear, empty) for empty in (None, "", [])] == [True] * 3
    assert holds(kind, "UPDATE", None, clear, ABSENT) is None
    assert holds(kind, "UPDATE", None, clear, VALUES[kind][0]) is False


@pytest.mark.parametrize("mode", ["UPDATE", "APPEND", "REPLACE"])
@pytest.mark.parametrize(("kind", "value"), [*NEVER.items(), (None, "x")])
def test_these_types_are_never_equal(kind, value, mode):
    assert holds(kind, mode, value, value, value) is None
    assert holds(kind, mode, None, None, None) is None


@pytest.mark.parametrize(
    ("before", "after", "stored", "expected"),
    [
        ([A], [B], [B, C], True),
        ([A], [B], [A, C], False),
        ([A], [B], [C], None),  # it has nothing to replace
        ([A], [B], None, None),
        (None, [B], None, False),
        ([A], [A, B], [A, B], True),
    ],
)
def test_a_replacement_is_not_needed_where_its_result_is_there(before, after, stored, expected):
    assert holds("multi_select", "REPLACE", before, after, stored) is expected


def test_only_a_replacement_has_a_value_before_it():
    assert holds("select", "UPDATE", "ignored", A, A) is True
    assert holds("multi_select", "APPEND", 5, [A], [A, B]) is True


def test_an_addition_is_not_needed_where_all_of_it_is_there():
    assert holds("multi_select", "APPEND", None, [A, B], [C, B, A]) is True
    assert holds("multi_select", "APPEND", None, [A, B], [A]) is False
    assert holds("multi_select", "APPEND", None, [A], ABSENT) is None


KINDS = st.sampled_from([None, *KIND_BY_TYPE])
MODE = st.sampled_from(["UPDATE", "APPEND", "REPLACE"])


@given(KINDS, MODE, JSON, JSON, JSON)
def test_what_is_proven_equal_is_never_shown_to_differ(kind, mode, before, after, stored):
    if holds(kind, mode, before, after, stored):
        assert shows(kind, mode, before, after, stored) in (True, None)


@given(KINDS, MODE, JSON, JSON)
def test_a_field_that_is_left_out_proves_nothing(kind, mode, before, after):
    assert holds(kind, mode, before, after, ABSENT) is None


@given(st.sampled_from(sorted(VALUES)), st.data())
def test_what_is_proven_equal_is_one_value_whichever_is_the_wanted_one(kind, data):
    pool = [VALUES[kind][0], *VALUES[kind][1], *VALUES[kind][2], *VALUES[kind][3]]
    one, other = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
    assert (holds(kind, "UPDATE", None, one, other) is True) == (holds(kind, "UPDATE", None, other, one) is True)
