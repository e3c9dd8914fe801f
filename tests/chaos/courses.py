"""Whether the history of a cell is one that its changes and a person's edits can have led to, in the order of their numbers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feishu_batch import UpdateIntent
from feishu_batch.intents import group_spec
from sandbox.edits import A_PERSON
from tests.support.model import DEFAULTS, Model, plain
from worker.operating.details import ItemState

NOT_WRITTEN = {"changed_meanwhile", "condition_unknown"}


@dataclass(frozen=True)
class CellChange:
    """`before`: JSON of [type, value], as it was kept; None: it was not."""

    number: int
    intent: UpdateIntent
    state: ItemState
    code: str | None
    before: str | None

    def __str__(self) -> str:
        one = self.intent
        how = {"expected": one.expected_field_value} if one.is_conditional else {}
        how |= {"replaces": one.before_field_value} if one.update_mode == "REPLACE" else {}
        how |= {"before": self.before} if self.before else {}
        return f"{self.number} {one.update_mode} {one.after_field_value} {how or ''} {self.code or self.state}"


@dataclass(frozen=True)
class _At:
    """`touches`, `changes`: how many are behind. `held`: the values since the last write of ours, all of which a read may have shown;
    `before`: those before that write, which all intents that share it were told of.
    """

    touches: int
    changes: int
    value: Any
    held: frozenset[Any]
    before: frozenset[Any] = frozenset()


def fits(cell: tuple[int, str], changes: Sequence[CellChange], history: Sequence[Mapping[str, Any]]) -> bool:
    """`history`: what the sandbox tells of the cell. A change whose outcome is not known may have been made or not."""
    course = _Course(
        cell,
        [one for one in changes if one.state in {ItemState.SUCCEEDED, ItemState.UNCHANGED, ItemState.FAILED}],
        [(plain(touch["value"]), touch["task_id"] == A_PERSON) for touch in history if touch["applied"]],
    )
    start = DEFAULTS.get(cell[1])
    return course.ends_well(_At(0, 0, start, frozenset([start])))


class _Course:
    def __init__(self, cell: tuple[int, str], changes: list[CellChange], touches: list[tuple[Any, bool]]) -> None:
        self._cell = cell
        self._changes = changes
        self._touches = touches

    def ends_well(self, start: _At) -> bool:
        seen, open_ones = {start}, [start]
        while open_ones:
            at = open_ones.pop()
            if at.touches == len(self._touches) and at.changes == len(self._changes):
                return True
            new = {*self._touched(at), *self._changed(at)} - seen
            seen |= new
            open_ones += new
        return False

    def _touched(self, at: _At) -> Iterator[_At]:
        """The next touch is a person's, or one that repeats what has been done."""
        if at.touches == len(self._touches):
            return
        value, is_a_persons = self._touches[at.touches]
        if is_a_persons or value == at.value or self._repeats(at, value):
            yield _At(at.touches + 1, at.changes, value, at.held | {value}, at.before)

    def _repeats(self, at: _At, value: Any) -> bool:
        """Whether the last change was sent again: only if it was sent at all."""
        last = self._changes[at.changes - 1] if at.changes else None
        return last is not None and _may_be_sent(last) and value == self._after(last, at.value)

    def _changed(self, at: _At) -> Iterator[_At]:
        """The next change is behind us: made, not needed, or not made."""
        if at.changes == len(self._changes):
            return
        change = self._changes[at.changes]
        if self._may_be_left_out(change, at.held):
            yield _At(at.touches, at.changes + 1, at.value, at.held, at.before)
        seen = at.held | at.before if self._may_share(at.changes) else at.held
        if not _may_be_sent(change) or not _may_be_made(change, seen):
            return
        new = self._after(change, at.value)
        if new == at.value:
            yield _At(at.touches, at.changes + 1, new, frozenset([new]), seen)
        elif at.touches < len(self._touches) and self._touches[at.touches] == (new, False):
            yield _At(at.touches + 1, at.changes + 1, new, frozenset([new]), seen)

    def _may_share(self, number: int) -> bool:
        """Whether this change and the one before it may have been one."""
        one, other = self._changes[number - 1 : number + 1] if number else (None, None)
        return one is not None and other is not None and group_spec(one.intent) == group_spec(other.intent)

    def _may_be_left_out(self, change: CellChange, held: frozenset[Any]) -> bool:
        if change.state is ItemState.UNCHANGED:
            return any(self._after(change, value) == value for value in held)
        if change.code == "changed_meanwhile":
            return any(value != plain(change.intent.expected_field_value) for value in held)
        return change.state is ItemState.FAILED

    def _after(self, change: CellChange, value: Any) -> Any:
        model = Model({self._cell: value})
        model._write(self._cell[0], change.intent)
        return model.value(*self._cell)


def _may_be_sent(change: CellChange) -> bool:
    return change.state is not ItemState.UNCHANGED and change.code not in NOT_WRITTEN


def _may_be_made(change: CellChange, held: frozenset[Any]) -> bool:
    """What its look saw was there."""
    if change.intent.is_conditional and plain(change.intent.expected_field_value) not in held:
        return False
    return change.before is None or plain(json.loads(change.before)[1]) in held
