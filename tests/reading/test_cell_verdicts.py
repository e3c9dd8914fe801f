"""What `plan --diff` says of a cell: a table over types and values, checked complete, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import values as sandbox_values
from tests.remote.test_remote_compare import JSON
from tests.remote.test_remote_equality import NEVER, VALUES
from worker.reading.cell_verdicts import (
    LEFT_OUT,
    NO_SUCH_ITEM,
    NOTHING_TO_REPLACE,
    Effect,
    in_effect,
    judge,
)
from worker.remote.compare import ABSENT, KIND_BY_TYPE
from worker.remote.effect import CellChange, after
from worker.remote.models import WorkItem

A, B, C = ({"value": letter, "label": letter.upper()} for letter in "abc")


def item(kind, value):
    return WorkItem(1, {} if value is ABSENT else {"f": value}, {"f": kind} if kind else {})


def judged(kind, value, *changes, **more):
    return judge("f", kind, [CellChange(*one) for one in changes], item(kind, value), **more)


def update(value):
    return ("UPDATE", None, value)


@pytest.mark.parametrize("kind", VALUES)
def test_for_each_type_what_is_equal_is_unchanged_and_what_differs_is_changed(kind):
    wanted, equal, different, _ = VALUES[kind]
    assert {judged(kind, one, update(wanted)).effect for one in equal} == {Effect.UNCHANGED}
    assert {judged(kind, one, update(wanted)).effect for one in different} == {Effect.CHANGED}
    assert {judged(kind, one, update(None)).effect for one in equal} == {Effect.CLEARED}
    assert [judged(kind, empty, update(None)).effect for empty in (None, "", [])] == [Effect.UNCHANGED] * 3
    left_out = judged(kind, ABSENT, update(wanted))
    assert (left_out.effect, left_out.reason) == (Effect.NOT_KNOWN, LEFT_OUT)
    assert judged(kind, ABSENT, update(None)).effect is Effect.NOT_KNOWN


@pytest.mark.parametrize(("kind", "value"), NEVER.items())
def test_types_that_cannot_be_compared_are_never_unchanged(kind, value):
    same = judged(kind, value, update(value))
    assert same.effect is Effect.NOT_KNOWN
    assert same.reason
    assert judged(kind, None, update(None)).effect is Effect.NOT_KNOWN
    assert judged(kind, value, update(None)).effect is Effect.CLEARED


def test_every_type_is_in_one_of_the_two_tables():
    assert set(KIND_BY_TYPE) <= {*VALUES, *NEVER}


def test_what_was_not_read_is_not_known_and_what_is_not_there_is_said():
    change = [CellChange(*update("x"))]
    missing = judge("f", "text", change, None)
    assert (missing.effect, missing.reason, missing.old) == (Effect.NO_ITEM, NO_SUCH_ITEM, ABSENT)
    failed = judge("f", "text", change, None, "no answer")
    assert (failed.effect, failed.reason) == (Effect.NOT_KNOWN, "no answer")


def test_types_that_contradict_each_other_prove_nothing():
    read = WorkItem(1, {"f": "x"}, {"f": "multi_text"})
    assert judge("f", "text", [CellChange(*update("x"))], read).effect is Effect.NOT_KNOWN


@pytest.mark.parametrize(
    ("stored", "changes", "new", "effect"),
    [
        ([A], [("APPEND", None, [A, B])], [A, B], Effect.CHANGED),
        ([A, B], [("APPEND", None, [{"value": "b"}])], [A, B], Effect.UNCHANGED),
        ([A], [("APPEND", None, [B]), ("APPEND", None, [C])], [A, B, C], Effect.CHANGED),
        ([A], [("APPEND", None, [B]), update([C])], [C], Effect.CHANGED),
        ([B, A], [update([A]), ("APPEND", None, [B])], [B, A], Effect.UNCHANGED),
        ([A, B], [("REPLACE", [A], [C])], [B, C], Effect.CHANGED),
        ([A], [("REPLACE", [A], None)], [], Effect.CLEARED),
        ([B], [("REPLACE", [A], [C])], [B], Effect.NOT_KNOWN),
        (None, [("APPEND", None, [A])], [A], Effect.CHANGED),
    ],
)
def test_additions_and_replacements_show_what_the_cell_would_hold(stored, changes, new, effect):
    found = judged("multi_select", stored, *changes)
    assert (found.effect, found.new) == (effect, new)


def test_a_replacement_of_what_is_not_there_is_not_known():
    assert judged("select", B, ("REPLACE", A, C)).reason == NOTHING_TO_REPLACE
    assert judged("select", A, ("REPLACE", {"value": "a"}, C)).effect is Effect.CHANGED


MULTI = st.lists(
    st.sampled_from([{"value": letter} for letter in "abcd"]), unique_by=lambda one: one["value"], max_size=4
)


def members(value):
    return {one["value"] for one in value or []}


@given(st.sampled_from(["APPEND", "UPDATE", "REPLACE"]), MULTI, MULTI, MULTI)
def test_what_a_cell_would_hold_is_what_the_sandbox_makes_of_it(mode, before, wanted, stored):
    """As sets: the order of several values means nothing."""
    theirs = sandbox_values.write(mode, "multi_select", stored or None, before or None, wanted or None)
    ours = after("multi_select", CellChange(mode, before, wanted), stored)
    if mode != "REPLACE" or before:
        assert members(ours) == members(theirs.value)
    if judged("multi_select", stored, (mode, before, wanted)).effect is Effect.UNCHANGED:
        assert members(theirs.value) == members(stored)


@given(st.sampled_from([None, *KIND_BY_TYPE]), st.sampled_from(["UPDATE", "APPEND", "REPLACE"]), JSON, JSON, JSON)
def test_no_values_make_it_fail_and_what_is_left_out_is_never_unchanged(kind, mode, before, wanted, stored):
    judged(kind, stored, (mode, before, wanted), (mode, wanted, before))
    assert judged(kind, ABSENT, (mode, before, wanted)).effect is Effect.NOT_KNOWN


def test_an_overwrite_supersedes_what_was_before_it():
    changes = [CellChange("APPEND", None, [A]), CellChange(*update([B])), CellChange("APPEND", None, [C])]
    assert in_effect(changes) == changes[1:]
    assert in_effect(changes[:1]) == changes[:1]
