"""Putting back what a change set changed, as far as the cells still hold what it wrote."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

from feishu_batch.change_set import SetCounts
from feishu_batch.intents import BULK_PRIORITY, MAX_ITEMS, UpdateIntent, parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec
from worker.operating.change_sets import set_counts
from worker.operating.details import group_of, spec_of
from worker.operating.errors import WrongUseError
from worker.operating.retry.decision import Cell
from worker.operating.session import Session
from worker.operating.undo_runs import LaterRuns, known_runs, run_id
from worker.operating.undo_values import NotUndone, NotUndoneWhy, Place, PutBack, WrittenCell, decide, note_change
from worker.operating.undo_waiting import WaitingChange, waiting_changes

UNDO_OF: Final = "undo of "  # prefix of the note
LOOKED_AT: Final = 20  # intents, to find out whether a set kept values
UNCERTAIN: Final = "outcome_unknown"  # the code of a failure that may have been applied: the condition tells


@dataclass(slots=True)
class UndoPlan:
    """`untouched`: changes that wrote nothing. `forgotten`: intents whose records have expired, so that nothing is known of them.
    `waiting`: other changes that are written before the values are put back. `earlier`: the newest undo of the set.
    """

    change_set: str
    undo_set: str
    put_back: list[PutBack] = field(default_factory=list)
    not_undone: list[NotUndone] = field(default_factory=list)
    untouched: int = 0
    forgotten: int = 0
    waiting: list[WaitingChange] = field(default_factory=list)
    earlier: SetCounts | None = None

    @property
    def is_whole(self) -> bool:
        return not self.not_undone and not self.forgotten

    def reasons(self) -> list[tuple[NotUndoneWhy, int]]:
        """Why values cannot be put back, the most frequent first."""
        return Counter(one.why for one in self.not_undone).most_common()

    @property
    def values(self) -> int:
        return sum(len(one.items) for one in self.put_back)

    @property
    def cells(self) -> set[Cell]:
        return {cell for one in self.put_back for cell in one.cells}

    @property
    def is_again(self) -> bool:
        """Whether it was undone before, and its cells were written again since."""
        return self.earlier is not None and self.earlier.change_set != self.undo_set

    def keep_only(self, cells: Collection[Cell]) -> None:
        parts = (
            replace(one, items=tuple(item for cell, item in zip(one.cells, one.items, strict=True) if cell in cells))
            for one in self.put_back
        )
        self.put_back = [one for one in parts if one.items]


def undo_plan(session: Session, change_set: str) -> UndoPlan:
    """Reads only. Raises `WrongUseError` for an unknown set, and for one that has not ended."""
    counts = set_counts(session, change_set)
    if not counts.is_over:
        raise WrongUseError(
            f"{change_set} has not ended, so what it writes is not known yet:"
            f" wait for it, or end it with feishu-batch cancel --set {change_set}"
        )
    plan = UndoPlan(change_set, run_id(change_set), forgotten=counts.forgotten)
    written: dict[Place, WrittenCell] = {}
    for lane, spec, items, before in _changes(session, change_set, plan):
        for item in items:
            note_change(written, (lane, spec.project_key, spec.field_key, item), spec, before.get(str(item)))
    plan.put_back, plan.not_undone = decide(written)
    _compare(session, plan)
    return plan


def _compare(session: Session, plan: UndoPlan) -> None:
    """With the undos so far, and with what waits."""
    own: set[int] = set()
    if runs := known_runs(session, plan.change_set):
        later = LaterRuns(session, plan.change_set, runs)
        plan.earlier, own = runs[-1], later.own
        plan.undo_set, cells = later.choose(plan.cells)
        plan.keep_only(cells)
    plan.waiting = waiting_changes(session, plan.cells, own)


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
