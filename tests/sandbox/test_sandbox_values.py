import pytest

from sandbox.values import APPEND, REPLACE, UPDATE, BadValueError, Special, dressed, modes_of, shape, write
from sandbox.world import FieldDefinition, load_world

DEMO = next(iter(load_world().projects.values()))
A, B, C = {"value": "a"}, {"value": "b"}, {"value": "c"}


def a_field(type_key, **more):
    return FieldDefinition("field_000000", "a field", "", type_key, **more)


def test_update_overwrites_and_null_clears():
    assert write(UPDATE, "number", 1, None, 2).value == 2
    assert write(UPDATE, "number", 1, None, None).value is None


def test_append_is_a_union_that_keeps_the_order():
    assert write(APPEND, "multi_select", [B, A], None, [A, C]).value == [B, A, C]
    assert write(APPEND, "multi_user", None, None, ["7", "8"]).value == ["7", "8"]


def test_replace_of_a_single_value_needs_the_present_value():
    assert write(REPLACE, "select", A, A, B).value == B
    refused = write(REPLACE, "select", C, A, B)
    assert refused.value == C
    assert not refused.applied


def test_replace_puts_the_new_members_at_the_place_of_the_old_ones():
    assert write(REPLACE, "multi_select", [A, B], [A], [C]).value == [C, B]
    assert write(REPLACE, "work_item_related_multi_select", [1, 2, 3], [2], [3, 4]).value == [1, 3, 4]


def test_replace_of_members_that_are_not_there_changes_nothing():
    assert not write(REPLACE, "multi_select", [B], [A], [C]).applied
    assert not write(REPLACE, "multi_select", [B], None, [C]).applied


def test_replace_of_nothing_fills_an_empty_field():
    assert write(REPLACE, "multi_select", None, None, [C]).value == [C]
    assert write(REPLACE, "user", None, None, "7").value == "7"


def test_labels_do_not_count_in_comparisons():
    told = shape(a_field("select"), {"value": "a", "label": "anything"})
    assert write(REPLACE, "select", A, told, B).applied


@pytest.mark.parametrize("told", ["a", {"option_id": "a"}])
def test_an_option_of_the_wrong_shape_is_taken_and_stores_nothing(told):
    assert shape(a_field("select"), told) is Special.IGNORED
    assert shape(a_field("multi_select"), [told]) is Special.IGNORED
    assert write(UPDATE, "select", A, None, Special.IGNORED) == (A, False, "the option has a form that stores nothing")


@pytest.mark.parametrize(
    ("type_key", "wrong"),
    [
        ("text", 5),
        ("number", "5"),
        ("number", True),
        ("bool", 1),
        ("date", 1.5),
        ("date", "2024-01-01"),
        ("schedule", {"start_time": 1}),
        ("user", 7300000000000000001),
        ("multi_user", "7300000000000000001"),
        ("select", 5),
        ("multi_select", {"value": "a"}),
        ("work_item_related_select", "1001"),
        ("work_item_related_multi_select", 1001),
        ("link_cloud_doc", "https://example.com"),
    ],
)
def test_a_value_of_another_type_is_refused(type_key, wrong):
    with pytest.raises(BadValueError):
        shape(a_field(type_key), wrong)


@pytest.mark.parametrize("empty", [None, "", []])
def test_every_empty_value_clears(empty):
    assert shape(a_field("number"), empty) is None


def test_false_and_zero_are_values():
    assert shape(a_field("bool"), False) is False
    assert shape(a_field("number"), 0) == 0


def test_the_mode_table_knows_the_exceptions():
    assert modes_of(a_field("multi-select")) == {APPEND, UPDATE, REPLACE}
    assert modes_of(a_field("radio")) == {UPDATE, REPLACE}
    assert modes_of(a_field("tree_multi_select")) == {UPDATE}
    assert modes_of(a_field("work_item_related_multi_select", is_cascading=True)) == {UPDATE}
    assert modes_of(a_field("number", generate_mode="Calculate")) == set()
    assert modes_of(a_field("signal")) == set()


def test_options_are_shown_with_their_labels_along_the_tree():
    component = DEMO.field("field_b7c2d8", "story")
    stored = shape(component, {"value": "cmp_pay", "children": {"value": "cmp_pay_card", "children": None}})
    shown = dressed(component, stored)
    assert shown["label"] == "Payment"
    assert shown["children"] == {"value": "cmp_pay_card", "label": "Card", "children": None}
