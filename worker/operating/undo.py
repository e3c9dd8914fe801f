"""Putting back what a change set changed, as far as the cells still hold what it wrote."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from feishu_batch.intents import BULK_PRIORITY, MAX_ITEMS, UpdateIntent, parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec
from worker.operating.change_sets import known_set, set_counts
from worker.operating.details import group_of, spec_of
from worker.operating.errors import WrongUseError
from worker.operating.session import Session
from worker.remote.effect import CellChange, after
from worker.remote.equality import UnreadableError, holds
from worker.remote.write_form import write_form

UNDO_OF: Final = "undo of "  # prefix of the note
LOOKED_AT: Final = 20  # intents, to find out whether a set kept values
LONGEST_ID: Final = 64  # characters of a change set's id
UNCERTAIN: Final = "outcome_unknown"  # the code of a failure that may have been applied: the condition tells


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


@dataclass(frozen=True, slots=True)
class NotUndone:
    item: int
    field_key: str
    why: NotUndoneWhy


@dataclass(slots=True)
class UndoPlan:
    """`untouched`: changes that wrote nothing. `forgotten`: intents whose records have expired, so that nothing is known of them."""

    change_set: str
    undo_set: str
    put_back: list[PutBack] = field(default_factory=list)
    not_undone: list[NotUndone] = field(default_factory=list)
    untouched: int = 0
    forgotten: int = 0
    was_undone: bool = False  # before: what was enqueued then is not enqueued again

    @property
    def is_whole(self) -> bool:
        return not self.not_undone and not self.forgotten

    def reasons(self) -> list[tuple[NotUndoneWhy, int]]:
        """Why values cannot be put back, the most frequent first."""
        return Counter(one.why for one in self.not_undone).most_common()

    @property
    def cells(self) -> int:
        return sum(len(one.items) for one in self.put_back)


@dataclass(slots=True)
class _Written:
    """What a set made of one cell: its changes in their order, each with [type, value] before it as JSON; None: not kept."""

    lane: str
    spec: GroupSpec  # of the last change
    changes: list[tuple[CellChange, str | None]]


_Place = tuple[str, str, str, int]  # lane, space, field, item


def undo_plan(session: Session, change_set: str) -> UndoPlan:
    """Reads only. Raises `WrongUseError` for an unknown set, and for one that has not ended."""
    counts = set_counts(session, change_set)
    if not counts.is_over:
        raise WrongUseError(
            f"{change_set} has not ended, so what it writes is not known yet:"
            f" wait for it, or end it with feishu-batch cancel --set {change_set}"
        )
    plan = UndoPlan(change_set, undo_id(change_set), forgotten=counts.forgotten)
    plan.was_undone = known_set(session, plan.undo_set) is not None
    written: dict[_Place, _Written] = {}
    for lane, spec, items, before in _changes(session, change_set, plan):
        for item in items:
            _note(written, (lane, spec.project_key, spec.field_key, item), spec, before.get(str(item)))
    _decide(plan, written)
    return plan


def enqueue_undo(session: Session, plan: UndoPlan) -> tuple[list[UpdateIntent], int]:
    """The intents, and how many of them were enqueued before."""
    intents = list(intents_of(plan))
    with session.client() as client:
        return intents, sum(bool(handle.was_known) for handle in client.enqueue_many(intents))


def keeps_values(session: Session, change_set: str) -> bool:
    """Whether the first intents of the set kept values from before. Cheap, for a view."""
    first = next(session.reads.ids_of_set(change_set), [])[:LOOKED_AT]
    places = [place for entry in session.reads.entries(first) if entry and (place := session.reads.place(entry))]
    return session.reads.count_before(places) > 0


def undo_id(change_set: str) -> str:
    """Of the change set that puts back. Undoing twice is the same work."""
    name = f"undo-{change_set}"
    return name if len(name) <= LONGEST_ID else f"undo-{blake2b(change_set.encode(), digest_size=16).hexdigest()}"


def intents_of(plan: UndoPlan) -> Iterator[UpdateIntent]:
    """Each writes only where the cell holds what the set wrote, and keeps that value, so that it can be undone, too."""
    for one in plan.put_back:
        for start in range(0, len(one.items), MAX_ITEMS):
            yield _intent(plan, one, one.items[start : start + MAX_ITEMS])


def _intent(plan: UndoPlan, one: PutBack, items: Sequence[int]) -> UpdateIntent:
    content = {
        "project_key": one.spec.project_key,
        "work_item_type_key": one.spec.work_item_type_key,
        "user_key": one.spec.user_key,
        "lane": one.lane,
        "work_item_ids": list(items),
        "field_key": one.spec.field_key,
        "update_mode": "UPDATE",
        "after_field_value": one.before,
        "expected_field_value": one.expected,
        "keep_before": True,
        "priority": BULK_PRIORITY,
        "change_set": plan.undo_set,
        "note": f"{UNDO_OF}{plan.change_set}",
    }
    intent = parse_intent(content)
    name = f"{plan.undo_set}\0{intent.digest()}"
    return intent.model_copy(update={"intent_id": f"undo-{blake2b(name.encode(), digest_size=16).hexdigest()}"})


def _changes(
    session: Session, change_set: str, plan: UndoPlan
) -> Iterator[tuple[str, GroupSpec, list[int], Mapping[str, str]]]:
    """Of each intent, oldest first: what it wrote to which items, and the values from before."""
    reads = session.reads
    for some in reads.ids_of_set(change_set):
        places = [place for entry in reads.entries(some) if entry and (place := reads.place(entry))]
        for place in places:
            record = reads.record(place)
            spec = spec_of(record, group_of(reads, place, record)) if RecordField.REFUSED not in record else None
            items = [item for item in record.get(RecordField.ITEMS, "").split(",") if item]
            done = _written_items(reads, place, items) if spec else []
            plan.untouched += len(items) - len(done)
            if spec and done:
                yield place.lane, spec, done, reads.before(place) if spec.keep_before else {}


def _written_items(reads: LedgerReads, place: IntentKeys, items: Sequence[str]) -> list[int]:
    """Those that succeeded, and those that may have been written."""
    [outcomes] = reads.outcomes([place])
    return [int(item) for item in items if item not in outcomes or _may_be_written(outcomes[item])]


def _may_be_written(outcome: str) -> bool:
    return outcome[0] == OutcomeKind.FAILED and json.loads(outcome[1:] or "{}").get("code") == UNCERTAIN


def _note(written: dict[_Place, _Written], cell: _Place, spec: GroupSpec, before: str | None) -> None:
    change = CellChange(spec.update_mode, spec.before_field_value, spec.after_field_value)
    known = written.setdefault(cell, _Written(cell[0], spec, []))
    known.spec = spec
    known.changes.append((change, before))


def _decide(plan: UndoPlan, written: Mapping[_Place, _Written]) -> None:
    found: dict[str, tuple[PutBack, list[int]]] = {}
    for (_, _, field_key, item), one in written.items():
        found_values = _values(one)
        if isinstance(found_values, NotUndoneWhy):
            plan.not_undone.append(NotUndone(item, field_key, found_values))
            continue
        before, expected = found_values
        same = PutBack(one.lane, one.spec, before, expected, ())
        _, items = found.setdefault(_key(same), (same, []))
        items.append(item)
    plan.put_back = [
        PutBack(same.lane, same.spec, same.before, same.expected, tuple(sorted(items)))
        for same, items in found.values()
    ]


def _values(one: _Written) -> tuple[Any, Any] | NotUndoneWhy:
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
