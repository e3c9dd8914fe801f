import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.strategies import recursive
from worker.remote.compare import ABSENT, KIND_BY_TYPE, shows

A, B, C = ({"value": letter, "label": letter.upper()} for letter in "abc")
TREE = {"value": "a", "children": {"value": "b", "children": None}}
STORED_TREE = {"label": "A", "value": "a", "children": {"label": "B", "value": "b", "children": {}}}
JSON = recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "children", "id", "start_time"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("field_type", "after", "stored", "expected"),
    [
        ("select", {"value": "a"}, A, True),
        ("select", {"value": "a", "label": "old name"}, A, True),
        ("select", A, B, False),
        ("select", None, {"value": "", "label": ""}, True),
        ("select", A, None, False),
        ("multi-select", [A, B], [B, A], True),
        ("multi_select", [A], [A, B], False),
        ("tree_select", TREE, STORED_TREE, True),
        ("tree_select", {"value": "a"}, STORED_TREE, False),
        ("tree_multi_select", [TREE, C], [C, STORED_TREE], True),
        ("user", "7000000000000000001", "7000000000000000001", True),
        ("user", "7000000000000000001", "7000000000000000002", False),
        ("multi_user", ["u1", "u2"], [{"user_key": "u2"}, "u1"], True),
        ("number", 3, 3.0, True),
        ("number", 3, "3", True),
        ("number", 0, None, False),
        ("number", 0.5, "0.5", True),
        ("number", 1, "many", None),
        ("precise_date", 1700000000000, "1700000000000", True),
        ("date", 1700000000000, 1699977600000, None),
        ("date", 1700000000000, 1600000000000, False),
        ("schedule", {"start_time": 1, "end_time": 2}, {"start_time": 1, "end_time": 2, "owners": []}, True),
        ("schedule", None, {"start_time": None, "end_time": None}, True),
        ("bool", False, False, True),
        ("bool", False, None, False),
        ("bool", True, "true", True),
        ("work_item_related_select", 12, "12", True),
        ("work_item_related_select", 12, None, False),
        ("work_item_related_select", None, 0, True),
        ("work_item_related_multi_select", [1, 2], [{"id": 2}, 1], True),
        ("text", "x", "x", True),
        ("text", "x\n", "x", None),
        ("text", " x", "x", None),
        ("text", "a\r\nb", "a\nb", None),
        ("text", "a b", "ab", None),
        ("text", "x", "y", False),
        ("text", "x", "X", False),
        ("text", "", " ", None),
        ("text", " ", "", None),
        ("text", "  ", None, None),
        ("email", "a@b.c ", "a@b.c", None),
        ("user", "7000000000000000001 ", "7000000000000000001", None),
        ("text", "", None, True),
        ("text", "x", {"doc": 1}, None),
        ("link_cloud_doc", ["https://a"], ["https://a"], True),
        ("multi_text", "**x**", "<b>x</b>", None),
        ("multi_text", "x", "", False),
        ("multi_text", None, "", True),
        ("multi_text", "same", "same", True),
        (None, A, A, True),
        (None, [1, 2], ["2", "1"], True),
        (None, "007", "7", False),
        (None, [], None, True),
        (None, "x", {"doc": 1}, None),
        ("never_heard_of", TREE, STORED_TREE, True),
    ],
)
def test_an_overwrite_shows_when_the_values_are_equal_in_meaning(field_type, after, stored, expected):
    assert shows(field_type, "UPDATE", None, after, stored) is expected


@pytest.mark.parametrize(("stored", "expected"), [([A, B, C], True), ([B, A], True), ([A], False), (None, False)])
def test_an_addition_shows_when_all_of_it_is_there(stored, expected):
    assert shows("multi_select", "APPEND", None, [A, B], stored) is expected


@pytest.mark.parametrize(
    ("before", "after", "stored", "expected"),
    [
        ([A], [B], [B, C], True),
        ([A], [B], [A, B], False),
        ([A], [B], [A], False),
        ([A], [A, B], [A, B], True),
        ([A], [A], [A], True),
        ([A], None, [C], True),
        ([A], None, [A], False),
        ([A], [B], [C], None),  # it had nothing to take away
        ([A], [B], None, None),
        ([A], [B], ABSENT, None),
        ([A], None, ABSENT, None),
        ([A], [B], [A, C], False),
    ],
)
def test_a_replacement_shows_when_the_new_is_there_and_the_old_is_gone(before, after, stored, expected):
    assert shows("multi_select", "REPLACE", before, after, stored) is expected


EMPTY = [None, "", [], {}]
WANTED = {"select": A, "multi_select": [A], "tree_select": TREE, "text": "x", "number": 3, "bool": False, "user": "u1"}


@pytest.mark.parametrize("mode", ["UPDATE", "APPEND", "REPLACE"])
@pytest.mark.parametrize("after", [*EMPTY, *WANTED.values()], ids=repr)
@pytest.mark.parametrize("kind", [None, *KIND_BY_TYPE])
def test_a_field_that_is_left_out_proves_nothing(kind, mode, after):
    assert shows(kind, mode, [A], after, ABSENT) is not True


@pytest.mark.parametrize("after", EMPTY, ids=repr)
@pytest.mark.parametrize("kind", [None, *KIND_BY_TYPE])
def test_a_clear_is_proven_by_an_empty_field_and_not_denied_by_one_that_is_left_out(kind, after):
    assert shows(kind, "UPDATE", None, after, None) is True
    assert shows(kind, "UPDATE", None, after, ABSENT) is None


@pytest.mark.parametrize(("kind", "after"), WANTED.items())
def test_a_value_is_not_shown_by_a_field_that_is_left_out(kind, after):
    assert shows(kind, "UPDATE", None, after, ABSENT) is False


@settings(deadline=None)
@given(st.sampled_from([None, *KIND_BY_TYPE]), st.sampled_from(["UPDATE", "APPEND", "REPLACE"]), JSON, JSON, JSON)
def test_no_values_make_the_comparison_raise(field_type, mode, before, after, stored):
    assert shows(field_type, mode, before, after, stored) in {True, False, None}


@settings(deadline=None)
@given(st.sampled_from([None, *KIND_BY_TYPE]), JSON)
def test_a_value_never_differs_from_itself(field_type, value):
    assert shows(field_type, "UPDATE", None, value, value) is not False


def test_endless_nesting_is_incomparable():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert shows(None, "UPDATE", None, deep, "x") is None
