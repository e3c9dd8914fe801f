"""The judge of a cell's history is not blind, and believes what may have happened."""

import json

import pytest

from sandbox.edits import A_PERSON
from tests.chaos.courses import CellChange, fits
from tests.support.model import NUMBER, intent
from worker.operating.details import ItemState

CELL = (1001, NUMBER)


def change(number, value, state=ItemState.SUCCEEDED, *, code=None, before=None, **more):
    kept = json.dumps(["number", before]) if before is not None else None
    return CellChange(number, intent([1001], value, NUMBER, **more), state, code, kept)


def history(*values):
    """`-3`: a person wrote 3."""
    return [{"value": abs(v), "task_id": A_PERSON if v < 0 else "job", "applied": True} for v in values]


UNCHANGED, FAILED = ItemState.UNCHANGED, ItemState.FAILED
RIGHT = {
    "in order": ([change(1, 1), change(2, 2)], [1, 2]),
    "not needed": ([change(1, 1), change(2, 1, UNCHANGED)], [1]),
    "not needed since a person wrote it": ([change(1, 2, UNCHANGED)], [-2]),
    "not needed when it was looked at": ([change(1, 1), change(2, 1, UNCHANGED)], [1, -5]),
    "the condition held": ([change(1, 1), change(2, 2, expected_field_value=1)], [1, 2]),
    "the condition held before a person wrote": ([change(1, 1), change(2, 2, expected_field_value=1)], [1, -5, 2]),
    "the condition did not hold": (
        [change(1, 1), change(2, 2, FAILED, code="changed_meanwhile", expected_field_value=5)],
        [1],
    ),
    "perhaps made": ([change(1, 1, FAILED, code="outcome_unknown")], [1]),
    "perhaps not made": ([change(1, 1, FAILED, code="outcome_unknown")], []),
    "kept for all that share it": ([change(1, 1), change(2, 2, before=1), change(3, 2, before=1)], [1, 2]),
    "sent again over a person's edit": ([change(1, 1)], [1, -5, 1]),
}
WRONG = {
    "lost": ([change(1, 1), change(2, 2)], [1]),
    "out of order": ([change(1, 1), change(2, 2)], [2, 1]),
    "needed": ([change(1, 1), change(2, 2, UNCHANGED)], [1]),
    "held the value too early only": ([change(1, 2), change(2, 1), change(3, 2, UNCHANGED)], [2, 1]),
    "written although the condition did not hold": ([change(1, 1), change(2, 2, expected_field_value=5)], [1, 2]),
    "the condition held all the time": (
        [change(1, 1), change(2, 2, FAILED, code="changed_meanwhile", expected_field_value=1)],
        [1, 1],
    ),
    "written although it could not be checked": ([change(1, 1, FAILED, code="condition_unknown")], [1]),
    "another value from before": ([change(1, 1), change(2, 2, before=7)], [1, 2]),
    "not asked for": ([], [1]),
}


@pytest.mark.parametrize(("changes", "values"), RIGHT.values(), ids=RIGHT)
def test_it_believes(changes, values):
    assert fits(CELL, changes, history(*values))


@pytest.mark.parametrize(("changes", "values"), WRONG.values(), ids=WRONG)
def test_it_finds(changes, values):
    assert not fits(CELL, changes, history(*values))
