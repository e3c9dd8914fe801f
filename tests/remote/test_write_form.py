"""What was read is written back as the same value, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.remote.test_remote_compare import JSON
from tests.remote.test_remote_equality import DAY, NEVER, SPAN, TREE, VALUES
from worker.remote.equality import PROVABLE, UnreadableError, holds
from worker.remote.write_form import write_form


@pytest.mark.parametrize("kind", VALUES)
def test_of_each_type_the_written_value_is_the_one_that_was_read(kind):
    _, equal, different, _ = VALUES[kind]
    for stored in [*equal, *(one for one in different if one != "4")]:  # a number as a text is no form that is read
        value = write_form(kind, stored)
        assert holds(kind, "UPDATE", None, value, stored) is True
        assert "label" not in str(value)


@pytest.mark.parametrize(("kind", "value"), [*NEVER.items(), (None, "x")])
def test_other_types_are_never_written_back(kind, value):
    with pytest.raises(UnreadableError):
        write_form(kind, value)


@pytest.mark.parametrize(
    ("kind", "stored", "written"),
    [
        ("select", {"value": "a", "label": "A"}, {"value": "a"}),
        ("tree_select", TREE, {"value": "a", "children": {"value": "b"}}),
        ("multi_user", [{"user_key": "u1", "name": "x"}, "u2"], ["u1", "u2"]),
        ("schedule", {**SPAN, "owners": []}, SPAN),
        ("date", DAY, DAY),
        ("text", "", None),
        ("multi_select", [], None),
        ("bool", False, False),
        ("number", 0, 0),
    ],
)
def test_its_form_is_that_of_a_write(kind, stored, written):
    assert write_form(kind, stored) == written


@given(st.sampled_from(sorted(PROVABLE)), JSON)
def test_any_other_form_is_refused_and_never_guessed(kind, stored):
    try:
        value = write_form(kind, stored)
    except UnreadableError:
        return
    assert holds(kind, "UPDATE", None, value, stored) is True
