"""What a file would do to one cell, judged by what a read shows of it. Pure.

Unchanged means proven unchanged (`worker.remote.equality`). What was not read, or cannot be compared, is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from worker.remote.answers import normalised_type
from worker.remote.compare import ABSENT
from worker.remote.effect import CellChange, after
from worker.remote.equality import PROVABLE, holds, is_empty_value
from worker.remote.models import WorkItem

LEFT_OUT: Final = "the answer leaves the field out: it is empty, or hidden from the user"
NO_SUCH_ITEM: Final = "the remote system shows no such work item of this type"
NOTHING_TO_REPLACE: Final = "the value to replace is not there"
OTHER_FORM: Final = "the value is in a form that cannot be compared"


class Effect(StrEnum):
    CHANGED = "changed"
    CLEARED = "cleared"
    UNCHANGED = "unchanged"
    NOT_KNOWN = "not known"
    NO_ITEM = "no such item"
    REFUSED = "refused"  # the row or the cell is wrong, so that nothing is sent


@dataclass(frozen=True, slots=True)
class Judged:
    """`old` is `ABSENT` where nothing was read. `new`: what the cell would hold."""

    effect: Effect
    old: Any
    new: Any
    reason: str = ""


def in_effect(changes: Sequence[CellChange]) -> Sequence[CellChange]:
    """Without those that a later overwrite supersedes."""
    last = max((at for at, one in enumerate(changes) if one.mode == "UPDATE"), default=0)
    return changes[last:]


def judge(
    field_key: str, field_type: str | None, changes: Sequence[CellChange], item: WorkItem | None, trouble: str = ""
) -> Judged:
    """`changes`: at least one, in the order of the file. `trouble`: why the item could not be read."""
    changes = in_effect(changes)
    if trouble or item is None:
        effect = Effect.NOT_KNOWN if trouble else Effect.NO_ITEM
        return Judged(effect, ABSENT, changes[-1].after, trouble or NO_SUCH_ITEM)
    stored = item.fields.get(field_key, ABSENT)
    if stored is ABSENT:
        return Judged(Effect.NOT_KNOWN, ABSENT, changes[-1].after, LEFT_OUT)
    known_type = _agreed_type(field_type, item.types.get(field_key))
    new = stored
    for one in changes:
        new = after(known_type, one, new)
    held = _held(known_type, changes, stored, new)
    if held:
        return Judged(Effect.UNCHANGED, stored, stored)
    if is_empty_value(new) and not is_empty_value(stored) and stored != {}:
        return Judged(Effect.CLEARED, stored, new)
    if held is None:
        return Judged(Effect.NOT_KNOWN, stored, new, _why_not_known(known_type, changes[-1], stored))
    return Judged(Effect.CHANGED, stored, new)


def _held(field_type: str | None, changes: Sequence[CellChange], stored: Any, new: Any) -> bool | None:
    if len(changes) == 1:
        return holds(field_type, changes[0].mode, changes[0].before, changes[0].after, stored)
    return holds(field_type, "UPDATE", None, new, stored)


def _agreed_type(looked_up: str | None, read: str | None) -> str | None:
    types = {normalised_type(one) for one in (looked_up, read) if one}
    return types.pop() if len(types) == 1 else None


def _why_not_known(field_type: str | None, change: CellChange, stored: Any) -> str:
    if field_type is None:
        return "the type of the field is not known"
    if field_type not in PROVABLE:
        return f"values of the type {field_type} cannot be compared"
    if change.mode == "REPLACE" and after(field_type, change, stored) == stored:
        return NOTHING_TO_REPLACE
    return OTHER_FORM
