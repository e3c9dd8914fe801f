"""Which work items of one place a change set names."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from feishu_batch.intents import parse_intent
from feishu_batch.keys import IntentKeys, RecordField
from worker.operating.change_sets import set_counts
from worker.operating.details import group_of, spec_of
from worker.operating.session import Session

_READ = (RecordField.ITEMS, RecordField.GROUP, RecordField.AS_WRITTEN)


def items_of_set(session: Session, change_set: str, spaces: Collection[str], type_key: str) -> Iterator[int]:
    """In the order of its intents, perhaps repeated. `spaces`: the space's key, and its name, which an intent in the inbox may have.

    Raises `WrongUseError` for an unknown set, at once.
    """
    set_counts(session, change_set)
    found = _SetItems(session, spaces, type_key)
    return (item for some in session.reads.ids_of_set(change_set) for item in found.of(some))


@dataclass(slots=True)
class _SetItems:
    session: Session
    spaces: Collection[str]
    type_key: str
    is_here: dict[tuple[str, str], bool] = field(default_factory=dict)  # lane, group → whether it is of this place

    def of(self, intent_ids: Sequence[str]) -> Iterator[int]:
        reads = self.session.reads
        entries = [entry for entry in reads.entries(intent_ids) if entry]
        recorded = {entry.number: place for entry in entries if (place := reads.place(entry))}
        records = dict(zip(recorded, reads.fields(list(recorded.values()), _READ), strict=True))
        for entry in entries:
            if entry.number not in recorded:
                yield from self._waiting(entry.number)
            elif self._is_of_place(recorded[entry.number], records[entry.number]):
                yield from (int(item) for item in records[entry.number].get(RecordField.ITEMS, "").split(",") if item)

    def _is_of_place(self, place: IntentKeys, record: Mapping[str, str]) -> bool:
        group = place.lane, record.get(RecordField.GROUP, "")  # without one: refused, as it was written
        if not group[1] or group not in self.is_here:
            spec = spec_of(record, group_of(self.session.reads, place, record))
            self.is_here[group] = spec is not None and self._fits(spec.project_key, spec.work_item_type_key)
        return self.is_here[group]

    def _waiting(self, number: int) -> Sequence[int]:
        """Of an intent in the inbox; none if it has left it meanwhile."""
        payload = self.session.reads.inbox_payload(number)
        intent = parse_intent(payload) if payload else None
        return intent.work_item_ids if intent and self._fits(intent.project_key, intent.work_item_type_key) else ()

    def _fits(self, space: str, type_key: str) -> bool:
        return space in self.spaces and type_key == self.type_key
