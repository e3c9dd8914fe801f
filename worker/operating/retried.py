"""What became of failed items that were enqueued once more: their intents' records name the new intents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.results import IntentState, view_of_record
from worker.ledger.reading import Reading

MOST_ROUNDS = 20  # of retries of retries that are followed


@dataclass(frozen=True, slots=True)
class Retried:
    """A retry. `succeeded`: its items that did, once it has ended."""

    state: IntentState
    succeeded: frozenset[str] = frozenset()
    retried_as: tuple[str, ...] = ()


def retries_of(record: Mapping[str, str]) -> tuple[str, ...]:
    """Ids, oldest first; some may be forgotten."""
    return tuple(filter(None, record.get(RecordField.RETRIED_AS, "").split(",")))


class Retries:
    """Of any number of intents, read in a few round trips."""

    def __init__(self, reading: Reading, ids: Iterable[str]) -> None:
        self._reading = reading
        self._known: dict[str, Retried] = {}
        wanted = list(dict.fromkeys(ids))
        for _ in range(MOST_ROUNDS):
            if not wanted:
                break
            found = self._read(wanted)
            self._known |= found
            later = dict.fromkeys(id_ for one in found.values() for id_ in one.retried_as)
            wanted = [id_ for id_ in later if id_ not in self._known]

    def states(self, ids: Sequence[str]) -> list[tuple[str, IntentState]]:
        """Of those that are known."""
        return [(id_, self._known[id_].state) for id_ in ids if id_ in self._known]

    def succeeded(self, ids: Sequence[str]) -> set[str]:
        """Items that succeeded in one of these, or in a retry of it."""
        items: set[str] = set()
        seen: set[str] = set()
        ahead = list(ids)
        while ahead:
            id_ = ahead.pop()
            if id_ in self._known and id_ not in seen:
                seen.add(id_)
                items |= self._known[id_].succeeded
                ahead += self._known[id_].retried_as
        return items

    def _read(self, ids: Sequence[str]) -> dict[str, Retried]:
        entries = {id_: entry for id_, entry in zip(ids, self._reading.entries(ids), strict=True) if entry}
        places = {id_: place for id_, entry in entries.items() if (place := self._reading.place(entry))}
        found = {id_: Retried(IntentState.QUEUED) for id_ in entries if id_ not in places}
        records = self._reading.counts(list(places.values()))
        for (id_, place), record in zip(places.items(), records, strict=True):
            if record:
                found[id_] = self._retried(id_, place, record)
        return found

    def _retried(self, intent_id: str, place: IntentKeys, record: Mapping[str, str]) -> Retried:
        state = view_of_record(intent_id, place, record, {}).state
        succeeded: frozenset[str] = frozenset()
        if state.is_final and int(record.get(RecordField.SUCCEEDED) or 0):
            [outcomes] = self._reading.outcomes([place])
            succeeded = frozenset(self._reading.items(place)) - outcomes.keys()
        return Retried(state, succeeded, retries_of(record))
