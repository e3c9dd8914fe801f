"""What each cell gets back, and on which condition, by all that a change set wrote to it. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from worker.ledger.records import GroupSpec
from worker.operating.retry.decision import Cell
from worker.remote.effect import CellChange, after
from worker.remote.equality import UnreadableError, holds
from worker.remote.write_form import write_form


class NotUndoneWhy(StrEnum):
    """Why a value cannot be put back."""

    NOT_KEPT = "the values from before were not kept: the change set was enqueued without keep_before"
    NOT_READ = "the value from before could not be read"
    NOT_COMPARABLE = "values of this type, or in this form, cannot be compared, so they are never put back"


@dataclass(frozen=True, slots=True)
class PutBack:
    """One value for some items of one field. Values in the API's form."""

    lane: str
    spec: GroupSpec  # of the newest change that wrote it
    before: Any
    expected: Any
    items: tuple[int, ...]

    @property
    def cells(self) -> Iterator[Cell]:
        return ((self.lane, f"{self.spec.project_key} {self.spec.field_key}", item) for item in self.items)


@dataclass(frozen=True, slots=True)
class NotUndone:
    item: int
    spec: GroupSpec
    why: NotUndoneWhy


@dataclass(slots=True)
class WrittenCell:
    """What a set made of one cell: its changes in their order, each with [type, value] before it as JSON; None: not kept."""

    lane: str
    spec: GroupSpec  # of the last change
    changes: list[tuple[CellChange, str | None]]


Place = tuple[str, str, str, int]  # lane, space, field, item


def note_change(written: dict[Place, WrittenCell], cell: Place, spec: GroupSpec, before: str | None) -> None:
    change = CellChange(spec.update_mode, spec.before_field_value, spec.after_field_value)
    known = written.setdefault(cell, WrittenCell(cell[0], spec, []))
    known.spec = spec
    known.changes.append((change, before))


def decide(written: Mapping[Place, WrittenCell]) -> tuple[list[PutBack], list[NotUndone]]:
    found: dict[str, tuple[PutBack, list[int]]] = {}
    not_undone: list[NotUndone] = []
    for (_, _, _, item), one in written.items():
        found_values = _values(one)
        if isinstance(found_values, NotUndoneWhy):
            not_undone.append(NotUndone(item, one.spec, found_values))
            continue
        before, expected = found_values
        same = PutBack(one.lane, one.spec, before, expected, ())
        _, items = found.setdefault(_key(same), (same, []))
        items.append(item)
    return [replace(same, items=tuple(sorted(items))) for same, items in found.values()], not_undone


def _values(one: WrittenCell) -> tuple[Any, Any] | NotUndoneWhy:
    """What to put back, and what the cell should hold now."""
    first = one.changes[0][1]
    if first is None:
        return NotUndoneWhy.NOT_READ if one.spec.keep_before else NotUndoneWhy.NOT_KEPT
    field_type, back = json.loads(first)
    now = back
    try:
        for change, before in one.changes:
            seen = json.loads(before)[1] if before is not None else now
            if not holds(field_type, "UPDATE", None, write_form(field_type, now), seen):
                back = seen  # another person or program changed it between two of ours
            now = after(field_type, change, seen)
        return write_form(field_type, back), write_form(field_type, now)
    except UnreadableError:
        return NotUndoneWhy.NOT_COMPARABLE


def _key(one: PutBack) -> str:
    spec = one.spec
    place = [one.lane, spec.project_key, spec.work_item_type_key, spec.user_key, spec.field_key]
    return json.dumps([*place, one.before, one.expected], sort_keys=True)
